# SPDX-License-Identifier: Apache-2.0
# One page for each noun; tests/cli/examples.sh runs their examples. A page of two lines is
# another name for one that is there.
man_pages = \
	man/claviger-policy.5 \
	man/claviger.7 \
	man/kmsctl.1 \
	man/kmsctl-asymmetric-decrypt.1 \
	man/kmsctl-asymmetric-sign.1 \
	man/kmsctl-completion.1 \
	man/kmsctl-decrypt.1 \
	man/kmsctl-dek.1 \
	man/kmsctl-encrypt.1 \
	man/kmsctl-help.1 \
	man/kmsctl-import-jobs.1 \
	man/kmsctl-catalogue.1 \
	man/kmsctl-init.1 \
	man/kmsctl-key.1 \
	man/kmsctl-keyring.1 \
	man/kmsctl-keyrings.1 \
	man/kmsctl-keys.1 \
	man/kmsctl-keys-versions.1 \
	man/kmsctl-location.1 \
	man/kmsctl-locations.1 \
	man/kmsctl-mac-sign.1 \
	man/kmsctl-mac-verify.1 \
	man/kmsctl-maintain.1 \
	man/kmsctl-org-policies.1 \
	man/kmsctl-policy.1 \
	man/kmsctl-project.1 \
	man/kmsctl-projects.1 \
	man/kmsctl-raw-decrypt.1 \
	man/kmsctl-raw-encrypt.1 \
	man/kmsctl-role.1 \
	man/kmsctl-roles.1 \
	man/kmsctl-status.1 \
	man/kmsctl-token.1 \
	man/kmsctl-versions.1
man_MANS += $(man_pages)
EXTRA_DIST += $(man_pages)

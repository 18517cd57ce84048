# SPDX-License-Identifier: Apache-2.0
# Installed, and built into the library by lib/policy/local.mk. Documents of all dates stay.
policy_index = policies/index.json
policy_locations = policies/locations/locations-20261125.json
policy_roles = \
	policies/roles/claviger.auditor-20261125.json \
	policies/roles/claviger.operator-20261125.json \
	policies/roles/claviger.policyAdmin-20261125.json \
	policies/roles/claviger.policyViewer-20261125.json \
	policies/roles/cloudkms.admin-20260801.json \
	policies/roles/cloudkms.cryptoKeyDecrypter-20260801.json \
	policies/roles/cloudkms.cryptoKeyDecrypterViaDelegation-20260801.json \
	policies/roles/cloudkms.cryptoKeyEncrypter-20260801.json \
	policies/roles/cloudkms.cryptoKeyEncrypterDecrypter-20260801.json \
	policies/roles/cloudkms.cryptoKeyEncrypterDecrypterViaDelegation-20260801.json \
	policies/roles/cloudkms.cryptoKeyEncrypterViaDelegation-20260801.json \
	policies/roles/cloudkms.cryptoOperator-20260801.json \
	policies/roles/cloudkms.decapsulator-20260801.json \
	policies/roles/cloudkms.expertPqcSigner-20260801.json \
	policies/roles/cloudkms.expertRawAesCbc-20260801.json \
	policies/roles/cloudkms.expertRawAesCtr-20260801.json \
	policies/roles/cloudkms.expertRawPKCS1-20260801.json \
	policies/roles/cloudkms.importer-20260801.json \
	policies/roles/cloudkms.publicKeyViewer-20260801.json \
	policies/roles/cloudkms.signer-20260801.json \
	policies/roles/cloudkms.signerVerifier-20260801.json \
	policies/roles/cloudkms.verifier-20260801.json \
	policies/roles/cloudkms.viewer-20260801.json \
	policies/roles/editor-20260801.json \
	policies/roles/owner-20260801.json \
	policies/roles/viewer-20260801.json

policiesdir = $(pkgdatadir)/policies
policiesrolesdir = $(policiesdir)/roles
policieslocationsdir = $(policiesdir)/locations
dist_policies_DATA = $(policy_index) policies/role.schema.json
dist_policiesroles_DATA = $(policy_roles)
dist_policieslocations_DATA = $(policy_locations)
EXTRA_DIST += policies/README.md

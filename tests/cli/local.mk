# SPDX-License-Identifier: Apache-2.0
# The shipped kmsctl, as a user runs it.
test_scripts += \
	tests/cli/catalogue.sh \
	tests/cli/dek.sh \
	tests/cli/examples.sh \
	tests/cli/full_disk.sh \
	tests/cli/gcloud.sh \
	tests/cli/iam.sh \
	tests/cli/import.sh \
	tests/cli/kinds.sh \
	tests/cli/kmsctl.sh \
	tests/cli/life.sh \
	tests/cli/lists.sh \
	tests/cli/long_list.sh \
	tests/cli/maintain.sh \
	tests/cli/oaep.sh \
	tests/cli/places.sh \
	tests/cli/rotation.sh \
	tests/cli/sign.sh
EXTRA_DIST += tests/support/kinds.sh tests/snapshots/kmsctl-help.txt
soak_scripts += tests/soak/dek.sh

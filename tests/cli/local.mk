# SPDX-License-Identifier: Apache-2.0
# The shipped kmsctl, as a user runs it.
test_scripts += tests/cli/full_disk.sh tests/cli/kmsctl.sh tests/cli/life.sh
EXTRA_DIST += tests/snapshots/kmsctl-help.txt

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The long form of the kills in tests/cli/dek.sh: some 800 kills of bulk rewraps.
# CLAVIGER_REWRAP_ROUNDS and CLAVIGER_SEED say otherwise.
set -eu
: "${CLAVIGER_REWRAP_ROUNDS:=100}"
export CLAVIGER_REWRAP_ROUNDS
exec "${srcdir:?}/tests/cli/dek.sh"

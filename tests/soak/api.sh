#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The long form of the history checker and of the kill loop: 1,000,000 operations, 1,000 kills.
# CLAVIGER_SOAK_OPS, CLAVIGER_SOAK_KILLS, CLAVIGER_STRESS_SECONDS, CLAVIGER_SEAL_HISTORY and
# CLAVIGER_SEED say otherwise.
# Ends with `N passed, N failed, N skipped` also when it is run by hand.
set -u
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
: "${CLAVIGER_SOAK_OPS:=1000000}" "${CLAVIGER_SOAK_KILLS:=1000}" "${CLAVIGER_STRESS_SECONDS:=120}"
: "${CLAVIGER_SEED:=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}"
: "${CLAVIGER_TEST_SECONDS:=3400}" "${CLAVIGER_SEAL_HISTORY:=200}"
export CLAVIGER_SOAK_OPS CLAVIGER_SOAK_KILLS CLAVIGER_STRESS_SECONDS CLAVIGER_SEED
export CLAVIGER_TEST_SECONDS CLAVIGER_SEAL_HISTORY

version=$(git -C "$srcdir" describe --always --dirty 2>/dev/null) ||
	version=$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"$/\1/p' "${top_builddir:?}/config.h")
echo "# seed $CLAVIGER_SEED, version $version"

# soak NAME PROGRAM: a cmocka program, whose output is shown as comments.
soak()
{
	soak_rc=0
	soak_out=$("${top_builddir:?}/$2" 2>&1) || soak_rc=$?
	printf '%s\n' "$soak_out" | sed 's/^/# /'
	is "$1" "$soak_rc" 0
}

soak "a history of $CLAVIGER_SOAK_OPS operations fits the acknowledged states" \
	tests/token/test_history
soak "$CLAVIGER_SOAK_KILLS kills lose nothing and leave nothing half done" tests/token/test_crash
soak "eight threads on one context for $CLAVIGER_STRESS_SECONDS s" tests/token/test_stress
soak "each of $CLAVIGER_SEAL_HISTORY older copies of a catalogue is refused" tests/token/test_seal
tap_done

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each of FUZZ_PROGRAMS with libFuzzer for FUZZ_SECONDS, beginning with the seeds in
# tests/fuzz/seeds/NAME (the program is tests/fuzz/NAME_fuzz). What it finds is kept in
# fuzz-corpus/NAME; an input that breaks the program is there too, and becomes a seed of the repair.
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"

for program in ${FUZZ_PROGRAMS?}; do
	name=$(basename "$program")
	name=${name%_fuzz}
	seeds=$srcdir/tests/fuzz/seeds/$name
	if [ -z "$(ls -A "$seeds" 2>/dev/null)" ]; then
		fail "$name has seeds" "nothing in tests/fuzz/seeds/$name"
		continue
	fi
	corpus=${top_builddir:?}/fuzz-corpus/$name
	mkdir -p "$corpus"
	rc=0
	"$top_builddir/$program" -max_total_time="${FUZZ_SECONDS:?}" -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="$corpus/" "$corpus" "$seeds" \
		>"$TMPDIR/$name.log" 2>&1 || rc=$?
	if [ "$rc" -eq 0 ]; then
		pass "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$TMPDIR/$name.log") inputs"
	else
		fail "$name" "$(tail -n 60 "$TMPDIR/$name.log")"
	fi
done
tap_done

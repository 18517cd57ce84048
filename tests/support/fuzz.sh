#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each of FUZZ_PROGRAMS on its seeds: tests/fuzz/NAME_fuzz takes the files of
# tests/fuzz/seeds/NAME. Without FUZZ_SECONDS they are replayed; with it (libFuzzer programs
# only) new input is made from them for so many seconds, kept in fuzz-corpus/NAME. Input that
# breaks a program is left in fuzz-corpus/NAME too, and becomes a seed of the repair.
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
	if [ -z "${FUZZ_SECONDS-}" ]; then
		ok "$name: $(find "$seeds" -type f | wc -l) seeds" "${top_builddir:?}/$program" "$seeds"/*
		continue
	fi
	corpus=$top_builddir/fuzz-corpus/$name
	mkdir -p "$corpus"
	rc=0
	"$top_builddir/$program" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="$corpus/" "$corpus" "$seeds" \
		>"$TMPDIR/$name.log" 2>&1 || rc=$?
	if [ "$rc" -eq 0 ]; then
		pass "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$TMPDIR/$name.log") inputs"
	else
		fail "$name" "$(tail -n 60 "$TMPDIR/$name.log")"
	fi
done
tap_done

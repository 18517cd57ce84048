#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/run itself: whatever goes wrong in a test must come out as a failure.
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
run=$srcdir/tests/run
dir=${TMPDIR:?}
unset CI
mkdir "$dir/in"

# test_file NAME: makes an executable test out of standard input.
test_file()
{
	{ printf '#!/bin/sh\n' && cat; } >"$dir/in/$1"
	chmod +x "$dir/in/$1"
}

# gone PID: no such process, or a dead one that nobody has waited for.
gone()
{
	! kill -0 "$1" 2>/dev/null || grep -q '^State:[[:space:]]*Z' "/proc/$1/status"
}

# try WANTED-STATUS WANTED-LAST-LINE NAME [OPTION...] TEST...; the output stays in $out.
try()
{
	try_wanted=$1 try_line=$2 try_name=$3
	shift 3
	try_rc=0
	out=$("$run" --builddir "$dir/in" --srcdir "$dir/in" --logs "$dir/logs" "$@" 2>&1) || try_rc=$?
	if [ "$try_rc" -eq "$try_wanted" ] &&
		[ "$(printf '%s\n' "$out" | tail -n 1)" = "$try_line" ]; then
		pass "$try_name"
	else
		fail "$try_name" "status $try_rc, output: $out"
	fi
}

test_file good <<'E'
echo 'ok 1 - a'; echo 'ok 2 - b'; echo 1..2
E
test_file bad <<'E'
echo 1..2; echo 'ok 1'; echo 'not ok 2 - the reason'; echo 'a word on stderr' >&2; exit 1
E
test_file bad_but_0 <<'E'
echo 1..1; echo 'not ok 1 - status 0 all the same'
E
test_file status <<'E'
echo 1..1; echo 'ok 1'; exit 3
E
test_file crash <<'E'
echo 1..1; echo 'ok 1'; kill -SEGV $$
E
test_file hang <<'E'
echo 1..1; echo 'ok 1'; sleep 300 & echo $! >"$srcdir/child"; wait
E
test_file leaves_child <<'E'
echo 1..1; echo 'ok 1'; sleep 300 >/dev/null 2>&1 & echo $! >"$srcdir/child"
E
test_file no_plan <<'E'
echo 'ok 1'
E
test_file silent <<'E'
:
E
test_file too_few <<'E'
echo 1..3; echo 'ok 1'
E
test_file too_many <<'E'
echo 1..1; echo 'ok 1'; echo 'ok 2'
E
test_file empty_plan <<'E'
echo 1..0
E
test_file two_plans <<'E'
echo 1..1; echo 'ok 1'; echo 1..1; echo 'ok 1'
E
test_file bail <<'E'
echo 1..1; echo 'ok 1'; echo 'Bail out! the token is gone'
E
test_file skip_one <<'E'
echo 1..2; echo 'ok 1'; echo 'ok 2 # SKIP no second disk'
E
test_file skip_cmocka <<'E'
echo 1..2; echo 'ok 1'; echo 'not ok 2 # SKIP needs_a_token'
E
test_file skip_all <<'E'
echo '1..0 # SKIP no SoftHSM'
E
test_file env <<'E'
n=0
t() { n=$((n + 1)); if "$@"; then echo "ok $n"; else echo "not ok $n - $*"; fi; }
t [ -d "$TMPDIR" ]; t [ "$HOME" = "$TMPDIR" ]; t [ "$CMOCKA_MESSAGE_OUTPUT" = TAP ]
t [ -x "$srcdir/env" ]; t [ -x "$top_builddir/env" ]; t [ -z "${TEST_RESULTS-}" ]
t [ -z "${MAKEFLAGS-}" ]; t [ "$(cat)" = '' ]; echo "$TMPDIR" >"$srcdir/tmpdir"; echo "1..$n"
E
test_file keeps <<'E'
touch "$TMPDIR/evidence"; echo 1..1; echo 'not ok 1'
E
printf '#!/bin/sh\n' >"$dir/in/not_executable"

try 0 '2 passed, 0 failed, 0 skipped' 'a good test' good
try 0 '4 passed, 0 failed, 0 skipped' 'two good tests' good good
try 1 '1 passed, 1 failed, 0 skipped' 'a failing test' bad
like 'its output is shown' "$out" 'not ok 2 - the reason'
like 'what it said on standard error too' "$out" 'a word on stderr'
try 1 '0 passed, 1 failed, 0 skipped' 'a failing test that ends with 0' bad_but_0
try 1 '1 passed, 1 failed, 0 skipped' 'a status other than 0' status
try 1 '1 passed, 1 failed, 0 skipped' 'a crash' crash
like 'the signal is named' "$out" 'signal 11'
try 1 '1 passed, 1 failed, 0 skipped' 'a test that hangs' --timeout 0.5 hang
like 'the time is named' "$out" 'more than 0.5 s'
sleep 0.2
ok 'the child of the hanging test is gone' gone "$(cat "$dir/in/child")"
try 0 '1 passed, 0 failed, 0 skipped' 'a test that leaves a child' leaves_child
sleep 0.2
ok 'that child is gone' gone "$(cat "$dir/in/child")"
try 1 '1 passed, 1 failed, 0 skipped' 'no plan' no_plan
try 1 '0 passed, 1 failed, 0 skipped' 'no word at all' silent
try 1 '1 passed, 1 failed, 0 skipped' 'fewer tests than planned' too_few
try 1 '2 passed, 1 failed, 0 skipped' 'more tests than planned' too_many
try 1 '0 passed, 1 failed, 0 skipped' 'a plan of nothing' empty_plan
try 1 '1 passed, 1 failed, 0 skipped' 'bailing out' bail
try 1 '0 passed, 1 failed, 0 skipped' 'a test that is not there' absent
try 1 '0 passed, 1 failed, 0 skipped' 'a test that is not executable' not_executable
try 1 '0 passed, 1 failed, 0 skipped' 'no test at all'
try 0 '1 passed, 0 failed, 1 skipped' 'a skip' skip_one
like 'with its reason' "$out" 'SKIP .*no second disk'
try 0 '1 passed, 0 failed, 1 skipped' "cmocka's way to skip" skip_cmocka
like 'with the name of the test' "$out" 'SKIP .*needs_a_token'
try 0 '0 passed, 0 failed, 1 skipped' 'a file that skips everything' skip_all
CI=true
export CI
try 1 '1 passed, 1 failed, 0 skipped' 'under CI a skip is a failure' skip_one
try 1 '0 passed, 1 failed, 0 skipped' 'under CI a skipped file is a failure' skip_all
try 0 '2 passed, 0 failed, 0 skipped' 'under CI a good test is good' good
unset CI
try 0 '8 passed, 0 failed, 0 skipped' 'what a test gets' --results "$dir/results" env
ok 'its directory is removed' test ! -e "$(cat "$dir/in/tmpdir")"
try 1 '0 passed, 1 failed, 0 skipped' 'a failing test keeps its files' keeps
kept=$(printf '%s\n' "$out" | sed -n 's/.*are kept in //p')
ok 'and says where' test -e "$kept/evidence"
try 0 '2 passed, 0 failed, 0 skipped' 'a second run adds its numbers' --results "$dir/results" \
	--label again good
is 'results add up' "$(cat "$dir/results")" 'tests 8 0 0
again 2 0 0'
try 0 '2 passed, 0 failed, 0 skipped' 'a test behind a wrapper' --wrap 'env X=1' good
rc=0
out=$("$run" --builddir "$dir/in" --srcdir "$dir/in" --logs "$dir/logs" two_plans 2>&1) || rc=$?
is 'two plans are a failure' "$rc" 1
tap_done

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# TAP for shell tests: `. "$srcdir/tests/support/tap.sh"`, then ok, is, like ..., last tap_done.
# The plan comes last, so that a script which stops half way has none and fails.
tap_n=0
tap_bad=0

note() { printf '%s\n' "$*" | sed 's/^/# /'; }

pass()
{
	tap_n=$((tap_n + 1))
	printf 'ok %d - %s\n' "$tap_n" "$1"
}

# fail NAME [WHY]
fail()
{
	tap_n=$((tap_n + 1))
	tap_bad=$((tap_bad + 1))
	printf 'not ok %d - %s\n' "$tap_n" "$1"
	if [ $# -gt 1 ]; then note "$2"; fi
}

# ok NAME COMMAND...: the command succeeds. Its output is shown when it does not.
ok()
{
	tap_name=$1
	shift
	tap_rc=0
	tap_out=$("$@" 2>&1) || tap_rc=$?
	if [ "$tap_rc" -eq 0 ]; then
		pass "$tap_name"
	else
		fail "$tap_name" "status $tap_rc: $tap_out"
	fi
}

# is NAME GOT WANTED: two texts are the same.
is()
{
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "got:    $2"
		note "wanted: $3"
	fi
}

# like NAME TEXT PATTERN: a line of the text fits the extended regular expression.
like()
{
	if printf '%s\n' "$2" | grep -Eq -e "$3"; then
		pass "$1"
	else
		fail "$1" "no line fits $3 in:
$2"
	fi
}

# skip_all REASON: ends the script. Where CI=true this is a failure.
skip_all()
{
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

tap_done()
{
	printf '1..%d\n' "$tap_n"
	[ "$tap_bad" -eq 0 ]
}

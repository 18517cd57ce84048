#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The examples of the man pages, run as they stand there: first those of kmsctl(1), which make a
# home, then those of each page in that home. What of a page is an example, and what it says about
# the outcome, is in tests/support/examples. Last, pages with wrong examples, which must be noticed.
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
program=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
examples=$srcdir/tests/support/examples
overview=$srcdir/man/kmsctl.1
command -v softhsm2-util >/dev/null || skip_all 'softhsm2-util is needed to make the token bank-hsm-1'
module=/usr/lib/softhsm/libsofthsm2.so
[ -e "$module" ] || skip_all "the pages speak of $module, which is not there"
cd "${TMPDIR:?}"
mkdir bench
unset CLAVIGER_HOME CLAVIGER_PROJECT NO_COLOR
XDG_DATA_HOME=$PWD/data
export XDG_DATA_HOME

# The token of the pages that speak of a token of one's own.
mkdir tokens
printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$PWD" \
	>softhsm2.conf
SOFTHSM2_CONF=$PWD/softhsm2.conf
export SOFTHSM2_CONF
umask 077
printf '271828' >bench/pin
softhsm2-util --init-token --free --label bank-hsm-1 --pin 271828 --so-pin 314159 >token.log 2>&1 ||
	{
		fail 'the token bank-hsm-1 is there' "$(cat token.log)"
		tap_done
		exit 1
	}

# run_page DIR: the examples one after the other in one shell, as a reader would type them.
run_page()
(
	set +e # what fails on purpose would end the shell: `.` does not know that it is tested
	cd bench || exit
	# shellcheck disable=SC2317 # the examples call it
	kmsctl() { "$program" "$@"; }
	run_n=1
	while [ -e "../$1/$run_n.cmd" ]; do
		# shellcheck source=/dev/null
		. "../$1/$run_n.cmd" >"../$1/$run_n.out" 2>&1 </dev/null
		echo $? >"../$1/$run_n.rc"
		run_n=$((run_n + 1))
	done
)

# wrong PAGE: what of its examples is not as it says; sets dir and n.
wrong()
{
	dir=$(basename "$1").examples
	mkdir "$dir"
	bad=$("$examples" take "$1" "$dir" 2>&1) || return 0
	n=$(find "$dir" -name '*.cmd' | wc -l)
	if [ "$n" -eq 0 ]; then
		bad='it has no examples'
		return 0
	fi
	run_page "$dir"
	bad=$("$examples" judge "$overview" "$dir" 2>&1) || bad="$bad (could not be judged)"
}

for page in "$overview" "$srcdir"/man/kmsctl-*.1; do
	if grep -q '^[.]so ' "$page"; then continue; fi
	wrong "$page"
	is "$(basename "$page"): the examples do what the page says" "$bad" ''
done

# ---- wrong examples are noticed

page()
{
	printf '.Dd November 1, 2026\n.Sh EXAMPLES\n.Bd -literal\n' >"$1"
	cat >>"$1"
	echo '.Ed' >>"$1"
}
notices() # NAME FILE PATTERN
{
	wrong "$2"
	like "$1" "$bad" "$3"
}

page option.1 <<'X'
$ kmsctl keyrings list --locaton global
X
notices 'an option that is not there is noticed' option.1 'status 2, the page says 0'
page status.1 <<'X'
$ kmsctl keyrings describe no-such-ring --location global
ERROR: (kmsctl.keyrings.describe) PERMISSION_DENIED: ...
X
notices 'another status is noticed' status.1 'status 4, the page says 3'
page works.1 <<'X'
$ kmsctl keyrings list \e
    --location global
ERROR: (kmsctl.keyrings.list) NOT_FOUND: ...
X
notices 'an error that does not come is noticed' works.1 'status 0, the page says 4'
page output.1 <<'X'
$ ring=$(kmsctl keyrings list --location global | tail -n 1)
$ kmsctl keyrings describe $ring
name: projects/...
X
wrong output.1
is 'what is right is found right' "$bad" ''
page wrong.1 <<'X'
$ kmsctl keyrings list --location global
name: .../keyRings/str-pl-global-kr
X
notices 'other output is noticed' wrong.1 'the page says `name:'
page none.1 </dev/null
notices 'a page without examples is noticed' none.1 'no examples'
tap_done

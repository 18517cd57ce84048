#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A list of 100,000 versions in every form, with less memory than its text has bytes: a limit of the
# system's, not a measurement, so what keeps the rows in memory fails.
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
cd "${TMPDIR:?}"
CLAVIGER_HOME=$PWD/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME NO_COLOR
LC_ALL=C # a sort that takes no time
export LC_ALL
N=100000
memory=32768 # KiB of data; half of that is for secrets, libraries and a page of the catalogue
# Sanitizers need more than that for themselves.
! grep -qs 'define CLV_SANITIZED 1' "$top_builddir/config.h" || memory=unlimited

# As long as they may be, so that a row is.
long() { printf '%s%062d' "$1" 0; }
L=$(long l)
R=$(long r)
"$kmsctl" init --quiet --softhsm --location "$L" --project "$(long p | cut -c 1-30)" >log 2>&1
"$kmsctl" keyrings create "$R" --location "$L" --quiet
"$kmsctl" keys create "$(long k)" --location "$L" --keyring "$R" --quiet
K=$("$kmsctl" keys list --location "$L" --keyring "$R" --uri)
"$top_builddir/tests/support/edit_catalogue" "$CLAVIGER_HOME" "
	PRAGMA synchronous = OFF;
	WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < $N)
	INSERT INTO versions (crypto_key, location, number, uid, state, algorithm, protection,
		residency, create_time, generate_time, state_time, state_principal, state_reason, blob)
	SELECT crypto_key, location, i, randomblob(16), state, algorithm, protection, residency,
		create_time, generate_time, (i * 7919 % 100003) * 1000000000, state_principal,
		state_reason, blob FROM versions, n WHERE number = 1;"

# lists NAME ARGUMENT...: the list is made with so little memory; it is in out.
lists()
{
	name=$1
	shift
	rc=0
	# shellcheck disable=SC3045 # dash and bash have it, on Linux
	(ulimit -d $memory && exec "$kmsctl" keys versions list --key "$K" "$@") >out 2>err || rc=$?
	is "$name" "$rc $(cat err)" '0 '
}
# in_order NAME FIELD: all of them are there, once each, and the field rises.
in_order()
{
	is "$1: all are there" "$(awk '{ print $1 }' rows | sort -u | wc -l) $(wc -l <rows)" "$N $N"
	ok "$1: in this order" sort -c -k "$2,$2" rows
}

lists 'a table'
tail -n +2 out >rows
is 'it has titles' "$(head -n 1 out | awk '{ print $1, $2 }')" 'NAME STATE'
ok 'its text alone is more than the memory' test "$(wc -c <rows)" -gt $((32768 * 1024))
is 'it is in the order of numbers' "$(awk -F '[/ ]' '{ print $10 }' rows | sort -nc && echo yes)" yes
is 'and all are there' "$(wc -l <rows)" $N
lists 'a sorted table' --sort-by stateTime
tail -n +2 out >rows
in_order 'the sorted table' 4
cut -d ' ' -f 1 rows >names
lists 'sorted values' --sort-by stateTime --format 'value(name,stateTime)'
cp out rows
in_order 'the sorted values' 2
lists 'sorted JSON' --sort-by stateTime --format json
grep '^    "name":' out | cut -d '"' -f 4 >json-names
ok 'it has the same order' cmp names json-names
is 'each is an object of a list' "$(head -n 1 out) $(grep -c '^  {$' out) $(grep -c '^  },$' out) $(tail -n 2 out | paste -sd ' ' -)" \
	"[ $N $((N - 1))   } ]"
lists 'the last few' --sort-by '~stateTime' --limit 3 --format 'value(name)'
tail -n 3 names | sort -r >wanted
is 'they are' "$(sort -r out)" "$(cat wanted)"

# Half a list must not look like one.
rc=0
(ulimit -f 2048 && exec "$kmsctl" keys versions list --key "$K") >out 2>err || rc=$?
is 'a list that cannot be kept is an error, and nothing is printed' "$rc $(wc -c <out)" '7 0'
like 'it says why' "$(cat err)" 'UNAVAILABLE: cannot keep a long list in a temporary file: '
tap_done

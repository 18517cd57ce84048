#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `kmsctl maintain` asks before it erases, where somebody sits at a terminal, and only there.
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
cd "${TMPDIR:?}"
command -v script >/dev/null || skip_all 'no script(1), which makes a terminal'
CLAVIGER_HOME=$PWD/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME NO_COLOR
K=projects/demo/locations/global/keyRings/r/cryptoKeys/k

# Versions of the key with that state, by number.
versions()
{
	"$kmsctl" keys versions list --key "$K" --filter "state=$1" --quiet \
		--format 'value(name.basename())' | paste -sd ' ' -
}
# due N: N more versions, ordered to be destroyed, and their time has come.
due()
{
	for _ in $(seq "$1"); do
		number=$("$kmsctl" keys versions create --key "$K" --quiet --format 'value(name.basename())')
		"$kmsctl" keys versions destroy "$number" --key "$K" --quiet >log
	done
	"$top_builddir/tests/support/edit_catalogue" "$CLAVIGER_HOME" \
		'UPDATE versions SET destroy_time = row WHERE state = 4'
}
# typed ANSWER COMMAND: runs it on a terminal where the answer is typed; out is what is seen there.
# The answer is not: when it comes is chance, and it would stand in the middle of a line.
typed()
{
	rc=0
	printf '%b' "$1" | script -qec "stty -echo; $2" /dev/null >seen 2>&1 || rc=$?
	tr -d '\r' <seen >out
}
asked() { grep -c '^Type yes to go on: ' out || true; }

"$kmsctl" init --quiet --softhsm --location global >log 2>&1
"$kmsctl" keyrings create r --location global --quiet
"$kmsctl" keys create k --keyring "${K%/cryptoKeys/k}" --quiet

# ---- nothing is due

typed '' "'$kmsctl' maintain"
is 'nothing is due: nothing is asked' "$rc $(asked)" '0 0'
like 'and it says so' "$(cat out)" '^Destroyed 0 versions, rotated 0 keys[.]$'

# ---- somebody is asked

due 2
for answer in 'no\n' '\n' 'Yes\n' 'yes \n' 'y\n' 'yes, all of them\n' '\004'; do
	typed "$answer" "'$kmsctl' maintain"
	is "the answer is not yes: $answer" "$rc $(asked) $(versions DESTROY_SCHEDULED)" '10 1 2 3'
done
like 'it says how many' "$(cat out)" '^2 key versions are due for destruction[.] .* erased for good:$'
is 'and which' "$(grep -c "^  $K/cryptoKeyVersions/[23]\$" out)" 2
is 'and no more' "$(grep -c '^  and ' out || true)" 0
like 'and that nothing was done' "$(cat out)" \
	'^ERROR: [(]kmsctl[.]maintain[)] ABORTED: nothing was done: the answer was not .yes.'
typed 'no\n' "'$kmsctl' maintain --format json"
is 'also where JSON is wanted' "$rc $(asked) $(versions DESTROY_SCHEDULED)" '10 1 2 3'
"$kmsctl" keys versions restore 3 --key "$K" --quiet >log
typed 'yes\n' "'$kmsctl' maintain"
is 'yes: what is due goes' "$rc $(asked) $(versions DESTROYED)" '0 1 2'
like 'one is one' "$(cat out)" '^1 key version is due for destruction[.] Its key material '
like 'and it says what was done' "$(cat out)" 'Destroyed 1 version, rotated 0 keys[.]$'
is 'what was restored stays' "$(versions DISABLED)" 3
due 7
typed 'no\n' "'$kmsctl' maintain"
is 'of many the first are named' "$(grep -c '^  projects/' out) $(grep '^  and' out)" '5   and 2 more'

# ---- nobody is asked

typed '' "'$kmsctl' maintain --quiet"
is '--quiet' "$rc $(asked) $(versions DESTROY_SCHEDULED)" '0 0 '
due 1
typed '' "'$kmsctl' maintain --yes"
is '--yes' "$rc $(asked) $(versions DESTROY_SCHEDULED)" '0 0 '
due 1
typed '' "'$kmsctl' maintain </dev/null"
is 'standard input is no terminal' "$rc $(asked) $(versions DESTROY_SCHEDULED)" '0 0 '
due 1
typed '' "'$kmsctl' maintain 2>err"
is 'standard error is none' "$rc $(asked) $(versions DESTROY_SCHEDULED)" '0 0 '
due 1
rc=0
"$kmsctl" maintain >out 2>&1 </dev/null || rc=$?
is 'neither is one' "$rc $(asked) $(versions DESTROY_SCHEDULED)" '0 0 '
due 1
typed 'no\n' "'$kmsctl' maintain >result"
is 'the result may go elsewhere' "$rc $(asked) $(cat result)" '10 1 '

# ---- an order to destroy can be taken back

number=$("$kmsctl" keys versions create --key "$K" --quiet --format 'value(name.basename())')
typed '' "'$kmsctl' keys versions destroy $number --key $K"
is 'an order to destroy asks nothing' "$rc $(asked)" '0 0'
tap_done

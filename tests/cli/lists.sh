#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What is listed, in which order and in which form: --filter, --sort-by, --limit, --page-size,
# --uri, --format, and tables on a terminal. Also what is refused, and that nothing is done then.
# shellcheck disable=SC2016 # the back quotes in single quotes are those of the messages
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
cd "${TMPDIR:?}"
CLAVIGER_HOME=$PWD/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME NO_COLOR
R=projects/demo/locations/global/keyRings/r1

run()
{
	rc=0
	"$kmsctl" "$@" >out 2>err </dev/null || rc=$?
}
# prints NAME WANTED ARGUMENT...: the command ends well, says nothing, and prints these lines.
prints()
{
	name=$1
	wanted=$2
	shift 2
	run "$@"
	is "$name" "$rc $(cat err out)" "0 $wanted"
}
# refuses NAME PATTERN ARGUMENT...: one line on standard error that fits, and status 2.
refuses()
{
	name=$1
	pattern=$2
	shift 2
	run "$@"
	is "$name" "$rc $(wc -l <err) $(wc -c <out) $(grep -Ec -e "$pattern" err)" '2 1 0 1'
}
keys() { "$kmsctl" keys list --keyring "$R" --format 'value(name.basename())' "$@" | paste -sd ' '; }

"$kmsctl" init --quiet --softhsm --location global >log 2>&1
"$kmsctl" keyrings create r1 --location global --quiet
for key in alpha beta gamma delta; do "$kmsctl" keys create $key --keyring "$R" --quiet; done
"$kmsctl" keys create hsm --keyring "$R" --protection-level hsm --destroy-scheduled-duration 2d --quiet
"$kmsctl" keys versions disable 1 --key "$R/cryptoKeys/beta" --reason drill --quiet >log
"$kmsctl" keys versions create --key "$R/cryptoKeys/gamma" --primary --quiet

# ---- filters, order, number

is 'without options everything comes, by name' "$(keys)" 'alpha beta delta gamma hsm'
is 'a filter by state' "$(keys --filter primary.state=DISABLED)" beta
is 'but for upper and lower case' "$(keys --filter primary.state=disabled)" beta
is 'by what it contains' "$(keys --filter name:cryptoKeys/g)" gamma
is 'by a regular expression' "$(keys --filter 'name~"/(alpha|beta)$"')" 'alpha beta'
is 'by several' "$(keys --filter 'name:(alpha hsm)')" 'alpha hsm'
is 'with AND, NOT and parentheses' \
	"$(keys --filter '(name:alpha OR name:beta) AND NOT primary.state=DISABLED')" alpha
is 'by a duration' "$(keys --filter 'destroyScheduledDuration<3d')" hsm
is 'by a time' "$(keys --filter 'createTime>2026-01-01 AND createTime<2200-01-01T00:00:00+02:00')" \
	'alpha beta delta gamma hsm'
is 'by the number of the primary' "$(keys --filter 'primary.name:*/2')" gamma
is 'sorted' "$(keys --sort-by ~name)" 'hsm gamma delta beta alpha'
is 'by two fields' "$(keys --sort-by versionTemplate.protectionLevel,name)" \
	'hsm alpha beta delta gamma'
is 'the limit counts what the filter left' "$(keys --filter '-name:alpha' --limit 2)" 'beta delta'
is 'and the first of the sorted' "$(keys --sort-by ~name --limit 2)" 'hsm gamma'
is 'all three' "$(keys --filter 'name:a' --sort-by ~createTime --limit 1)" hsm
is 'the page size changes nothing' "$(keys --page-size 1) $(keys --page-size 2 --limit 3)" \
	'alpha beta delta gamma hsm alpha beta delta'
is 'nor with a filter' "$(keys --page-size 2 --filter 'name~m[^/]*$')" 'gamma hsm' 
run keys list --keyring "$R" --format json --sort-by ~name --limit 2
cp out sorted
run keys list --keyring "$R" --format json --filter 'name:(gamma hsm)'
is 'what is sorted has all fields, as what is not' "$(grep -v '^[][{} ,]*$' sorted | sort)" \
	"$(grep -v '^[][{} ,]*$' out | sort)"
prints 'names only' "$R/cryptoKeys/beta" keys list --keyring "$R" --uri --filter name:beta
prints 'nothing fits' 'Listed 0 items.' keys list --keyring "$R" --filter name:nothing
run keys list --keyring "$R" --filter stat=ENABLED
is 'a field that nothing has is told' "$(head -n 1 err)" \
	'WARNING: --filter: nothing here has a field stat'
run keys list --keyring "$R" --filter stat=ENABLED --verbosity error
is 'unless warnings are not wanted' "$(cat err)" 'Listed 0 items.'
run keys list --keyring "$R" --sort-by name,creatTime --uri
is 'also one to sort by' "$rc $(cat err)" '0 WARNING: --sort-by: nothing here has a field creatTime'
run keys list --keyring "$R" --filter stat=ENABLED --format json
is 'in JSON it is an object beside the list' "$rc $(cat out err)" \
	'0 []
{"warnings":["--filter: nothing here has a field stat"]}'
run keys versions list --key "$R/cryptoKeys/gamma" --format json --filter name:2 --uri
is 'names in JSON' "$(tr -d ' \n' <out)" "[\"$R/cryptoKeys/gamma/cryptoKeyVersions/2\"]"

# ---- the primary version of a key is shown as the version is

# primary: of the key, or the one key, in a JSON text
primary()
{
	perl -MJSON::PP -e 'local $/; my $doc = decode_json(<>); $doc = $doc->[0] if ref $doc eq "ARRAY";
		print JSON::PP->new->canonical->pretty->encode($doc->{primary} // $doc)'
}
"$kmsctl" keys versions describe 1 --key "$R/cryptoKeys/beta" --format json | primary >version
"$kmsctl" keys describe "$R/cryptoKeys/beta" --format json | primary >described
"$kmsctl" keys list --keyring "$R" --filter name:beta --format json | primary >listed
is 'it is a whole version' "$(grep -Ec '"(algorithm|generateTime|uid|stateTime|state|name)"' version)" 6
is 'where a key is described' "$(cat described)" "$(cat version)"
is 'and where it is listed' "$(cat listed)" "$(cat version)"
"$kmsctl" keys versions describe 1 --key "$R/cryptoKeys/beta" >version
"$kmsctl" keys describe "$R/cryptoKeys/beta" >described
is 'also in text' "$(sed -n '/^primary:/,/^[^p ]/s/^  //p' described)" "$(cat version)"
is 'and its fields can be filtered' \
	"$(keys --filter 'primary.generateTime>2026-01-01 AND primary.stateReason=drill')" beta

# ----

prints 'every kind of thing can be filtered' global locations list --filter locationId=global \
	--format 'value(locationId)'
prints 'and counted' "$R" keyrings list --location global --limit 1 --uri

# ---- values

prints 'fields of one thing' "gamma	2	ENABLED" keys describe "$R/cryptoKeys/gamma" \
	--format 'value(name.basename(),primary.name.basename(),primary.state)'
prints 'of what was made' "Created key ring [r2].
projects/demo/locations/global/keyRings/r2" keyrings create r2 --location global \
	--format 'value(name)'
prints 'a table of what is asked for' 'NAME   STATE     DESTROY_TIME
beta   DISABLED
gamma  ENABLED' keys list --keyring "$R" --filter 'name:(beta gamma)' \
	--format 'table(name.basename(),primary.state,primary.destroyTime)'
prints 'also of one thing' 'ALGORITHM
GOOGLE_SYMMETRIC_ENCRYPTION' keys describe "$R/cryptoKeys/beta" --format 'table(versionTemplate.algorithm)'
prints 'a field that is not there' '' keys describe "$R/cryptoKeys/gamma" --format 'value(nothing)'

# ---- refused

refuses 'an unknown format' '--format: text, json, value\(FIELD,...\) or table\(FIELD,...\) is wanted, not `yaml`' \
	keys list --keyring "$R" --format yaml
refuses 'half a filter' '--filter: a value is missing at the end' \
	keys list --keyring "$R" --filter state=
refuses 'a filter of two minds' '--filter: AND beside OR needs parentheses' \
	keys list --keyring "$R" --filter 'a=1 AND b=2 OR c=3'
refuses 'a bad order' '--sort-by: fields like name' keys list --keyring "$R" --sort-by name,,n
refuses 'names as values' '--uri prints names' \
	keys list --keyring "$R" --uri --format 'value(name)'
refuses 'a filter where nothing is listed' '--filter is not an option of this command' \
	keyrings create r3 --location global --filter name:r
run keyrings create r3 --location global --format xml
is 'a bad format makes nothing' "$rc $("$kmsctl" keyrings list --location global --uri \
	--filter name:r3)" '2 '

# ---- on a terminal

versions="'$kmsctl' keys versions list --key $R/cryptoKeys/gamma"
# on_terminal COLUMNS COMMAND: what a terminal of that width gets to see.
on_terminal()
{
	TERM=xterm script -qec "stty cols $1; $2" /dev/null 2>&1 </dev/null | tr -d '\r'
}
esc=$(printf '\033')
if command -v script >/dev/null; then
	is 'on a terminal states have colours' \
		"$(on_terminal 200 "$versions" | grep -c "${esc}\\[32mENABLED${esc}\\[0m")" 2
	is 'but not with NO_COLOR' "$(on_terminal 200 "NO_COLOR=1 $versions" | grep -c "$esc" || true)" 0
	is 'nor on a dumb one' "$(on_terminal 200 "TERM=dumb $versions" | grep -c "$esc" || true)" 0
	is 'nor in values' \
		"$(on_terminal 200 "$versions --format 'value(state)'" | sort -u)" ENABLED
	is 'the table fits' "$(on_terminal 90 "NO_COLOR=1 $versions" | awk 'length > 90' | wc -l)" 0
	like 'and keeps the ends of names' "$(on_terminal 90 "NO_COLOR=1 $versions")" '^[.][.].*/2 +ENABLED'
	like 'where names are not enough, nothing else is cut' \
		"$(on_terminal 20 "NO_COLOR=1 $versions")" \
		'^[.][.].*/2 +ENABLED +GOOGLE_SYMMETRIC_ENCRYPTION +20[0-9-]+T'
fi
"$kmsctl" keys versions list --key "$R/cryptoKeys/gamma" >out
is 'a pipe has no colours' "$(grep -c "$esc" out || true)" 0
like 'and names at full length' "$(cat out)" "^$R/cryptoKeys/gamma/cryptoKeyVersions/2 "
tap_done

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The life of key versions with the shipped kmsctl, in two locations of a SoftHSM home: rotation,
# switching off and on, the order to destroy and its end, and everything that is refused on the way.
# shellcheck disable=SC2016 # the dollars in single quotes are Perl's
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
# shellcheck source=tests/support/kmsctl.sh
. "$srcdir/tests/support/kmsctl.sh"
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
cd "${TMPDIR:?}"
CLAVIGER_HOME=$PWD/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME

# is_json NAME EXPRESSION: out is one JSON document, and the Perl expression on $_ holds.
is_json()
{
	if perl -MJSON::PP -e 'local $/; open my $f, "<", "out" or die; $_ = decode_json(<$f>);
		exit(eval(shift) ? 0 : 1)' "$2" 2>/dev/null; then
		pass "$1"
	else
		fail "$1" "$(cat out err)"
	fi
}

# in_state NAME NUMBER STATE, of the key in $place.
# shellcheck disable=SC2086 # $place is a list of words
in_state()
{
	is "$1" "$("$kmsctl" keys versions describe "$2" $place --format json |
		perl -MJSON::PP -e 'local $/; print decode_json(<STDIN>)->{state}')" "$3"
}

# reads STATUS NAME CIPHERTEXT: decrypts, and compares where that is to succeed.
# shellcheck disable=SC2086
reads()
{
	gives "$1" "$2" decrypt $place --ciphertext-file "$3" --plaintext-file back
	if [ "$1" -eq 0 ]; then ok "$2: it is the same letter" cmp letter back; fi
}

refused_as() { says "$1" "FAILED_PRECONDITION: projects/.*/cryptoKeyVersions/$2 is not enabled, current state is: $3[.]\$"; }

printf 'Dear customer\n' >letter

# live LOCATION RESIDENCY: one key's life.
# shellcheck disable=SC2086
live()
{
	l=$1
	place="--location $l --keyring r --key k"
	gives 0 "$l: a key ring" keyrings create r --location "$l"
	gives 0 "$l: a key" keys create k --location "$l" --keyring r --residency "$2" \
		--destroy-scheduled-duration "$3"
	gives 0 "$l: its JSON" keys describe k --location "$l" --keyring r --format json
	is_json "$l: it has the delay that was asked for" '$_->{destroyScheduledDuration} eq "172800s"'
	gives 0 "$l: encrypt with version 1" encrypt $place --plaintext-file letter --ciphertext-file old

	# ---- rotation
	gives 0 "$l: a version that is not yet primary" keys versions create $place
	says "$l: it has the next number" '^Created version \[2\] of key \[k\][.]$'
	gives 0 "$l: rotate" keys versions create $place --primary --format json
	is_json "$l: version 3 is enabled" '$_->{name} =~ m{/cryptoKeyVersions/3$} && $_->{state} eq "ENABLED"'
	gives 0 "$l: the key after it" keys describe k --location "$l" --keyring r --format json
	is_json "$l: version 3 is primary" '$_->{primary}{name} =~ m{/3$}'
	gives 0 "$l: encrypt after the rotation" encrypt $place --plaintext-file letter \
		--ciphertext-file new --format json
	is_json "$l: it is done with version 3" '$_->{name} =~ m{/cryptoKeyVersions/3$}'
	reads 0 "$l: the old letter" old
	reads 0 "$l: the new letter" new
	gives 0 "$l: back to version 2" keys set-primary-version k --version 2 --location "$l" --keyring r
	gives 0 "$l: and to 3, as an update" keys update k --primary-version 3 --location "$l" --keyring r
	gives 4 "$l: a primary that is not there" keys set-primary-version k --version 9 --location "$l" \
		--keyring r

	# ---- off and on
	gives 0 "$l: disable" keys versions disable 1 $place
	reads 9 "$l: the old letter is refused" old
	refused_as "$l: in Cloud KMS's words" 1 DISABLED
	reads 0 "$l: the new one is not" new
	gives 9 "$l: a disabled version as primary" keys set-primary-version k --version 1 --location "$l" \
		--keyring r
	refused_as "$l: for the same reason" 1 DISABLED
	gives 0 "$l: enable" keys versions enable 1 $place
	reads 0 "$l: the old letter again" old

	# ---- the order to destroy, and back
	gives 9 "$l: restore what is enabled" keys versions restore 1 $place
	says "$l: it says why" 'cannot be restored, current state is: ENABLED[.]$'
	gives 0 "$l: destroy" keys versions destroy 1 $place --reason drill
	says "$l: it says when" '^Version \[1\] of key \[k\] will be destroyed at [0-9-]+T[0-9:.]+Z, unless'
	gives 0 "$l: its JSON" keys versions describe 1 $place --format json --nist
	is_json "$l: it is scheduled" '$_->{state} eq "DESTROY_SCHEDULED" && $_->{destroyTime} =~ /^2.*Z$/
		&& !exists $_->{destroyEventTime} && $_->{stateReason} eq "drill"
		&& $_->{nistState} eq "deactivated"'
	reads 9 "$l: the old letter is refused again" old
	refused_as "$l: as scheduled" 1 DESTROY_SCHEDULED
	for verb in destroy enable disable; do
		gives 9 "$l: $verb what is scheduled" keys versions $verb 1 $place
		says "$l: $verb says why" "cannot be ${verb%e}e?(ed|d|yed), current state is: DESTROY_SCHEDULED"
	done
	gives 0 "$l: nothing is due yet" maintain
	says "$l: so nothing is destroyed" '^Destroyed 0 versions, rotated 0 keys[.]$'
	gives 0 "$l: list" keys versions list $place --nist
	like "$l: the list has the time and NIST's word" "$(cat out)" \
		'cryptoKeyVersions/1 +DESTROY_SCHEDULED +deactivated +GOOGLE_[A-Z_]+ +2[^ ]+Z +2[^ ]+Z *$'
	gives 0 "$l: restore" keys versions restore 1 $place
	in_state "$l: it is disabled" 1 DISABLED
	reads 9 "$l: the old letter is refused still" old
	gives 0 "$l: enable what was restored" versions enable 1 $place
	reads 0 "$l: the old letter is back" old

	# ---- the primary itself
	gives 0 "$l: destroy the primary" version destroy 3 $place
	gives 9 "$l: nothing is encrypted with it" encrypt $place --plaintext-file letter --ciphertext-file no
	refused_as "$l: as scheduled" 3 DESTROY_SCHEDULED
	gives 0 "$l: another primary" keys set-primary-version k --version 2 --location "$l" --keyring r
	gives 0 "$l: encrypt goes on" encrypt $place --plaintext-file letter --ciphertext-file newer
	reads 0 "$l: and can be read" newer
}

gives 0 'a home' init --softhsm --location europe-west2 --location global
live europe-west2 wrapped 48h
live global token 172800s

# ---- the rest
gives 0 'a key with 30 days' keys create d --location global --keyring r --format json
is_json 'which is what is not asked for' '$_->{destroyScheduledDuration} eq "2592000s"'
gives 0 'two days' keys create d2 --location global --keyring r --destroy-scheduled-duration 2d --format json
is_json 'are 172800 seconds' '$_->{destroyScheduledDuration} eq "172800s"'
for delay in 23h 121d 86399s 86399 1x; do
	gives 2 "not $delay" keys create d3 --location global --keyring r --destroy-scheduled-duration $delay
done
gives 0 'a number alone is seconds' keys create d3 --location global --keyring r \
	--destroy-scheduled-duration 86400 --format json
is_json 'as in gcloud' '$_->{destroyScheduledDuration} eq "86400s"'
gives 2 'a primary needs a number' keys set-primary-version d --location global --keyring r
gives 2 'a version from 1' keys update d --primary-version 0 --location global --keyring r
gives 4 'a version of no key' keys versions create --location global --keyring r --key nothing
gives 4 'destroying what is not there' keys versions destroy 7 --location global --keyring r --key d
gives 0 'status' status --format json
is_json 'counts what is scheduled' '$_->{locations}[0]{versionsScheduled} == 1
	&& $_->{locations}[1]{versionsScheduled} == 1 && $_->{locations}[0]{versionsDestroyed} == 0'
gives 0 'maintain in JSON' maintain --format json
is_json 'says how many' '$_->{versionsDestroyed} == 0 && $_->{keysRotated} == 0'
is 'the audit log has each order' "$(grep -c 'cryptoKeyVersions.destroy"' home/audit/audit.jsonl)" 7
tap_done

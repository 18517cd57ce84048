#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Keys with labels and schedules, with the shipped kmsctl in two locations of a SoftHSM home: how
# they are made and changed in gcloud's spellings, what is refused, and `kmsctl maintain` when a
# rotation is due.
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

# key_is NAME KEY EXPRESSION: of the key in $place, the Perl expression on $_ holds.
# shellcheck disable=SC2086 # $place is a list of words
key_is()
{
	"$kmsctl" keys describe "$2" $place --format json >out 2>err </dev/null || true
	if perl -MJSON::PP -e 'local $/; open my $f, "<", "out" or die; $_ = decode_json(<$f>);
		exit(eval(shift) ? 0 : 1)' "$3" 2>/dev/null; then
		pass "$1"
	else
		fail "$1" "$(cat out err)"
	fi
}

gives 0 'a home' init --softhsm --location europe-west2 --location global
place='--location europe-west2 --keyring str-pl-london-kr'
gives 0 'a key ring' keyrings create str-pl-london-kr --location europe-west2
printf 'Dear customer\n' >letter

# ---- made with a schedule and labels

# shellcheck disable=SC2086
{
	gives 0 'a key that rotates' keys create turning $place --purpose=encryption --rotation-period=30d \
		--next-rotation-time=2131-01-02T03:04:05.678Z --labels=team=kms,env=prod \
		--destroy-scheduled-duration=2d --protection-level=hsm
	says 'is made' '^Created key \[turning\][.]$'
	key_is 'it is as Cloud KMS shows it' turning '$_->{rotationPeriod} eq "2592000s"
		&& $_->{nextRotationTime} eq "2131-01-02T03:04:05.678Z"
		&& join(",", map { "$_=" } sort keys %{$_->{labels}}) eq "env=,team="
		&& $_->{labels}{team} eq "kms" && $_->{labels}{env} eq "prod"
		&& $_->{destroyScheduledDuration} eq "172800s"
		&& $_->{versionTemplate}{protectionLevel} eq "HSM"
		&& $_->{versionTemplate}{algorithm} eq "GOOGLE_SYMMETRIC_ENCRYPTION"
		&& !exists $_->{importOnly} && $_->{primary}{state} eq "ENABLED"'
	gives 0 'a plain key' keys create plain $place
	key_is 'has none of it' plain '!exists $_->{rotationPeriod} && !exists $_->{nextRotationTime}
		&& !exists $_->{labels} && !exists $_->{importOnly}'
	gives 0 'a list' keys list $place
	like 'shows labels' "$(cat out)" ' env=prod,team=kms '
	gives 0 'a filter on labels' keys list $place --filter=labels.team=kms --format='value(name.basename())'
	is 'finds the key' "$(cat out)" turning

	gives 0 'a key without a version' keys create bare $place --skip-initial-version-creation
	key_is 'has no primary' bare '!exists $_->{primary}'
	gives 9 'and encrypts nothing' encrypt $place --key bare --plaintext-file letter --ciphertext-file no
	gives 0 'its first version' keys versions create $place --key bare
	key_is 'is not the primary by itself' bare '!exists $_->{primary}'
	gives 0 'until it is made so' keys set-primary-version bare $place --version 1
	gives 0 'then it encrypts' encrypt $place --key bare --plaintext-file letter --ciphertext-file bare.cipher
	gives 0 'a key for imported versions' keys create brought $place --import-only --skip-initial-version-creation
	key_is 'says so' brought '$_->{importOnly} && !exists $_->{primary}'
	gives 9 'and generates none' keys versions create $place --key brought
	says 'and why' 'FAILED_PRECONDITION: .*/brought is import-only'

	# ---- and what is refused: one line, status 2, nothing is made
	refused()
	{
		words=$1
		shift
		gives 2 "refused: $*" keys create wrong $place "$@"
		is "in one line: $*" "$(wc -l <err) $(grep -c "INVALID_ARGUMENT: .*$words" err)" '1 1'
	}
	refused 'needs a next rotation time' --rotation-period=30d
	refused '24 hours to 876,000 hours' --rotation-period=23h --next-rotation-time=2131-01-02T03:04:05Z
	refused '24 hours to 876,000 hours' --rotation-period=876001h --next-rotation-time=2131-01-02T03:04:05Z
	refused 'must be in the future, and 2020-01-02T03:04:05Z is not' --next-rotation-time=2020-01-02T03:04:05Z
	refused 'takes a time like' --next-rotation-time=tomorrow
	refused 'takes a time like' --rotation-period=30x
	refused '24 hours to 120 days' --destroy-scheduled-duration=121d
	refused 'skip the initial one' --import-only
	refused 'the key of label "Team"' --labels=Team=kms
	refused 'has no value' --labels=team
	refused 'is given twice' --labels=a=1,a=2
	gives 4 'nothing was made of it' keys describe wrong $place

	# ---- labels at their limit
	many=$(seq -s , -f 'l%g=1' 64)
	gives 0 '64 labels' keys create full $place --labels "$many"
	gives 2 'one more' keys update full $place --update-labels extra=1
	gives 0 'one for another' keys update full $place --update-labels extra=1 --remove-labels l1
	key_is 'are 64 again' full 'keys %{$_->{labels}} == 64 && $_->{labels}{extra} && !$_->{labels}{l1}'
	gives 0 'one that is added and taken away' keys update full $place --update-labels extra=2 --remove-labels extra
	key_is 'is not there' full 'keys %{$_->{labels}} == 63 && !$_->{labels}{extra}'

	# ---- as gcloud lets it be written
	gives 0 'durations and times of gcloud' keys create gspelt $place --labels=a=1, --labels b=2 \
		--rotation-period 2592000 --next-rotation-time +p1d --destroy-scheduled-duration P30D
	key_is 'are read, and labels of two options are one list' gspelt '$_->{rotationPeriod} eq "2592000s"
		&& $_->{destroyScheduledDuration} eq "2592000s" && join(",", map { "$_=" } sort keys %{$_->{labels}}) eq "a=,b="'
	gives 0 'as are those that change' keys update gspelt $place --update-labels c=3 --update-labels d=4 \
		--remove-labels a --remove-labels b
	key_is 'all of them' gspelt 'join(",", sort keys %{$_->{labels}}) eq "c,d"'
	gives 0 'a day, and the last of two' keys update gspelt $place --next-rotation-time 2031-01-01 \
		--next-rotation-time 2132-01-01
	key_is 'counts' gspelt '$_->{nextRotationTime} eq "2132-01-01T00:00:00Z"'
	gives 0 'a state in capitals' keys versions update 1 $place --key gspelt --state DISABLED
	gives 9 'is that state' keys set-primary-version gspelt $place --version=1
	gives 0 'all keys' keys list $place --limit unlimited --filter '' --format 'value(name.basename())'
	like 'are listed' "$(cat out)" '^gspelt$'

	# ---- changed
	gives 0 'labels' keys update turning $place --update-labels=env=test,owner=ada --remove-labels=team
	says 'are changed' '^Updated key \[turning\][.]$'
	key_is 'as one' turning 'join(",", map { "$_=" } sort keys %{$_->{labels}}) eq "env=,owner="
		&& $_->{labels}{env} eq "test"'
	gives 0 'all of them' keys update turning $place --clear-labels --update-labels=only=this
	key_is 'are replaced' turning 'join(",", %{$_->{labels}}) eq "only,this"'
	gives 0 'the last label' keys update turning $place --remove-labels=only
	key_is 'goes as well' turning '!exists $_->{labels} && $_->{rotationPeriod} eq "2592000s"'
	gives 0 'the period' keys set-rotation-schedule turning $place --rotation-period=90d
	key_is 'alone is changed' turning '$_->{rotationPeriod} eq "7776000s"
		&& $_->{nextRotationTime} eq "2131-01-02T03:04:05.678Z"'
	gives 0 'both' keys update turning $place --rotation-period=36h --next-rotation-time=2132-01-01T00:00:00Z
	key_is 'are changed' turning '$_->{rotationPeriod} eq "129600s"
		&& $_->{nextRotationTime} eq "2132-01-01T00:00:00Z"'
	gives 0 'the schedule' keys remove-rotation-schedule turning $place
	key_is 'is gone' turning '!exists $_->{rotationPeriod} && !exists $_->{nextRotationTime}'
	gives 0 'a single rotation' keys set-rotation-schedule turning $place --next-rotation-time=2132-01-01T00:00:00Z
	gives 0 'is taken back' keys update turning $place --remove-rotation-schedule
	key_is 'it is gone' turning '!exists $_->{nextRotationTime}'
	gives 0 'another version' keys versions create $place --key turning
	gives 0 'as the primary, with a label' keys update turning $place --primary-version=2 --update-labels=a=1
	key_is 'both are there' turning '$_->{primary}{name} =~ m{/2$} && $_->{labels}{a} == 1'
	gives 0 'a key that signs' keys create signing $place --purpose=asymmetric-signing \
		--default-algorithm=ec-sign-p256-sha256
	key_is 'has no primary' signing '!exists $_->{primary} && $_->{purpose} eq "ASYMMETRIC_SIGN"'
	gives 0 'another algorithm' keys update signing $place --default-algorithm=ec-sign-p384-sha384
	key_is 'is that of its next versions' signing '$_->{versionTemplate}{algorithm} eq "EC_SIGN_P384_SHA384"'
	gives 2 'one that does not sign' keys update signing $place --default-algorithm=hmac-sha256
	says 'is refused' 'HMAC_SHA256 is for purpose MAC, not for ASYMMETRIC_SIGN'
	gives 2 'nor does a schedule' keys set-rotation-schedule signing $place --next-rotation-time=2131-01-01T00:00:00Z
	says 'fit it' 'only keys of purpose ENCRYPT_DECRYPT can have'
	gives 9 'nor a primary' keys set-primary-version signing $place --version=1
	gives 4 'a version that is not there' keys update turning $place --primary-version=9 --update-labels=b=2
	says 'is told' 'NOT_FOUND: '
	key_is 'and its label is not there' turning '!exists $_->{labels}{b}'
	gives 0 'a version, switched off' keys versions disable 1 $place --key turning
	gives 9 'cannot be primary' keys update turning $place --primary-version=1 --update-labels=b=2
	says 'and says why' '/1 is not enabled, current state is: DISABLED; nothing was changed$'
	key_is 'the label waits' turning '!exists $_->{labels}{b} && $_->{primary}{name} =~ m{/2$}'
	gives 0 'and on again' keys versions enable 1 $place --key turning
	gives 9 'a primary of a key that has none' keys update signing $place --primary-version=1 --update-labels=b=2
	key_is 'changes no label' signing '!exists $_->{labels}'
	gives 9 'a new version as such a primary' keys versions create $place --key signing --primary
	says 'is refused' 'has purpose ASYMMETRIC_SIGN: .*; no version was created$'
	gives 4 'and not made' keys versions describe 2 $place --key signing
	gives 2 'nothing to update' keys update turning $place
	gives 2 'no schedule to set' keys set-rotation-schedule turning $place
	gives 2 'a period without a time' keys set-rotation-schedule turning $place --rotation-period=30d
	gives 2 'labels, all and some' keys update turning $place --clear-labels --remove-labels=a
	gives 2 'a schedule, removed and set' keys update turning $place --remove-rotation-schedule --rotation-period=9d
	gives 4 'a key that is not there' keys remove-rotation-schedule none $place
}

# ---- rotated when it is due: a wrapped key in one location, a token object in the other

gives 0 'nothing is due' maintain
says 'so nothing is done' '^Destroyed 0 versions, rotated 0 keys[.]$'
gives 0 'a global key ring' keyrings create str-pl-global-kr --location global
global='--location global --keyring str-pl-global-kr'
soon=$(($(date +%s) + 8))
when=$(date -u -d "@$soon" +%Y-%m-%dT%H:%M:%SZ)
# shellcheck disable=SC2086
{
	gives 0 'a key with a period' keys create due $place --rotation-period=1d --next-rotation-time="$when"
	gives 0 'a key with a time' keys create due $global --residency=token --next-rotation-time="$when"
	gives 0 'the old letter' encrypt $place --key due --plaintext-file letter --ciphertext-file old
	gives 0 'the old global letter' encrypt $global --key due --plaintext-file letter --ciphertext-file old.global
	while [ "$(date +%s)" -le "$soon" ]; do sleep 1; done
	gives 0 'maintain' maintain
	says 'rotates both' '^Destroyed 0 versions, rotated 2 keys[.]$'
	key_is 'the one has a new primary and a new time' due '$_->{primary}{name} =~ m{/2$}
		&& $_->{primary}{state} eq "ENABLED" && $_->{nextRotationTime} gt "'"$when"'"'
	gives 0 'the new letter' encrypt $place --key due --plaintext-file letter --ciphertext-file new --format json
	like 'is made with the new version' "$(cat out)" 'cryptoKeyVersions/2"'
	for file in old new; do
		gives 0 "decrypt: $file" decrypt $place --key due --ciphertext-file $file --plaintext-file back
		ok "it is the same letter: $file" cmp letter back
	done
	place=$global
	key_is 'the other has no time any more' due '$_->{primary}{name} =~ m{/2$} && !exists $_->{nextRotationTime}'
	gives 0 'the new global letter' encrypt $global --key due --plaintext-file letter --ciphertext-file new.global
	for file in old.global new.global; do
		gives 0 "decrypt: $file" decrypt $global --key due --ciphertext-file $file --plaintext-file back
		ok "it is the same letter: $file" cmp letter back
	done
	gives 0 'a version says why' keys versions describe 2 $global --key due --format='value(stateReason)'
	is 'it was made' "$(cat out)" 'rotation by schedule'
}
gives 0 'maintain in JSON' maintain --format json
is 'finds nothing more to do' "$(perl -MJSON::PP -e 'local $/; print decode_json(<STDIN>)->{keysRotated}' <out)" 0
is 'each rotation is in the audit log, with its version' \
	"$(grep 'claviger.homes.maintain' home/audit/audit.jsonl | grep -c 'cryptoKeys/due/cryptoKeyVersions/2')" 2
tap_done

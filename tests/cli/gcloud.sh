#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `gcloud kms` lines with `gcloud kms` replaced by `kmsctl`, and nothing else: below, the word gcloud
# is a function that does just that. Then the ways to say which project, and what a failure is: one
# line, or one object, and an exit status from the table of outcomes.
# shellcheck disable=SC2016 # the dollars in single quotes are Perl's
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
cd "${TMPDIR:?}"
CLAVIGER_HOME=$PWD/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME
"$kmsctl" init --quiet --softhsm --location europe-west2 --location global >log 2>&1

# gcloud kms ARGUMENT...: the files out and err are what kmsctl says, $rc its status.
gcloud()
{
	shift
	rc=0
	"$kmsctl" "$@" >out 2>err </dev/null || rc=$?
}
# gives STATUS NAME gcloud kms ARGUMENT...
gives()
{
	wanted=$1
	name=$2
	shift 2
	"$@"
	if [ "$rc" -eq "$wanted" ]; then
		pass "$name"
	else
		fail "$name" "status $rc, $wanted wanted: $(cat out err)"
	fi
}
works() { gives 0 "$@"; }
says() { like "$1" "$(cat err)" "$2"; }
is_json() # NAME FILE EXPRESSION
{
	if perl -MJSON::PP -e 'local $/; open my $f, "<", $ARGV[0] or die; $_ = decode_json(<$f>);
		exit(eval($ARGV[1]) ? 0 : 1)' "$2" "$3" 2>/dev/null; then
		pass "$1"
	else
		fail "$1" "$(cat out err)"
	fi
}
state() # NUMBER
{
	gcloud kms keys versions describe "$1" --location europe-west2 --keyring str-pl-london-kr \
		--key str-pl-london-key01 --format='value(state)'
	cat out
}

# ---- the lines of a bank

works 'a key ring in London' \
	gcloud kms keyrings create str-pl-london-kr --location europe-west2
works 'and a key' \
	gcloud kms keys create str-pl-london-key01 --location europe-west2 --keyring str-pl-london-kr --purpose encryption
works 'a global key ring' \
	gcloud kms keyrings create str-pl-global-kr --location global
works 'and a key in it' \
	gcloud kms keys create str-pl-global-key01 --location global --keyring str-pl-global-kr --purpose encryption
printf 'Dear customer\n' >letter
printf 'the seventh' >aad
crypt='--location europe-west2 --keyring str-pl-london-kr --key str-pl-london-key01'
# shellcheck disable=SC2086 # $crypt is a list of words
is 'a pipe through both' "$("$kmsctl" encrypt $crypt --plaintext-file=- --ciphertext-file=- <letter |
	"$kmsctl" decrypt $crypt --ciphertext-file=- --plaintext-file=-)" 'Dear customer'
works 'encrypt, with everything that gcloud has' \
	gcloud kms encrypt --location=europe-west2 --keyring=str-pl-london-kr --key=str-pl-london-key01 --version=1 \
	--plaintext-file=letter --ciphertext-file=cipher --additional-authenticated-data-file=aad --skip-integrity-verification
works 'decrypt' \
	gcloud kms decrypt --location=europe-west2 --keyring=str-pl-london-kr --key=str-pl-london-key01 \
	--ciphertext-file=cipher --plaintext-file=back --additional-authenticated-data-file=aad --skip-integrity-verification
ok 'it is the same letter' cmp letter back
works 'switch the version off' \
	gcloud kms keys versions disable 1 --location europe-west2 --keyring str-pl-london-kr --key str-pl-london-key01
is 'it is off' "$(state 1)" DISABLED
gives 9 'then nothing is decrypted' \
	gcloud kms decrypt --location europe-west2 --keyring str-pl-london-kr --key str-pl-london-key01 \
	--ciphertext-file cipher --plaintext-file back --additional-authenticated-data-file aad
says 'with the words of Cloud KMS' \
	'^ERROR: \(kmsctl.decrypt\) FAILED_PRECONDITION: projects/demo/.*/cryptoKeyVersions/1 is not enabled, current state is: DISABLED[.]$'
works 'switch it on' \
	gcloud kms keys versions enable 1 --location europe-west2 --keyring str-pl-london-kr --key str-pl-london-key01
works 'off, in the other spelling' \
	gcloud kms keys versions update 1 --location=europe-west2 --keyring=str-pl-london-kr --key=str-pl-london-key01 --state=disabled
is 'it is off again' "$(state 1)" DISABLED
works 'and on' \
	gcloud kms keys versions update 1 --location=europe-west2 --keyring=str-pl-london-kr --key=str-pl-london-key01 --state=enabled
is 'it is on again' "$(state 1)" ENABLED
gives 2 'no other state can be asked for' \
	gcloud kms keys versions update 1 --location=europe-west2 --keyring=str-pl-london-kr --key=str-pl-london-key01 --state=destroyed
gives 2 'nor none' \
	gcloud kms keys versions update 1 --location=europe-west2 --keyring=str-pl-london-kr --key=str-pl-london-key01
works 'rotate' \
	gcloud kms keys versions create --location=europe-west2 --keyring=str-pl-london-kr --key=str-pl-london-key01 --primary
works 'take the old one back' \
	gcloud kms keys update str-pl-london-key01 --location=europe-west2 --keyring=str-pl-london-kr --primary-version=1
works 'and the new one again' \
	gcloud kms keys set-primary-version str-pl-london-key01 --version=2 --keyring=str-pl-london-kr --location=europe-west2
works 'destroy' \
	gcloud kms keys versions destroy 1 --location=europe-west2 --keyring=str-pl-london-kr --key=str-pl-london-key01
is 'it is scheduled' "$(state 1)" DESTROY_SCHEDULED
works 'restore' \
	gcloud kms keys versions restore 1 --location=europe-west2 --keyring=str-pl-london-kr --key=str-pl-london-key01
is 'it is disabled' "$(state 1)" DISABLED

# ---- keys that do other things: gcloud's own examples, but for the names in them

global='--location=global --keyring=str-pl-global-kr'
# shellcheck disable=SC2086 # $global is a list of words
{
	works 'a key that signs' gcloud kms keys create signer $global \
		--purpose=asymmetric-signing --default-algorithm=ec-sign-p256-sha256 --protection-level=software
	works 'signs' gcloud kms asymmetric-sign $global --key=signer --version=1 \
		--digest-algorithm=sha256 --input-file=letter --signature-file=signature
	works 'data too' gcloud kms asymmetric-sign $global --key=signer --version=1 \
		--input-file=letter --signature-file=signature --skip-integrity-verification
	works 'and has a public half' gcloud kms keys versions get-public-key 1 $global --key=signer \
		--public-key-format=pem --output-file=public_key.file
	works 'a key that is encrypted to' gcloud kms keys create inbox $global \
		--purpose=asymmetric-encryption --default-algorithm=rsa-decrypt-oaep-2048-sha256
	gives 2 'decrypts, though not this' gcloud kms asymmetric-decrypt $global --key=inbox --version=1 \
		--ciphertext-file=letter --plaintext-file=back
	works 'a key for codes' gcloud kms keys create codes $global --purpose=mac --default-algorithm=hmac-sha256
	works 'makes one' gcloud kms mac-sign $global --key=codes --version=1 \
		--input-file=letter --signature-file=code
	works 'and sees whether it is right' gcloud kms mac-verify $global --key=codes --version=1 \
		--input-file=letter --signature-file=code
	is 'which it is' "$(cat out)" True
	works 'a key of plain AES' gcloud kms keys create plain $global --purpose=raw-encryption \
		--default-algorithm=aes-256-ctr
	printf '0123456789abcdef' >iv
	works 'encrypts' gcloud kms raw-encrypt $global --key=plain --version=1 --plaintext-file=letter \
		--initialization-vector-file=iv --ciphertext-file=cipher
	works 'and decrypts' gcloud kms raw-decrypt $global --key=plain --version=1 --ciphertext-file=cipher \
		--initialization-vector-file=iv --plaintext-file=back
	ok 'it is the same letter again' cmp letter back
}

# ---- looking

works 'locations' gcloud kms locations list --format='value(locationId)'
is 'two of them' "$(paste -sd ' ' out)" 'europe-west2 global'
works 'key rings' gcloud kms keyrings list --location=global --uri --quiet
works 'a key ring' gcloud kms keyrings describe str-pl-london-kr --location=europe-west2 --format=json
works 'keys' gcloud kms keys list --location=europe-west2 --keyring=str-pl-london-kr \
	--filter='primary.state=ENABLED AND name:str-pl*' --sort-by=~name --limit=5 --page-size=2
works 'a key' gcloud kms keys describe str-pl-london-key01 --location=europe-west2 --keyring=str-pl-london-kr \
	--format='value(primary.name.basename())'
is 'and its primary' "$(cat out)" 2
works 'versions' gcloud kms keys versions list --location=europe-west2 --keyring=str-pl-london-kr \
	--key=str-pl-london-key01 --filter=state:ENABLED --verbosity=error
works 'flags before the command' gcloud kms --quiet --format=json keys list --location=europe-west2 --keyring=str-pl-london-kr
is_json 'are of it' out '@$_ == 1'

# ---- full names in the place of ids

R=projects/demo/locations/europe-west2/keyRings/str-pl-london-kr
K=$R/cryptoKeys/str-pl-london-key01
works 'a location' gcloud kms keyrings list --location=projects/demo/locations/europe-west2
works 'a key ring by name' gcloud kms keyrings describe $R
works 'in --keyring' gcloud kms keys list --keyring=$R
works 'a key by name' gcloud kms keys describe $K
works 'in --key' gcloud kms keys versions list --key=$K
works 'a version by name' gcloud kms keys versions enable $K/cryptoKeyVersions/1
works 'the name that Google calls full' gcloud kms keys describe //cloudkms.googleapis.com/$K
gives 2 'not the name of something else' gcloud kms keys describe $R
gives 2 'nor one that another flag contradicts' gcloud kms keys describe $K --location=global

# ---- which project

gives 4 'a project that has nothing here' gcloud kms keyrings describe str-pl-london-kr --location=europe-west2 --project=other
says 'is in the name' 'projects/other/'
CLAVIGER_PROJECT=other
export CLAVIGER_PROJECT
gives 4 'from the environment' gcloud kms keyrings describe str-pl-london-kr --location=europe-west2
works 'where a flag wins' gcloud kms keyrings describe str-pl-london-kr --location=europe-west2 --project=demo
works 'and a full name' gcloud kms keyrings describe $R
unset CLAVIGER_PROJECT
CLAVIGER_HOME=$PWD/bank
works 'a home has its own' gcloud kms init --project=bank
works 'which is used when nothing else is said' gcloud kms locations list --format=json
gives 4 'as can be seen' gcloud kms keyrings describe r --location=global
says 'in the name' 'projects/bank/'
CLAVIGER_HOME=$PWD/home

# ---- failures

# fails STATUS CODE NAME gcloud kms ARGUMENT...: one line; in JSON one object; the exit status of NAME.
fails()
{
	exit_status=$1
	http=$2
	wanted=$3
	shift 3
	"$@"
	is "$wanted is one line and exit status $exit_status" \
		"$rc $(wc -l <err) $(wc -c <out) $(grep -c "^ERROR: (kmsctl[.a-z-]*) $wanted: " err)" \
		"$exit_status 1 0 1"
	"$@" --format=json
	is "$wanted in JSON is one line" "$rc $(wc -l <err) $(wc -c <out)" "$exit_status 1 0"
	is_json "and an object" err 'keys %$_ == 1 && $_->{error}{code} == '"$http"' &&
		$_->{error}{status} eq "'"$wanted"'" && length $_->{error}{message}'
}
fails 2 400 INVALID_ARGUMENT gcloud kms keys create bad.name --location=global --keyring=str-pl-global-kr
fails 2 400 INVALID_ARGUMENT gcloud kms keys list --location=global
fails 2 400 INVALID_ARGUMENT gcloud kms keys list --location=global --account=somebody
fails 4 404 NOT_FOUND gcloud kms keys describe nothing --location=global --keyring=str-pl-global-kr
fails 5 409 ALREADY_EXISTS gcloud kms keyrings create str-pl-global-kr --location=global
fails 9 400 FAILED_PRECONDITION gcloud kms keys versions restore 2 --location=europe-west2 \
	--keyring=str-pl-london-kr --key=str-pl-london-key01

# ---- what is not here

# absent WORD gcloud kms ARGUMENT...
absent()
{
	word=$1
	shift
	"$@"
	is "$word is not offered, and that is said" "$rc $(cat out err)" \
		"13 $(grep -o '^ERROR: ([a-z.-]*) ' err)UNIMPLEMENTED: $word is not offered here"
}
absent get-certificate-chain gcloud kms keys versions get-certificate-chain 1 --key=$K
absent --attestation-file gcloud kms keys versions describe 1 --key=$K --attestation-file=a
absent --allowed-access-reasons gcloud kms keys create k --keyring=$R --allowed-access-reasons=x,y
absent --crypto-key-backend gcloud kms keys create k --keyring=$R --crypto-key-backend x
absent --external-key-uri gcloud kms keys versions create --key=$K --external-key-uri=u
absent --ekm-connection-key-path gcloud kms keys versions create --key=$K --ekm-connection-key-path=p
absent ekm-connections gcloud kms ekm-connections list --location=global
absent key-handles gcloud kms key-handles list --location=global
absent autokey-config gcloud kms autokey-config describe --folder=1

# ---- no questions

if command -v script >/dev/null; then
	script -qec "'$kmsctl' keys versions destroy 2 --key $K" /dev/null >screen 2>&1 </dev/null || true
	is 'nothing is asked, on a terminal neither' "$(state 2)" DESTROY_SCHEDULED
fi
works 'nor with --quiet' gcloud kms keys versions restore 2 --key=$K --quiet
is 'which confirms nothing' "$(cat err)" ''
works '--yes is the same' gcloud kms keys versions enable 2 --key=$K --yes
is 'it is' "$(cat err)" ''
tap_done

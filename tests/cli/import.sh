#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Importing keys with the shipped kmsctl on a SoftHSM home. The keys are openssl's, and openssl does
# the same with them as the token: the same bytes, the same signatures. Wrapped by kmsctl, and by
# openssl where that is how keys come.
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
# shellcheck source=tests/support/kmsctl.sh
. "$srcdir/tests/support/kmsctl.sh"
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
command -v openssl >/dev/null || skip_all 'openssl(1) is needed for what is compared with'
cd "${TMPDIR:?}"
CLAVIGER_HOME=$PWD/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME
umask 077

shows() { like "$1" "$(cat out)" "$2"; }

ring=projects/demo/locations/global/keyRings/r
key=$ring/cryptoKeys
job=$ring/importJobs/j
import() # STATUS NAME KEY ALGORITHM FILE [ARGUMENT...]
{
	import_status=$1
	import_name=$2
	import_key=$3
	import_algorithm=$4
	import_file=$5
	shift 5
	gives "$import_status" "$import_name" keys versions import --key "$key/$import_key" --import-job j \
		--algorithm "$import_algorithm" --target-key-file "$import_file" "$@"
}
new_key() # ID PURPOSE ALGORITHM
{
	gives 0 "a key for what comes: $1" keys create "$1" --keyring "$ring" --purpose "$2" \
		--default-algorithm "$3" --import-only --skip-initial-version-creation
}

gives 0 'a home' init --softhsm --location global
gives 0 'a key ring' keyrings create r --location global

# ---- keys that no import could bring

gives 13 'a kind that the token cannot wrap' keys create never --keyring "$ring" --import-only \
	--skip-initial-version-creation --purpose asymmetric-signing --default-algorithm ec-sign-ed25519
says 'is refused, and says which' 'UNIMPLEMENTED: .*EC_SIGN_ED25519'
gives 13 'a key that is to be a token object' keys create never --keyring "$ring" --import-only \
	--skip-initial-version-creation --residency token
says 'is refused, and says why' 'keys of residency TOKEN cannot be imported'
gives 4 'the name is not used up' keys describe never --location global --keyring r
gives 0 'as can be seen' keys create never --keyring "$ring" --import-only \
	--skip-initial-version-creation --residency wrapped

# ---- import jobs

gives 0 'an import job' import-jobs create j --location global --keyring r \
	--import-method rsa-oaep-3072-sha1-aes-256 --protection-level software
says 'it says so' '^Created import job \[j\][.]$'
gives 5 'the same once more' import-jobs create j --location global --keyring r \
	--import-method rsa-oaep-3072-sha1-aes-256 --protection-level software
gives 0 'print it' import-jobs describe j --location global --keyring r
shows 'its state' '^state: ACTIVE$'
shows 'its method' '^importMethod: RSA_OAEP_3072_SHA1_AES_256$'
shows 'its public key, line by line' '^    -----BEGIN PUBLIC KEY-----$'
gives 0 'its public key alone' import-jobs describe "$job" --format 'value(publicKey.pem)'
cp out job.pem
ok 'which openssl reads' openssl pkey -pubin -in job.pem -noout
gives 0 'list them' import-jobs list --location global --keyring r
shows 'it is there' "$job  *ACTIVE  *RSA_OAEP_3072_SHA1_AES_256  *SOFTWARE"
gives 4 'one that is not there' import-jobs describe none --location global --keyring r
for method in rsa-oaep-3072-sha256-aes-256 rsa-oaep-4096-sha256-aes-256 rsa-oaep-3072-sha256 \
	rsa-oaep-4096-sha256; do
	gives 13 "the token cannot unwrap by $method" import-jobs create k --location global \
		--keyring r --import-method "$method" --protection-level hsm
	says "it says what it lacks for $method" 'UNIMPLEMENTED: .*OAEP'
done
gives 2 'a method that is none' import-jobs create k --location global --keyring r \
	--import-method rsa-oaep-2048-sha1 --protection-level hsm
says 'it says which there are' 'rsa-oaep-[{]3072,4096[}]-[{]sha1,sha256[}]-aes-256'
gives 2 'no method' import-jobs create k --location global --keyring r --protection-level hsm
gives 2 'no protection level' import-jobs create k --location global --keyring r \
	--import-method rsa-oaep-3072-sha1-aes-256

# ---- AES keys give the same bytes

openssl rand -out aes.key 32
openssl rand -out iv 16
printf 'what both of them encrypt: forty-eight bytes....' >text
new_key aes raw-encryption aes-256-cbc
import 0 'an AES key' aes aes-256-cbc aes.key
says 'it is version 1' '^Imported version \[1\] of key \[aes\][.]$'
shows 'the version is printed, as gcloud does' '^state: ENABLED$'
shows 'with its import job' "^importJob: $job\$"
import 0 'the same key for another mode' aes aes-256-ctr aes.key
n=1
for mode in cbc ctr; do
	gives 0 "raw-encrypt, $mode" raw-encrypt --version "$key/aes/cryptoKeyVersions/$n" \
		--plaintext-file text --ciphertext-file "ours.$mode" --initialization-vector-file iv
	openssl enc "-aes-256-$mode" -nopad -K "$(od -An -v -tx1 aes.key | tr -d ' \n')" \
		-iv "$(od -An -v -tx1 iv | tr -d ' \n')" -in text -out "theirs.$mode"
	ok "$mode: the bytes are those of openssl enc" cmp "ours.$mode" "theirs.$mode"
	n=2
done

# ---- a key that was wrapped elsewhere: OAEP around an AES key, RFC 5649 around the key

openssl rand -out kek 32
{
	openssl pkeyutl -encrypt -pubin -inkey job.pem -pkeyopt rsa_padding_mode:oaep \
		-pkeyopt rsa_oaep_md:sha1 -in kek
	openssl enc -id-aes256-wrap-pad -K "$(od -An -v -tx1 kek | tr -d ' \n')" -iv a65959a6 -in aes.key
} >wrapped
gives 0 'a key that openssl wrapped' keys versions import --key "$key/aes" --import-job "$job" \
	--algorithm aes-256-cbc --wrapped-key-file wrapped --format json
like 'it is version 3, in JSON' "$(cat out)" '"name": *"[^"]*/cryptoKeyVersions/3"'
gives 0 'raw-encrypt with it' raw-encrypt --version "$key/aes/cryptoKeyVersions/3" \
	--plaintext-file text --ciphertext-file ours --initialization-vector-file iv
ok 'it is the same key' cmp ours theirs.cbc
{ head -c 400 wrapped && printf x && tail -c +402 wrapped; } >damaged
gives 2 'damaged on its way' keys versions import --key "$key/aes" --import-job j \
	--algorithm aes-256-cbc --wrapped-key-file damaged

# ---- the other kinds

openssl rand -out mac.key 32
new_key mac mac hmac-sha256
import 0 'a MAC key' mac hmac-sha256 mac.key
gives 0 'mac-sign' mac-sign --version "$key/mac/cryptoKeyVersions/1" --input-file text --signature-file tag
openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(od -An -v -tx1 mac.key | tr -d ' \n')" -binary \
	-out theirs.tag text
ok 'the code is that of openssl dgst' cmp tag theirs.tag

openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER -out ec.der 2>/dev/null
openssl pkcs8 -topk8 -nocrypt -inform DER -in ec.der -outform DER -out ec.p8
openssl pkey -inform DER -in ec.der -pubout -out ec.pem
new_key ec asymmetric-signing ec-sign-p256-sha256
import 0 'an EC key' ec ec-sign-p256-sha256 ec.p8
gives 0 'its public key' keys versions get-public-key 1 --key "$key/ec" --output-file ours.pem
ok 'it is the one that openssl has' cmp ours.pem ec.pem
gives 0 'sign with it' asymmetric-sign --version "$key/ec/cryptoKeyVersions/1" \
	--digest-algorithm sha256 --input-file text --signature-file signature
ok 'openssl verifies' openssl dgst -sha256 -verify ec.pem -signature signature text
import 2 'a key that is none' ec ec-sign-p256-sha256 text
import 2 'a key of another length' aes aes-256-cbc iv

# ---- a key for encryption: nothing is primary until somebody says so

openssl rand -out kms.key 32
new_key kms encryption google-symmetric-encryption
import 0 'a key for encryption' kms google-symmetric-encryption kms.key
gives 9 'it does not become the primary' encrypt --key "$key/kms" --plaintext-file text --ciphertext-file sealed
says 'there is none' 'has no primary version'
gives 0 'make it the primary' keys set-primary-version kms --keyring "$ring" --version 1
gives 0 'encrypt with it' encrypt --key "$key/kms" --plaintext-file text --ciphertext-file sealed
gives 0 'and decrypt' decrypt --key "$key/kms" --ciphertext-file sealed --plaintext-file opened
ok 'it is the same text' cmp text opened

# ---- again, after the end

gives 9 'import again what has its key still' keys versions import --key "$key/aes" --import-job j \
	--algorithm aes-256-cbc --target-key-file aes.key --version 1
says 'it says why' 'cannot be imported again, current state is: ENABLED[.]'
gives 9 'a key whose versions are imported makes none itself' keys versions create --key "$key/aes"

# ---- lines that are wrong

gives 2 'neither file' keys versions import --key "$key/aes" --import-job j --algorithm aes-256-cbc
says 'it says which there are' 'either --target-key-file or --wrapped-key-file'
gives 2 'both files' keys versions import --key "$key/aes" --import-job j --algorithm aes-256-cbc \
	--target-key-file aes.key --wrapped-key-file wrapped
gives 2 'an algorithm that is none' keys versions import --key "$key/aes" --import-job j \
	--algorithm aes-512-cbc --target-key-file aes.key
gives 2 'an algorithm of another purpose' keys versions import --key "$key/aes" --import-job j \
	--algorithm hmac-sha256 --target-key-file aes.key
gives 2 'an import job of another ring' keys versions import --key "$key/aes" --algorithm aes-256-cbc \
	--import-job projects/demo/locations/global/keyRings/other/importJobs/j --target-key-file aes.key
says 'it says that they are two' 'two key rings'
gives 4 'an import job that is not there' keys versions import --key "$key/aes" --import-job none \
	--algorithm aes-256-cbc --target-key-file aes.key
head -c 8193 /dev/zero >large
import 2 'a file that is too large' aes aes-256-cbc large
says 'it says the limit' '8192'
printf '' >empty
import 2 'an empty file' aes aes-256-cbc empty
import 2 'a public key of somebody else' aes aes-256-cbc aes.key --public-key-file ec.pem
import 2 'two inputs from one standard input' aes aes-256-cbc - --public-key-file -
import 0 'the public key from a file' aes aes-256-cbc aes.key --public-key-file job.pem
tap_done

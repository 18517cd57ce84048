#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Key pairs of every algorithm with the shipped kmsctl, and the openssl command as the other side:
# what we sign it verifies, what it encrypts we decrypt, and neither takes what was changed.
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
command -v openssl >/dev/null || skip_all 'the openssl command is needed'
cd "${TMPDIR:?}"
CLAVIGER_HOME=$PWD/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME
umask 022
"$kmsctl" init --quiet --softhsm --location global >log 2>&1
"$kmsctl" keyrings create r --location global --quiet
place='--location global --keyring r'

# run COMMAND...: what it says goes to the files out and err, its status to $rc.
run()
{
	rc=0
	"$@" >out 2>err </dev/null || rc=$?
}
# gives STATUS NAME ARGUMENT...: kmsctl ends with the status.
gives()
{
	wanted=$1
	name=$2
	shift 2
	run "$kmsctl" "$@"
	if [ "$rc" -eq "$wanted" ]; then
		pass "$name"
	else
		fail "$name" "status $rc, $wanted wanted: $(cat out err)"
	fi
}
says() { like "$1" "$(cat err)" "$2"; }
refuses() # NAME COMMAND...: the command fails, and is there to do so
{
	refused=$1
	shift
	run "$@"
	if [ "$rc" -ne 0 ] && [ "$rc" -lt 126 ]; then pass "$refused"; else fail "$refused" "$(cat out)"; fi
}

# new_key ALGORITHM PURPOSE: a key called like its algorithm.
new_key()
{
	run "$kmsctl" keys create "$1" --location global --keyring r --purpose "$2" \
		--default-algorithm "$1" --quiet
	if [ "$rc" -ne 0 ]; then fail "a key for $1" "$(cat err)"; fi
}
# version ALGORITHM: the words for version 1 of its key. They are split on purpose.
version() { echo "$place --key $1 --version 1"; }
public() { "$kmsctl" keys versions get-public-key 1 --location global --keyring r --key "$1"; }

printf 'Dear customer, your code is 4711.\n' >letter
printf 'Dear customer, your code is 4712.\n' >other
head -c 100000 /dev/zero >large

# ---- signatures

# openssl_verifies ALGORITHM HASH FILE
openssl_verifies()
{
	case $1 in
	*-pss-*)
		openssl dgst "-$2" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest \
			-sigopt "rsa_mgf1_md:$2" -verify key.pem -signature sig "$3"
		;;
	*-raw-*) openssl pkeyutl -verify -pubin -inkey key.pem -sigfile sig -in "$3" ;;
	*-ed25519)
		openssl pkeyutl -verify -pubin -inkey key.pem -rawin -sigfile sig -in "$3"
		;;
	*) openssl dgst "-$2" -verify key.pem -signature sig "$3" ;;
	esac
}

# signs ALGORITHM HASH: by data, and where there is a hash by digest.
# shellcheck disable=SC2046 # version gives words
signs()
{
	new_key "$1" asymmetric-signing
	public "$1" >key.pem
	rm -f sig
	run "$kmsctl" asymmetric-sign $(version "$1") --input-file letter --signature-file sig
	ok "$1: OpenSSL verifies what we sign" openssl_verifies "$1" "$2" letter
	refuses "$1: and not for other data" openssl_verifies "$1" "$2" other
	if [ "$2" != none ]; then
		rm -f sig
		run "$kmsctl" asymmetric-sign $(version "$1") --digest-algorithm "$2" \
			--input-file large --signature-file sig
		ok "$1: and what we sign by its digest" openssl_verifies "$1" "$2" large
	fi
}

signs ec-sign-p256-sha256 sha256
signs ec-sign-p384-sha384 sha384
signs ec-sign-ed25519 none
signs rsa-sign-pss-2048-sha256 sha256
signs rsa-sign-pss-3072-sha256 sha256
signs rsa-sign-pss-4096-sha256 sha256
signs rsa-sign-pss-4096-sha512 sha512
signs rsa-sign-pkcs1-2048-sha256 sha256
signs rsa-sign-pkcs1-3072-sha256 sha256
signs rsa-sign-pkcs1-4096-sha256 sha256
signs rsa-sign-pkcs1-4096-sha512 sha512
signs rsa-sign-raw-pkcs1-2048 none
signs rsa-sign-raw-pkcs1-3072 none
signs rsa-sign-raw-pkcs1-4096 none

# ---- decryption

# opens ALGORITHM HASH
# shellcheck disable=SC2046
opens()
{
	new_key "$1" asymmetric-encryption
	public "$1" >key.pem
	rm -f back
	openssl pkeyutl -encrypt -pubin -inkey key.pem -in letter -out cipher \
		-pkeyopt rsa_padding_mode:oaep -pkeyopt "rsa_oaep_md:$2" -pkeyopt "rsa_mgf1_md:$2"
	run "$kmsctl" asymmetric-decrypt $(version "$1") --ciphertext-file cipher --plaintext-file back
	ok "$1: we decrypt what OpenSSL encrypts" cmp letter back
	openssl pkeyutl -encrypt -pubin -inkey key.pem -in letter -out cipher \
		-pkeyopt rsa_padding_mode:pkcs1
	gives 2 "$1: and nothing with another padding" asymmetric-decrypt $(version "$1") \
		--ciphertext-file cipher --plaintext-file none
}

opens rsa-decrypt-oaep-2048-sha1 sha1
opens rsa-decrypt-oaep-3072-sha1 sha1
opens rsa-decrypt-oaep-4096-sha1 sha1
opens rsa-decrypt-oaep-2048-sha256 sha256
opens rsa-decrypt-oaep-3072-sha256 sha256
opens rsa-decrypt-oaep-4096-sha256 sha256
opens rsa-decrypt-oaep-4096-sha512 sha512
says 'in the words for any ciphertext' 'INVALID_ARGUMENT: Decryption failed: the ciphertext is invalid.$'
ok 'and no file is left' [ ! -e none ]
tap_done

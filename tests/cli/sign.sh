#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Signatures by every algorithm with the shipped kmsctl: the openssl command verifies them, and takes
# none for other data.
# shellcheck disable=SC2046,SC2086 # version and $place are lists of words
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
# shellcheck source=tests/support/kinds.sh
. "$srcdir/tests/support/kinds.sh"

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
tap_done

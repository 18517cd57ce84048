#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Asymmetric decryption by every algorithm with the shipped kmsctl: what the openssl command
# encrypts to the public key comes back, and nothing with another padding.
# shellcheck disable=SC2046,SC2086 # version and $place are lists of words
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
# shellcheck source=tests/support/kinds.sh
. "$srcdir/tests/support/kinds.sh"

# opens ALGORITHM HASH
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

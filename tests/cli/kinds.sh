#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# MACs and raw AES of every algorithm with the shipped kmsctl; what keys of each kind refuse, and
# the files: what is written, with which permissions, and what is left when a command fails. Key
# pairs of every algorithm are in sign.sh and oaep.sh.
# shellcheck disable=SC2046,SC2086 # version and $place are lists of words
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
# shellcheck source=tests/support/kinds.sh
. "$srcdir/tests/support/kinds.sh"

new_key ec-sign-p256-sha256 asymmetric-signing
new_key ec-sign-ed25519 asymmetric-signing
new_key rsa-decrypt-oaep-2048-sha256 asymmetric-encryption

# ---- codes

# codes ALGORITHM LENGTH
codes()
{
	new_key "$1" mac
	rm -f mac
	run "$kmsctl" mac-sign $(version "$1") --input-file letter --signature-file mac
	is "$1: a code of $2 bytes" "$(wc -c <mac)" "$2"
	run "$kmsctl" mac-verify $(version "$1") --input-file letter --signature-file mac
	is "$1: True for the data" "$rc $(cat out)" '0 True'
	run "$kmsctl" mac-verify $(version "$1") --input-file other --signature-file mac
	is "$1: False for others, which is no failure" "$rc $(cat out)" '0 False'
}

codes hmac-sha1 20
codes hmac-sha224 28
codes hmac-sha256 32
codes hmac-sha384 48
codes hmac-sha512 64
run "$kmsctl" mac-verify $(version hmac-sha512) --input-file other --signature-file mac --format json
like 'in JSON success is false' "$(cat out)" '"success": ?false'

# ---- raw AES

head -c 4096 /dev/urandom >blocks
printf '0123456789abcdef' >iv16

# raw ALGORITHM: what we encrypt we decrypt; an IV that is made goes where it is told to.
raw()
{
	new_key "$1" raw-encryption
	rm -f iv cipher back
	run "$kmsctl" raw-encrypt $(version "$1") --plaintext-file blocks --ciphertext-file cipher \
		--initialization-vector-output-file iv
	like "$1: it says where the initialization vector is" "$(cat err)" \
		'^Wrote the initialization vector to \[iv\][.]$'
	run "$kmsctl" raw-decrypt $(version "$1") --ciphertext-file cipher --plaintext-file back \
		--initialization-vector-file iv
	ok "$1: there and back" cmp blocks back
	refuses "$1: not in the clear" cmp -s -n 4096 blocks cipher
}

for algorithm in aes-128-gcm aes-256-gcm aes-128-cbc aes-256-cbc aes-128-ctr aes-256-ctr; do
	raw "$algorithm"
done

# What can be seen without the key: CBC chains blocks, CTR counts.
head -c 32 /dev/zero >zeros
head -c 16 /dev/zero >iv0
{
	head -c 15 /dev/zero
	printf '\001'
} >iv1
by() # MODE IV PLAINTEXT CIPHERTEXT
{
	run "$kmsctl" raw-encrypt $(version "aes-256-$1") --initialization-vector-file "$2" \
		--plaintext-file "$3" --ciphertext-file "$4"
}
by cbc iv0 zeros chained
is 'a given initialization vector gives no file' "$rc $(find . -maxdepth 1 -name '*vector*')" '0 '
head -c 16 chained >first
tail -c 16 chained >second
by cbc first iv0 again
ok 'CBC: the first block goes into the second' cmp second again
by ctr iv0 zeros counted
tail -c 16 counted >second
by ctr iv1 iv0 again
ok 'CTR: the vector is the counter of the first block' cmp second again

{
	mkdir -p elsewhere
	(cd elsewhere && "$kmsctl" raw-encrypt $(version aes-128-ctr) --plaintext-file ../letter \
		--ciphertext-file ../cipher >../out 2>../err)
	made=$(find elsewhere -name 'inialization_vector_*')
	is 'without a name the initialization vector has one like gcloud gives' \
		"$(printf '%s\n' "$made" | grep -Ec '/inialization_vector_[0-9a-f]{8}$')" 1
	run "$kmsctl" raw-decrypt $(version aes-128-ctr) --ciphertext-file cipher \
		--initialization-vector-file "$made" --plaintext-file -
	ok 'and is the right one' cmp out letter
	run "$kmsctl" raw-encrypt $(version aes-128-ctr) --plaintext-file letter --ciphertext-file cipher --quiet
	made=$(sed -n 's/^WARNING: wrote the initialization vector to \[\(.*\)\]$/\1/p' err)
	is 'a name that nobody chose is told with --quiet too' "$rc $(wc -c <"$made")" '0 16'
	run "$kmsctl" raw-encrypt $(version aes-128-ctr) --plaintext-file letter --ciphertext-file cipher --format json
	made=$(perl -MJSON::PP -0777 -ne 'print decode_json($_)->{initializationVectorFile}' out)
	is 'in JSON it is in the result' "$rc $(wc -c <"$made") $(wc -c <err)" '0 16 0'
	run "$kmsctl" raw-decrypt $(version aes-128-ctr) --ciphertext-file cipher \
		--initialization-vector-file "$made" --plaintext-file -
	ok 'and is the right one' cmp out letter
	run "$kmsctl" raw-encrypt $(version aes-128-ctr) --plaintext-file letter --ciphertext-file - --format json
	like 'beside a ciphertext on standard output a warning says it' "$(cat err)" 'inialization_vector_[0-9a-f]{8}\]'
	gives 2 'GCM takes no initialization vector' raw-encrypt $(version aes-128-gcm) \
		--plaintext-file letter --ciphertext-file none --initialization-vector-file iv16
	says 'and says why' 'AES_128_GCM takes no initialization vector'
	for other in twice ./twice ../"${PWD##*/}"/twice; do
		gives 2 "two results in one new file: $other" raw-encrypt $(version aes-128-cbc) \
			--plaintext-file blocks --ciphertext-file twice \
			--initialization-vector-output-file "$other"
		says 'and it says that' 'ciphertext and the initialization vector would both go to'
	done
	ok 'nothing is written' [ ! -e twice ]
	printf 'old' >twice
	ln -s twice second-name
	gives 2 'nor in one that is there' raw-encrypt $(version aes-128-cbc) \
		--plaintext-file blocks --ciphertext-file second-name \
		--initialization-vector-output-file twice
	is 'which stays' "$(cat twice)" old
	gives 0 'a device may have both' raw-encrypt $(version aes-128-cbc) --plaintext-file blocks \
		--ciphertext-file /dev/null --initialization-vector-output-file /dev/null
	: >empty
	head -c 15 iv16 >iv15
	for mode in cbc ctr gcm; do
		gives 2 "$mode: an empty vector is not none" raw-encrypt $(version aes-128-$mode) \
			--plaintext-file blocks --ciphertext-file none --initialization-vector-file empty
		says 'and it says which file, and its size' \
			'initialization vector in empty has 0 bytes: it must have 16'
	done
	gives 2 'nor is a short one enough' raw-encrypt $(version aes-128-cbc) \
		--plaintext-file blocks --ciphertext-file none --initialization-vector-file iv15
	says 'and it says how short' 'vector of 15 bytes: AES_128_CBC needs 16'
	gives 2 'CBC no data that it would have to pad' raw-encrypt $(version aes-128-cbc) \
		--plaintext-file letter --ciphertext-file none --initialization-vector-file iv16
	gives 2 'a vector of its own and a file for one' raw-encrypt $(version aes-128-cbc) \
		--plaintext-file blocks --ciphertext-file none --initialization-vector-file iv16 \
		--initialization-vector-output-file iv
	gives 2 'one file for the vector and the ciphertext' raw-encrypt $(version aes-128-cbc) \
		--plaintext-file blocks --ciphertext-file none \
		--initialization-vector-output-file ./none
	says 'and says why' 'would both go to'
	ok 'and writes none' [ ! -e none ]
	gives 2 'decryption needs one' raw-decrypt $(version aes-128-cbc) --ciphertext-file cipher \
		--plaintext-file none
	printf 'topic=orders' >aad
	run "$kmsctl" raw-encrypt $(version aes-256-gcm) --plaintext-file letter \
		--ciphertext-file cipher --initialization-vector-output-file iv \
		--additional-authenticated-data-file aad
	gives 2 'GCM: other data than it was bound to' raw-decrypt $(version aes-256-gcm) \
		--ciphertext-file cipher --initialization-vector-file iv --plaintext-file none \
		--additional-authenticated-data-file letter
	cp err wrong-aad
	printf x >>cipher
	gives 2 'GCM: a damaged ciphertext' raw-decrypt $(version aes-256-gcm) \
		--ciphertext-file cipher --initialization-vector-file iv --plaintext-file none \
		--additional-authenticated-data-file aad
	ok 'read the same' cmp err wrong-aad
	ok 'and no file is left of either' [ ! -e none ]
}

# ---- the same keys in OpenSSL's hands: both must make the same bytes

hex() { od -An -v -tx1 "$1" | tr -d ' \n'; }
gives 0 'an import job' import-jobs create j $place --import-method rsa-oaep-3072-sha1-aes-256 \
	--protection-level software --quiet
# share ALGORITHM BYTES: a random key in the file "key", which is version 2 of the algorithm's key.
share()
{
	openssl rand -out key "$2"
	run "$kmsctl" keys versions import $place --key "$1" --import-job j --algorithm "$1" \
		--target-key-file key
	if [ "$rc" -ne 0 ]; then fail "$1: a key that OpenSSL has, too" "$(cat err)"; fi
}

for hash in sha1:20 sha224:28 sha256:32 sha384:48 sha512:64; do
	algorithm=hmac-${hash%:*}
	share "$algorithm" "${hash#*:}"
	run "$kmsctl" mac-sign $place --key "$algorithm" --version 2 --input-file letter --signature-file mac
	openssl mac -digest "${hash%:*}" -macopt "hexkey:$(hex key)" -in letter -binary -out theirs HMAC
	ok "$algorithm: the code is that of openssl mac" cmp mac theirs
done
for bits in 128 256; do
	for mode in cbc ctr; do
		share "aes-$bits-$mode" $((bits / 8))
		run "$kmsctl" raw-encrypt $place --key "aes-$bits-$mode" --version 2 --plaintext-file blocks \
			--ciphertext-file ours --initialization-vector-file iv16
		openssl enc "-aes-$bits-$mode" -nopad -K "$(hex key)" -iv "$(hex iv16)" -in blocks -out theirs
		ok "aes-$bits-$mode: the ciphertext is that of openssl enc" cmp ours theirs
	done
	# GCM is CTR that begins at 2 (NIST SP 800-38D, section 7.1), and a tag.
	share "aes-$bits-gcm" $((bits / 8))
	rm -f iv
	run "$kmsctl" raw-encrypt $place --key "aes-$bits-gcm" --version 2 --plaintext-file blocks \
		--ciphertext-file ours --initialization-vector-output-file iv
	openssl enc "-aes-$bits-ctr" -K "$(hex key)" -iv "$(hex iv)00000002" -in blocks -out theirs
	head -c 4096 ours >without-tag
	ok "aes-$bits-gcm: the ciphertext is that of openssl enc" cmp without-tag theirs
	is "aes-$bits-gcm: and a tag of 16 bytes" "$(wc -c <ours)" 4112
done

# ---- what is refused

{
	gives 9 'a signing key encrypts nothing' encrypt $place --key ec-sign-p256-sha256 \
		--plaintext-file letter --ciphertext-file none
	says 'and says what it is for' 'is of purpose ASYMMETRIC_SIGN; encrypt is for keys of purpose ENCRYPT_DECRYPT$'
	gives 9 'a MAC key has no public half' keys versions get-public-key 1 $place --key hmac-sha256
	says 'and says who has' 'getPublicKey is for keys of purpose ASYMMETRIC_SIGN or ASYMMETRIC_DECRYPT$'
	gives 2 'a digest of the wrong hash' asymmetric-sign $(version ec-sign-p256-sha256) \
		--digest-algorithm sha384 --input-file letter --signature-file none
	gives 2 'a digest for Ed25519' asymmetric-sign $(version ec-sign-ed25519) \
		--digest-algorithm sha512 --input-file letter --signature-file none
	gives 2 'data of more than 64 KiB' asymmetric-sign $(version ec-sign-ed25519) \
		--input-file large --signature-file none
	says 'with limit and size' 'has 100000 bytes; the limit is 65536'
	gives 2 'no version' mac-sign $place --key hmac-sha256 --input-file letter --signature-file none
	says 'which is said' 'missing: --version'
	gives 4 'a version that is not there' mac-sign $place --key hmac-sha256 --version 3 \
		--input-file letter --signature-file none
	gives 2 'standard input twice' mac-verify $(version hmac-sha256) --input-file - --signature-file -
	gives 2 'no algorithm' keys create k $place --purpose mac
	says 'which is said' 'a key of purpose MAC needs an algorithm'
	gives 2 'one of another purpose' keys create k $place --purpose mac --default-algorithm aes-128-gcm
	gives 2 'one that is none' keys create k $place --purpose mac --default-algorithm hmac-md5
	says 'which is said' 'no such algorithm: .hmac-md5.;'
	gives 13 'Ed25519 cannot be wrapped' keys create k $place --purpose asymmetric-signing \
		--default-algorithm ec-sign-ed25519 --residency wrapped
	gives 4 'and there is no key then' keys describe k $place
	ok 'none of them leaves a file' [ ! -e none ]
	for verb in asymmetric-sign mac-sign; do
		key=ec-sign-p256-sha256
		if [ "$verb" = mac-sign ]; then key=hmac-sha256; fi
		gives 0 "$verb: a version is switched off" keys versions disable 1 $place --key $key
		gives 9 "$verb: it is refused" "$verb" $(version $key) --input-file letter \
			--signature-file none
		says "$verb: in Cloud KMS's words" 'is not enabled, current state is: DISABLED[.]$'
		gives 0 "$verb: on again" keys versions enable 1 $place --key $key
		gives 0 "$verb: it works" "$verb" $(version $key) --input-file letter --signature-file sig
	done
}

# ---- files, lists, JSON

{
	run "$kmsctl" asymmetric-sign $(version ec-sign-p256-sha256) --input-file letter \
		--signature-file sig --format json
	like 'JSON says which version signed' "$(cat out)" \
		'"name": ?"projects/demo/locations/global/keyRings/r/cryptoKeys/ec-sign-p256-sha256/cryptoKeyVersions/1"'
	like 'and by which algorithm' "$(cat out)" '"algorithm": ?"EC_SIGN_P256_SHA256"'
	is 'signatures are for everybody' "$(stat -c %a sig)" 644
	rm -f back
	public rsa-decrypt-oaep-2048-sha256 >key.pem
	openssl pkeyutl -encrypt -pubin -inkey key.pem -in letter -out cipher \
		-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256
	gives 0 'decrypt' asymmetric-decrypt $(version rsa-decrypt-oaep-2048-sha256) \
		--ciphertext-file cipher --plaintext-file back --skip-integrity-verification
	is 'plaintexts are not' "$(stat -c %a back)" 600
	is 'standard input and output' "$("$kmsctl" asymmetric-decrypt $(version rsa-decrypt-oaep-2048-sha256) \
		--ciphertext-file - --plaintext-file - <cipher)" "$(cat letter)"
	run "$kmsctl" keys versions get-public-key 1 $place --key ec-sign-p256-sha256 \
		--public-key-format der --output-file key.der
	public ec-sign-p256-sha256 | openssl pkey -pubin -outform DER >from-pem.der
	ok 'DER is what PEM holds' cmp key.der from-pem.der
	gives 2 'another form' keys versions get-public-key 1 $place --key ec-sign-p256-sha256 \
		--public-key-format nist-pqc
	run "$kmsctl" keys list $place
	like 'lists show the algorithm' "$(cat out)" 'ASYMMETRIC_SIGN +EC_SIGN_P256_SHA256'
	run "$kmsctl" keys versions list $place --key hmac-sha224
	like 'those of versions too' "$(cat out)" 'ENABLED +HMAC_SHA224'
	run "$kmsctl" keys describe hmac-sha224 $place --format json
	is 'a key that encrypts nothing has no primary' "$(grep -c primary out)" 0
	run "$kmsctl" keys describe ec-sign-ed25519 $place --format 'value(residency)'
	is 'what SoftHSM cannot wrap is in it' "$(cat out)" TOKEN
	gives 9 'and none can be set' keys set-primary-version hmac-sha224 --version 1 $place
	run "$kmsctl" keys create level $place --purpose encryption --protection-level hsm
	head -c 8193 /dev/zero >many
	gives 2 'level HSM takes 8 KiB' encrypt $place --key level --plaintext-file many \
		--ciphertext-file none
	says 'with limit and size' '8193 bytes together, at most 8192$'
}
tap_done

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The sealed catalogue with the shipped kmsctl: a home that somebody edits with sqlite3, one that is
# put back from yesterday's copy, and how it is taken for good again.
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
if ! command -v sqlite3 >/dev/null; then
	echo "1..0 # SKIP there is no sqlite3 here"
	exit 0
fi

edit() { sqlite3 "$CLAVIGER_HOME/catalogue.db" "$1"; }

# shellcheck disable=SC2086 # $place is a list of words
version() { gives "$1" "$2" keys versions "$3" 1 $place; }

# shellcheck disable=SC2086
encrypt() { gives "$1" "$2" encrypt $place --plaintext-file letter --ciphertext-file letter.enc; }

printf 'Dear customer\n' >letter
place='--location dc-milan --keyring r --key k'
gives 0 "a home" init
gives 0 "a location" locations create dc-milan --softhsm
gives 0 "a key ring" keyrings create r --location dc-milan
gives 0 "a key" keys create k --keyring r --location dc-milan --purpose encryption
gives 0 "another key" keys create other --keyring r --location dc-milan --purpose encryption
gives 0 "a fresh catalogue verifies" catalogue verify
says "it says how much" 'Verified 9 rows of 1 location'
gives 9 "there is nothing to restore" catalogue restore dc-milan --accept
says "that is said" 'there is nothing to restore'
encrypt 0 "the key encrypts"

edit "VACUUM INTO 'yesterday.db'"
version 0 "it is disabled" disable
edit "VACUUM INTO 'today.db'"

edit "UPDATE versions SET state = 1 WHERE row = 1"
encrypt 12 "a state that sqlite3 set back is refused"
says "the version is named" 'cryptoKeys/k/cryptoKeyVersions/1 is not what was sealed'
gives 12 "so says verify" catalogue verify
version 12 "and enabling it does not launder it" enable
cp today.db home/catalogue.db
rm -f home/catalogue.db-wal home/catalogue.db-shm
gives 0 "what was there verifies again" catalogue verify

cp yesterday.db home/catalogue.db
rm -f home/catalogue.db-wal home/catalogue.db-shm
encrypt 12 "yesterday's copy, in which it was enabled, is refused"
says "it is said to be old" 'the catalogue is not the newest: location dc-milan is at epoch [0-9]+'
gives 0 "status tells" status
like "of data loss" "$(cat out)" 'DATA_LOSS'
gives 9 "restoring wants to be told twice" catalogue restore dc-milan
says "and says what is lost" 'nothing was changed: location dc-milan is at epoch [0-9]+ .* has seen [0-9]+'
encrypt 12 "nothing was changed"
gives 0 "with --accept it is taken" catalogue restore dc-milan --accept --reason 'the disk died'
says "and both versions are disabled" 'disabled 2 versions'
encrypt 9 "so it does not encrypt"
gives 0 "what was taken verifies" catalogue verify
like "the log says who and why" "$(grep claviger.catalogue.restore home/audit/audit.jsonl)" 'the disk died'
version 0 "it can be enabled" enable
encrypt 0 "and encrypts"
cp today.db home/catalogue.db
rm -f home/catalogue.db-wal home/catalogue.db-shm
gives 12 "today's copy is from another line now" catalogue verify

tap_done

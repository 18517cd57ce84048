#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What kmsctl(1) promises beside the story: the words of the help, refusals and their exit
# statuses, JSON that is JSON, output that cannot be written. The second half uses a SoftHSM home.
# shellcheck disable=SC2016 # the dollars in single quotes are Perl's
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
cd "${TMPDIR:?}"
CLAVIGER_HOME=$PWD/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME

# run COMMAND...: what it says goes to the files out and err, its status to $rc.
run()
{
	rc=0
	"$@" >out 2>err </dev/null || rc=$?
}

# gives STATUS NAME ARGUMENT...: kmsctl ends with the status; a failure is one line of the
# promised form on standard error, and nothing on standard output.
gives()
{
	wanted=$1
	name=$2
	shift 2
	run "$kmsctl" "$@"
	if [ "$rc" -ne "$wanted" ]; then
		fail "$name" "status $rc, $wanted wanted: $(cat err)"
	elif [ "$wanted" -ne 0 ] && ! { [ "$(wc -l <err)" -eq 1 ] && [ ! -s out ] &&
		grep -Eq '^ERROR: \(kmsctl[a-z.]*\) [A-Z_]+: .' err; }; then
		fail "$name" "not one line of the promised form: $(cat out err)"
	else
		pass "$name"
	fi
}

says() { like "$1" "$(cat err)" "$2"; }

# json FILE EXPRESSION: the file is one JSON document, and the Perl expression on $_ holds.
json()
{
	perl -MJSON::PP -e '
		local $/; open my $f, "<", shift or die; $_ = decode_json(<$f>);
		exit(eval(shift) ? 0 : 1)' "$1" "$2" 2>/dev/null
}
is_json() { ok "$1" json "$2" "$3"; }

# ---- no home needed

run "$kmsctl" help --all
if diff -u "$srcdir/tests/snapshots/kmsctl-help.txt" out >diff.txt 2>&1; then
	pass 'the help is the one that was reviewed'
else
	fail 'the help is the one that was reviewed' "$(cat diff.txt)"
fi
run "$kmsctl" --version
like 'the version is printed' "$(cat out)" '^kmsctl [0-9]+[.][0-9]+[.][0-9]+$'
gives 0 'help for one command' help keys versions disable
gives 0 'help by option' keys create --help
"$kmsctl" help --all | sed -n 's/^\(kmsctl [a-z -]*[a-z]\).*/\1/p' >commands
silent=
while read -r program words; do
	# shellcheck disable=SC2086 # $words is a list of words
	run "$kmsctl" $words --help
	if [ "$rc" -ne 0 ] || ! grep -q "^$program $words" out || ! grep -q -e '--format' out; then
		silent="$silent $words;"
	fi
done <commands
is 'every command has its help by option' "$(wc -l <commands | grep -c '^[2-9][0-9]')$silent" 1
gives 2 'help for no command' help keyz
gives 2 'no command' --quiet
gives 2 'an unknown noun' keyz list
says 'with the nearest one' 'did you mean `keys`'
gives 2 'an unknown verb' keys creat k
gives 2 'an unknown option' keys list --locaton l
says 'with the nearest one' 'did you mean --location'
says 'and where help is' 'see: kmsctl help keys list'
gives 2 'an option without its value' keys list --location
gives 2 'a missing part of the name' keys describe k --location l
gives 2 'a PIN in a URI' token probe 'pkcs11:token=t?pin-value=4711'
is 'which is not repeated' "$(grep -c 4711 err || true)" 0
gives 4 'no home' status
run "$kmsctl" --format=json status
is_json 'errors in JSON are one object' err \
	'$_->{error}{code} == 404 && $_->{error}{status} eq "NOT_FOUND" && $_->{error}{message}'
is 'and nothing else' "$(wc -l <err) $(wc -c <out)" '1 0'
run "$kmsctl" keyz --format json
is_json 'usage errors too' err '$_->{error}{status} eq "INVALID_ARGUMENT"'
run "$kmsctl" completion bash
if command -v bash >/dev/null; then
	ok 'the completion script is bash' bash -n out
	cp out completion
	# completes WORD...: what the script offers in the place of the last word.
	completes()
	{
		bash -c '. ./completion
			COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _kmsctl; echo "${COMPREPLY[*]}"' kmsctl kmsctl "$@"
	}
	is 'it offers nouns' "$(completes k)" 'keyrings keys'
	is 'verbs' "$(completes keys versions d)" 'describe disable destroy'
	is 'verbs of aliases' "$(completes version d)" 'describe disable destroy'
	is 'what is spelled with one more word' "$(completes keys v)" versions
	is 'options' "$(completes keys list --f)" '--filter --from --format'
	is 'their words' "$(completes status --format '')" 'text json value table'
	is 'also behind the equals sign' "$(completes keys versions update --state = e)" enabled
fi
if [ -e /dev/full ]; then
	rc=0
	"$kmsctl" help --all >/dev/full 2>err || rc=$?
	is 'a full disk is noticed' "$rc" 8
fi
rc=0
"$kmsctl" help >&- 2>err || rc=$?
is 'a closed standard output is noticed' "$rc" 7
gives 2 'locations of a new home need --softhsm' init --location global
says 'and it says what to do instead' 'kmsctl location create LOCATION --token URI'
ok 'and no home was made' [ ! -e home ]
gives 2 'a bad location makes no home' init --softhsm --location Bad
ok 'none at all' [ ! -e home ]

# ---- a home with two locations

gives 0 'a home with SoftHSM' init --softhsm --location europe-west2 --location=global
says 'it warns that there is no spare' '^WARNING: .*no spare'
says 'and that SoftHSM is not validated' '^WARNING: .*not a validated module'
is 'others cannot look inside' "$(find home -perm /077 | head -n 3)" ''
gives 5 'the same home again' init
R=projects/demo/locations/europe-west2/keyRings/r1
K=$R/cryptoKeys/k1
gives 0 'a key ring' keyrings create r1 --location europe-west2
is 'one line about it' "$(cat err)" 'Created key ring [r1].'
gives 5 'the same key ring' keyring create r1 --location=europe-west2
gives 4 'a key ring in no location' keyrings create r1 --location nowhere
gives 2 'a bad id' keyrings create bad.id --location europe-west2
gives 4 'a key in no key ring' keys create k1 --location europe-west2 --keyring r9
gives 0 'a key' keys create k1 --location europe-west2 --keyring r1 --purpose encryption
gives 5 'the same key' keys create "$K"
run "$kmsctl" keys create k2 --keyring "$R" --protection-level hsm --format json
is_json 'a key in JSON' out '$_->{name} =~ m{/cryptoKeys/k2$} && $_->{purpose} eq "ENCRYPT_DECRYPT"
	&& $_->{versionTemplate}{protectionLevel} eq "HSM" && $_->{primary}{state} eq "ENABLED"'
is 'and no word beside it' "$(cat err)" ''
run "$kmsctl" keys list --keyring "$R" --format json
is_json 'a list in JSON' out '@$_ == 2 && $_->[0]{name} =~ /k1$/ && $_->[1]{name} =~ /k2$/'
run "$kmsctl" keys list --keyring "$R" --format json --limit 1
is_json 'a list with a limit' out '@$_ == 1'
run "$kmsctl" keys list --keyring "$R"
like 'a list as a table' "$(cat out)" '^NAME +PURPOSE +ALGORITHM'
run "$kmsctl" keyrings list --location global --format=json
is_json 'an empty list' out '@$_ == 0'
for what in "versions list --key $K" "versions describe 1 --key $K" 'locations list' \
	'locations describe global' 'status' 'token list' 'token status europe-west2'; do
	# shellcheck disable=SC2086 # a list of words
	run "$kmsctl" $what --format json
	is_json "$what in JSON" out 'ref $_'
done
gives 2 'a name that contradicts' keys describe "$K" --location global
gives 4 'an unknown key' keys describe "$R/cryptoKeys/k9"

# ---- encrypting and decrypting

printf 'plain text\n' >plain
printf 'a' >aad
crypt="--key $K --additional-authenticated-data-file aad"
# shellcheck disable=SC2086 # $crypt is a list of words
encrypt() { gives "$1" "$2" encrypt $crypt --plaintext-file "$3" --ciphertext-file "$4"; }
# shellcheck disable=SC2086
decrypt() { gives "$1" "$2" decrypt $crypt --ciphertext-file "$3" --plaintext-file "$4"; }

encrypt 0 'encrypt' plain cipher
decrypt 0 'decrypt' cipher back
ok 'what came back is what went in' cmp plain back
is 'and only its owner can read it' "$(stat -c %a back)" 600
# shellcheck disable=SC2086
is 'the same through pipes' "$(printf 'piped' | "$kmsctl" encrypt $crypt --plaintext-file=- \
	--ciphertext-file=- | "$kmsctl" decrypt $crypt --ciphertext-file - --plaintext-file -)" piped
: >empty
encrypt 0 'encrypt nothing' empty cipher0
decrypt 0 'decrypt nothing' cipher0 back0
ok 'nothing came back' cmp empty back0

rm -f out.txt
perl -pe 'BEGIN { $/ = undef } substr($_, -1) ^= "\1"' <cipher >damaged
decrypt 2 'a damaged ciphertext' damaged out.txt
head -c 20 cipher >short
decrypt 2 'half a ciphertext' short out.txt
decrypt 2 'no ciphertext at all' empty out.txt
gives 2 'without its additional data' decrypt --key "$K" --ciphertext-file cipher --plaintext-file out.txt
gives 2 'under another key' decrypt --key "$R/cryptoKeys/k2" --ciphertext-file cipher \
	--plaintext-file out.txt --additional-authenticated-data-file aad
head -c 65537 /dev/zero >large
encrypt 2 'one byte too many' large out.txt
says 'with limit and size' '65537 bytes; the limit is 65536'
run "$kmsctl" encrypt --key "$K" --plaintext-file - --ciphertext-file out.txt
is 'standard input may be empty' "$rc" 0
rm -f out.txt
rc=0
"$kmsctl" encrypt --key "$K" --plaintext-file - --ciphertext-file out.txt <large >out 2>err || rc=$?
is 'the limit holds for standard input' "$rc" 2
gives 2 'one standard input for two' encrypt --key "$K" --plaintext-file - --ciphertext-file out.txt \
	--additional-authenticated-data-file -
decrypt 2 'no such folder' cipher nowhere/out.txt
decrypt 2 'a folder in the place of a file' cipher .
if [ -e /dev/full ]; then decrypt 8 'a full device' cipher /dev/full; fi
decrypt 2 'no such ciphertext' nothing out.txt
ok 'what was refused left no file' [ ! -e out.txt ]
is 'and nothing half-written' "$(find . -name '.kmsctl.*')" ''
rc=0
# shellcheck disable=SC2086
"$kmsctl" decrypt $crypt --ciphertext-file cipher --plaintext-file - >&- 2>err || rc=$?
is 'plaintext to a closed output' "$rc" 7
if command -v script >/dev/null; then
	script -qec "'$kmsctl' decrypt $crypt --ciphertext-file cipher --plaintext-file -" /dev/null \
		>screen 2>&1 </dev/null || true
	is 'no plaintext on a terminal' "$(grep -c 'plain text' screen || true)" 0
	script -qec "'$kmsctl' decrypt $crypt --force --ciphertext-file cipher --plaintext-file -" \
		/dev/null >screen 2>&1 </dev/null || true
	is 'but with --force' "$(grep -c 'plain text' screen || true)" 1
fi

# ---- the switch

run "$kmsctl" keys versions disable 1 --key "$K" --reason drill --format json
is_json 'disable says what it waited for' out '$_->{state} eq "DISABLED"
	&& $_->{stateReason} eq "drill" && exists $_->{switch}{waited} && exists $_->{switch}{holders}'
decrypt 9 'decrypt with a disabled version' cipher out.txt
encrypt 9 'encrypt with a disabled version' plain out.txt
run "$kmsctl" versions disable 1 --key "$K"
is 'disabling twice is fine' "$rc" 0
like 'and says so' "$(cat err)" 'was DISABLED already'
gives 2 'with --every standard output has lines' decrypt --key "$K" --every 50ms \
	--ciphertext-file cipher --plaintext-file -
gives 2 '--count is for --every' decrypt --key "$K" --count 2 --ciphertext-file cipher \
	--plaintext-file out.txt
# shellcheck disable=SC2086
run "$kmsctl" decrypt $crypt --every 10ms --count 3 --ciphertext-file cipher --plaintext-file out.txt
is 'the status is that of the last try' "$rc" 9
like 'a change of outcome is a line' "$(cat out)" \
	'^[0-9-]+T[0-9:.]+Z FAILED_PRECONDITION: .*not enabled'
is 'the last line adds up' "$(tail -n 1 out)" '3 tries, 0 OK, 3 refused'
gives 0 'enable' version enable 1 --location europe-west2 --keyring r1 --key k1
# shellcheck disable=SC2086
run "$kmsctl" decrypt $crypt --every 10ms --count 2 --ciphertext-file cipher --plaintext-file out.txt
is 'every try again' "$rc $(tail -n 1 out)" '0 2 tries, 2 OK, 0 refused'
gives 4 'no such version' versions disable 7 --key "$K"
tap_done

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kmsctl dek and random bytes, as a user runs them: one wrapped DEK, a folder of them, JSON lines;
# runs that are killed at any moment and go on; and all that is refused.
#
#   CLAVIGER_SEED              seed of the moments of the kills; the one used is printed
#   CLAVIGER_REWRAP_ROUNDS     killed jobs of each kind (2)
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
seed=${CLAVIGER_SEED:-$$}
rounds=${CLAVIGER_REWRAP_ROUNDS:-2}
note "seed $seed"

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

# counts NAME REWRAPPED ALREADY FAILED: what out says, in JSON.
counts() { is_json "$1" "\$_->{rewrapped} == $2 && \$_->{alreadyPrimary} == $3 && \$_->{failed} == $4 && \$_->{remaining} == 0"; }

# dek VERB STATUS NAME OPTION...
# shellcheck disable=SC2086 # $place is a list of words
dek()
{
	dek_verb=$1
	dek_status=$2
	dek_name=$3
	shift 3
	gives "$dek_status" "$dek_name" dek "$dek_verb" $place "$@"
}

# new_version [OPTION]: the next version of the key.
# shellcheck disable=SC2086
new_version() { "$kmsctl" keys versions create $place "$@" --quiet >switched; }
# shellcheck disable=SC2086
switch() { "$kmsctl" keys versions "$1" "$2" $place --quiet >switched; }

place="--location europe-west2 --keyring r --key k"
gives 0 'a home' init --softhsm --location europe-west2
gives 0 'a key ring' keyrings create r --location europe-west2
gives 0 'a key' keys create k --location europe-west2 --keyring r
gives 0 'another key' keys create other --location europe-west2 --keyring r
K=projects/demo/locations/europe-west2/keyRings/r/cryptoKeys/k

# ---- random bytes

random() { gives "$1" "$2" locations generate-random-bytes europe-west2 --length "$3" --output-file "$4"; }
random 0 'random bytes' 8 random8
random 0 'as many as can be had' 1024 random1024
is 'as many as asked for' "$(cat random8 random1024 | wc -c)" 1032
is 'for their owner only' "$(stat -c %a random8)" 600
random 2 'one too few' 7 none
random 2 'one too many' 1025 none
says 'it says what may be' 'it must have 8 to 1024'
gives 4 'from a place that is none' locations generate-random-bytes nowhere --length 8 --output-file none
ok 'what was refused left no file' [ ! -e none ]
umask 022
random 2 'not to a file that others can read' 32 -
says 'and it says so' 'others can read'
is 'not a byte of them' "$(wc -c <out)" 0
umask 077
rm out
random 0 'to one that they cannot' 32 -
is 'all of them' "$(wc -c <out)" 32
umask 022
rm out
is 'and through a pipe' "$("$kmsctl" locations generate-random-bytes europe-west2 --length 32 \
	--output-file - | wc -c)" 32

# ---- one DEK

for other in twice ./twice "$PWD/twice"; do
	dek generate 2 "both halves in one file: $other" --wrapped-file twice --plaintext-file "$other"
	says 'it says that' 'the wrapped DEK and the DEK would both go to'
done
ok 'and nothing is written' [ ! -e twice ]
printf 'topic=orders' >aad
dek generate 0 'a DEK' --wrapped-file w1 --plaintext-file p1 --format json
is_json 'its JSON names the version' '$_->{name} =~ m{/cryptoKeys/k/cryptoKeyVersions/1$}'
is 'it has 32 bytes' "$(wc -c <p1)" 32
is 'which are for their owner' "$(stat -c %a p1)" 600
dek unwrap 0 'unwrap it' --wrapped-file w1 --plaintext-file back
ok 'it is the same DEK' cmp p1 back
# shellcheck disable=SC2086
gives 0 'decrypt it' decrypt $place --ciphertext-file w1 --plaintext-file back1
ok 'that is the same DEK too' cmp p1 back1
gives 0 'with its full name the key needs no more' dek unwrap --key "$K" --wrapped-file w1 \
	--plaintext-file back
dek generate 0 'a DEK that is not shown' --wrapped-file w2
dek generate 0 'a DEK of 64 bytes, bound to something' --wrapped-file w64 --plaintext-file p64 \
	--length 64 --additional-authenticated-data-file aad
dek unwrap 0 'unwrap that' --wrapped-file w64 --plaintext-file back \
	--additional-authenticated-data-file aad
ok 'it is the same' cmp p64 back
rm -f back
dek unwrap 2 'not without what it is bound to' --wrapped-file w64 --plaintext-file back
printf 'topic=order' >aad2
dek unwrap 2 'not with something else' --wrapped-file w64 --plaintext-file back \
	--additional-authenticated-data-file aad2
says 'and it reads like damage' 'Decryption failed: the ciphertext is invalid[.]$'
gives 2 'not with another key' dek unwrap --key "${K%/k}/other" --wrapped-file w1 --plaintext-file back
says 'and that is said' "refers to the correct CryptoKey"
dek generate 2 'a DEK that is too short' --wrapped-file none --length 15
dek generate 2 'a DEK that is too long' --wrapped-file none --length 65
dek generate 5 'not over another one' --wrapped-file w1
says 'and it says why' 'ALREADY_EXISTS: w1 is there: what is in it would be lost'
dek unwrap 0 'which is still there' --wrapped-file w1 --plaintext-file back1
: >racing.empty
dek generate 5 'not over an empty file' --wrapped-file racing.empty

# Several at once with one name: one has it, and the others show no DEK, for that would be lost.
jobs=
for i in 1 2 3 4 5; do
	# shellcheck disable=SC2086
	"$kmsctl" dek generate $place --wrapped-file racing --plaintext-file "racing.$i" \
		>/dev/null 2>"racing.err$i" </dev/null &
	jobs="$jobs $!"
done
rcs=
for job in $jobs; do
	rc=0
	wait "$job" || rc=$?
	rcs="$rcs$rc"
done
is 'of several at once one makes its DEK' "$(printf '%s' "$rcs" | tr -d 5)" 0
is 'and shows it' "$(find . -name 'racing.[1-5]' | wc -l)" 1
dek unwrap 0 'which is the one that is wrapped' --wrapped-file racing --plaintext-file back
ok 'byte for byte' cmp racing.[1-5] back
is 'nothing else is left of them' "$(find . -name '.kmsctl*')" ''
rm -f racing* back
dek generate 2 'one file for two' --wrapped-file none --plaintext-file ./none
dek generate 2 'one standard output for two' --wrapped-file - --plaintext-file -
gives 4 'under a key that is none' dek generate --key "${K%/k}/none" --wrapped-file none
ok 'what was refused left no file' [ ! -e back ] && [ ! -e none ]
is 'through pipes' "$("$kmsctl" dek generate --key "$K" --wrapped-file - |
	"$kmsctl" dek unwrap --key "$K" --wrapped-file - --plaintext-file - | wc -c)" 32
if command -v script >/dev/null; then
	script -qec "'$kmsctl' dek unwrap $place --wrapped-file w1 --plaintext-file -" /dev/null \
		>screen 2>&1 </dev/null || true
	like 'no DEK on a terminal' "$(cat screen)" 'would be shown on a terminal'
fi

# ---- one is rewrapped

# shellcheck disable=SC2086
gives 0 'rotate' keys versions create $place --primary
cp w1 w1.old
chmod 640 w1
dek rewrap 0 'rewrap' --wrapped-file w1
says 'it says from where to where' '^Rewrapped from version \[1\] to version \[2\][.]$'
is 'the file keeps its permissions' "$(stat -c %a w1)" 640
ok 'it is another wrapping' sh -c '! cmp -s w1 w1.old'
dek unwrap 0 'unwrap the new one' --wrapped-file w1 --plaintext-file back
ok 'of the same DEK' cmp p1 back
dek unwrap 0 'the old one stays good' --wrapped-file w1.old --plaintext-file back
ok 'for the same DEK' cmp p1 back
cp w1 w1.new
dek rewrap 0 'rewrap again' --wrapped-file w1 --format json
is_json 'nothing is to be done' '$_->{unchanged} && $_->{name} =~ m{/2$} && $_->{from} =~ m{/2$}'
ok 'and nothing was' cmp w1 w1.new
dek rewrap 0 'into another file' --wrapped-file w64 --output-file w64.new \
	--additional-authenticated-data-file aad
dek unwrap 0 'unwrap that' --wrapped-file w64.new --plaintext-file back \
	--additional-authenticated-data-file aad
ok 'it is the same DEK' cmp p64 back
dek rewrap 2 'not without what it is bound to' --wrapped-file w64 --output-file none
dek rewrap 2 'not without a file' --output-file none
dek rewrap 2 'not two at once' --wrapped-file w1 --folder .
switch disable 1
dek rewrap 9 'not from a version that is disabled' --wrapped-file w1.old --output-file none
says 'and that is said' 'FAILED_PRECONDITION: .*/1 is not enabled, current state is: DISABLED[.]$'
dek unwrap 9 'nor can it be unwrapped' --wrapped-file w1.old --plaintext-file none
dek unwrap 0 'but the new one can' --wrapped-file w1 --plaintext-file back
switch enable 1
ok 'what was refused left no file' [ ! -e none ]

# ---- many

# The DEKs of the rest, made under version 1; then some that are under version 2 already, and some
# that are none.
N=40
"$kmsctl" keys set-primary-version k --location europe-west2 --keyring r --version 1 --quiet >switched
mkdir deks plain
i=0
while [ "$i" -lt "$N" ]; do
	i=$((i + 1))
	"$kmsctl" dek generate --key "$K" --wrapped-file "deks/$i" --plaintext-file "plain/$i"
done
i=0
while [ "$i" -lt 160 ]; do # copies: a DEK may be wrapped in several places
	i=$((i + 1))
	cp "deks/$((i % N + 1))" "deks/copy $i"
done
"$kmsctl" keys set-primary-version k --location europe-west2 --keyring r --version 2 --quiet >switched
i=0
while [ "$i" -lt 4 ]; do
	i=$((i + 1))
	"$kmsctl" dek generate --key "$K" --wrapped-file "deks/new$i"
done
printf 'junk' >"deks/bad"
perl -pe 'BEGIN { $/ = undef } substr($_, -1) ^= "\1"' <deks/1 >deks/damaged
: >deks/empty
ln -s 1 deks/link
mkdir deks/sub
cp deks/1 deks/.hidden
OLD=200 NEW=4 BAD=3
pristine() { rm -rf work && cp -a deks work; }
lines_of()
{
	perl -MMIME::Base64 -e '
		for my $f (map { "deks/$_" } sort grep { !/^\./ && -f "deks/$_" && !-l "deks/$_" } do { opendir my $d, "deks"; readdir $d }) {
			local $/; open my $h, "<", $f or die; my $b = encode_base64(<$h> // "", "");
			$b =~ s{/}{\\/}g if $n++ % 2;
			print qq({"file":"$f", "n": 1.50e1 ,"wrapped_dek" :"$b","tail":[1,{"wrapped_dek":"x"}]}\n);
		}'
}

# intact NAME FOLDER: each DEK of the folder is the one that it was.
intact()
{
	switch disable 1
	cp -a "$2" look
	rm -f look/bad look/damaged look/empty
	dek rewrap 0 "$1: all of them open without version 1" --folder look --format json
	is_json "$1: and are under version 2" "\$_->{alreadyPrimary} == $OLD + $NEW && \$_->{total} == $OLD + $NEW"
	for i in 1 "$N"; do
		dek unwrap 0 "$1: unwrap $i" --wrapped-file "$2/$i" --plaintext-file back
		ok "$1: $i is the DEK that it was" cmp "plain/$i" back
	done
	rm -rf look
	switch enable 1
}

pristine
dek rewrap 2 'a folder: the status is that of the first failure' --folder work --format json
counts 'a folder: the counts are exact' $OLD $NEW $BAD
is_json 'a folder: each failure is told' "\$_->{total} == $OLD + $NEW + $BAD
	&& (grep { /^damaged: Decryption failed/ } @{\$_->{warnings}})
	&& (grep { /^empty: / } @{\$_->{warnings}}) && (grep { /^bad: / } @{\$_->{warnings}})"
is_json 'a folder: so is what was left alone' '(grep { /^2 in work are no regular files/ } @{$_->{warnings}})'
ok 'a folder: what is bad stays as it is' sh -c \
	'cmp deks/bad work/bad && cmp deks/damaged work/damaged && cmp deks/.hidden work/.hidden'
is 'a folder: a link stays one' "$(readlink work/link)" 1
intact 'a folder' work
is 'a folder: nothing else is left in it' "$(find work -name '.kmsctl*')" ''
dek rewrap 2 'a folder again' --folder work
like 'a folder again: for people' "$(cat out)" "^alreadyPrimary: $((OLD + NEW))\$"
says 'a folder again: one line at the end' "^ERROR: .*INVALID_ARGUMENT: $BAD of $((OLD + NEW + BAD)) failed; the first: bad: "
is 'a folder: no bar where there is no terminal' "$(tr -cd '\r' <err | wc -c)" 0

if command -v script >/dev/null; then
	pristine
	script -qec "'$kmsctl' dek rewrap $place --folder work" /dev/null >screen 2>&1 </dev/null || true
	like 'a bar on a terminal' "$(tr '\r' '\n' <screen)" '\[#*-*\] +[0-9]+%  [0-9]+ of 207 done'
	like 'and the counts behind it' "$(tr -d '\r' <screen)" "^rewrapped: $OLD\$"
	pristine
	script -qec "'$kmsctl' dek rewrap $place --folder work --quiet" /dev/null >screen 2>&1 \
		</dev/null || true
	is 'none with --quiet' "$(grep -c '%' screen || true)" 0
fi

lines_of >lines.all
grep -v '"deks/bad"' lines.all >lines.old
BADLINES=2
cp lines.old lines
dek rewrap 2 'lines' --json-lines lines --format json
counts 'lines: the counts are exact' $OLD $NEW $BADLINES
is_json 'lines: each failure is told by its number' \
	'scalar(grep { /^line \d+: Decryption failed/ } @{$_->{warnings}}) == 2'
# Only the values may differ, and only where they were wrapped anew.
same_but_values()
{
	perl -MMIME::Base64 -e '
		open my $a, "<", shift or die; open my $b, "<", shift or die;
		my ($n, $differ, $want) = (0, 0, shift);
		while (defined(my $x = <$a>)) {
			my $y = <$b> // exit 1;
			$differ++ if $x ne $y;
			s/("wrapped_dek" :)"[^"]*"/$1/ for $x, $y;
			exit 1 if $x ne $y;
		}
		exit(defined <$b> || $differ != $want);' "$1" "$2" "$3"
}
ok 'lines: nothing but the values has changed' same_but_values lines.old lines $OLD
# unpack FILE FOLDER: the wrapped DEKs of the lines as files.
unpack()
{
	rm -rf "$2" && mkdir "$2"
	perl -MJSON::PP -MMIME::Base64 -ne '
		my $o = decode_json($_); (my $n = $o->{file}) =~ s{^deks}{$ENV{TO}};
		open my $h, ">", $n or die; print $h decode_base64($o->{wrapped_dek})' "$1"
}
TO=unpacked
export TO
unpack lines unpacked
intact 'lines' unpacked
is 'lines: nothing else is left' "$(find . -maxdepth 1 -name 'lines.*kmsctl*')" ''
cp lines lines.new
dek rewrap 2 'lines again' --json-lines lines --format json
counts 'lines again: nothing is to be done' 0 $((OLD + NEW)) $BADLINES
ok 'lines again: and nothing was' cmp lines lines.new
head -n 1 lines.old | tr -d '\n' >one
dek rewrap 0 'a last line without its end' --json-lines one
is 'stays without' "$(tail -c 1 one)" '}'
: >nothing
dek rewrap 0 'no line at all' --json-lines nothing --format json
counts 'is done' 0 0 0

# ---- what is refused as a whole

refused_line()
{
	cp lines.old strange
	printf '%s\n' "$2" >>strange
	cp strange strange.old
	dek rewrap 2 "$1" --json-lines strange
	says "$1: by its number" "INVALID_ARGUMENT: line $(wc -l <strange) of strange: $3"
	ok "$1: and nothing was done" cmp strange strange.old
}
refused_line 'a line that is no JSON' '{"wrapped_dek":' 'not JSON'
refused_line 'a line without the member' '{"dek":"AAAA"}' 'no member "wrapped_dek"'
refused_line 'an empty line' '' 'not JSON'
is 'nothing is left of it' "$(find . -maxdepth 1 -name '*kmsctl*')" ''
dek rewrap 2 'no such folder' --folder nowhere
dek rewrap 2 'a folder for lines' --json-lines work
dek rewrap 2 'a file for a folder' --folder lines
dek rewrap 2 'an output of many' --folder work --output-file none

pristine
gives 4 'a key that is none' dek rewrap --key "${K%/k}/none" --folder work
switch disable 2
dek rewrap 9 'a key whose primary version is disabled' --folder work
says 'one line says it' '^ERROR: .*FAILED_PRECONDITION: .*/2 is not enabled'
is 'and only one' "$(wc -l <err)" 1
cp lines.old lines
dek rewrap 9 'the same with lines' --json-lines lines
ok 'which are as they were' cmp lines lines.old
switch enable 2
ok 'nothing was touched' diff -r deks work
is 'and nothing left' "$(find . -name '*kmsctl-rewrap*')" ''
switch disable 1
dek rewrap 9 'an old version that is disabled fails its items only' --folder work --format json
is_json 'the counts say so' "\$_->{rewrapped} == 0 && \$_->{alreadyPrimary} == $NEW
	&& \$_->{failed} == $OLD + $BAD && \$_->{remaining} == 0"
is_json 'a hundred are told of, the rest counted' 'scalar(@{$_->{warnings}}) == 102'
switch enable 1
ok 'they are as they were' diff -r deks work

# ---- two runs at once, and runs that end early

perl -MFcntl=:flock -e 'open my $f, ">>", "work/.kmsctl-rewrap" or die; flock $f, LOCK_EX or die;
	open my $g, ">", "locked" or die; close $g; sleep 60' &
holder=$!
i=0
while [ ! -e locked ] && [ "$i" -lt 100 ]; do i=$((i + 1)); sleep 0.1; done
dek rewrap 10 'a second run on the same folder' --folder work
says 'is told of the first' 'ABORTED: another run is at work'
kill "$holder"
wait "$holder" 2>/dev/null || true
ok 'and does nothing' diff -r -x .kmsctl-rewrap deks work
rm work/.kmsctl-rewrap

# start OPTION...: a bulk rewrap in the background, $job.
# shellcheck disable=SC2086
start()
{
	"$kmsctl" dek rewrap $place "$@" --format json >bg.out 2>bg.err </dev/null &
	job=$!
}

# when_at FILE BYTES: waits until the file has grown to that size, or $job is gone.
when_at()
{
	perl -e 'my ($file, $bytes, $pid) = @ARGV;
		for (1 .. 120_000) {
			last if (-s $file // 0) >= $bytes || !kill 0, $pid;
			select undef, undef, undef, 0.0005;
		}' "$1" "$2" "$job"
}

# moment MOST: a random number up to MOST. Each call gives another one.
moments=0
moment()
{
	moments=$((moments + 1))
	at=$(perl -e 'srand($ARGV[0] * 1000 + $ARGV[1]); print int rand $ARGV[2]' "$seed" "$moments" "$1")
}

# interrupt KIND INPUT GROWS BYTES STATE: a run that is told to end when the file GROWS is so long.
# Should it come to its end before, it is played again.
interrupt()
{
	for try in 1 2 3 4 5 6 7 8 9 10; do
		pristine
		cp lines.old lines
		start "$1" "$2"
		when_at "$3" "$4"
		if [ "$1" = --folder ]; then signal=INT; else signal=TERM; fi
		kill "-$signal" "$job" 2>/dev/null || true
		rc=0
		wait "$job" || rc=$?
		if [ -e "$5" ]; then break; fi
		note "$2: ended before it was told to (try $try)"
	done
	is "$2: a run that is told to end says ABORTED" "$rc" 10
	like "$2: and how far it came" "$(cat bg.err)" \
		'interrupted: [0-9]+ of [0-9]+ done .*the same command goes on from there'
	ok "$2: its counts are exact" perl -MJSON::PP -e 'local $/; open my $f, "<", "bg.out" or die;
		$_ = decode_json(<$f>); exit !($_->{remaining} > 0 && $_->{total} ==
			$_->{rewrapped} + $_->{alreadyPrimary} + $_->{failed} + $_->{remaining})'
}

interrupt --folder work work/.kmsctl-rewrap 2000 work/.kmsctl-rewrap
gives 9 'another key has to wait for its end' dek rewrap --key "${K%/k}/other" --folder work
says 'and that is said' 'a run with the key .*/cryptoKeys/k was interrupted'
dek rewrap 2 'it goes on' --folder work --format json
counts 'all runs together have exact counts' $OLD $NEW $BAD
interrupt --json-lines lines lines.kmsctl-rewrap.new 8000 lines.kmsctl-rewrap
ok 'the lines are as they were so far' cmp lines lines.old
dek rewrap 2 'lines go on' --json-lines lines --format json
counts 'all runs together have exact counts' $OLD $NEW $BADLINES

# The key is switched off while a run is at work: the run stops, and goes on when it is on again.
for try in 1 2 3 4 5 6 7 8 9 10; do
	pristine
	start --folder work
	when_at work/.kmsctl-rewrap 1000
	switch disable 2
	rc=0
	wait "$job" || rc=$?
	switch enable 2
	if [ -e work/.kmsctl-rewrap ]; then break; fi
	note "ended before its key was switched off (try $try)"
done
is 'a run whose key is switched off stops' "$rc" 9
like 'and says why' "$(cat bg.err)" '"FAILED_PRECONDITION".*/2 is not enabled'
dek rewrap 2 'it goes on when the key is on again' --folder work --format json
counts 'all runs together have exact counts' $OLD $NEW $BAD

# killed KIND INPUT GROWS MOST STATE BAD: kills a job again and again, each time when the file GROWS
# has a random size up to MOST, then lets it come to its end. Where a kill came so late that the
# state was gone, the job had ended: its counts were lost with the process that was killed.
killed()
{
	kills=0
	ended=no
	while [ "$kills" -lt 4 ] && [ "$ended" = no ]; do
		start "$1" "$2"
		moment "$4"
		when_at "$3" "$at"
		kill -KILL "$job" 2>/dev/null || true
		wait "$job" 2>/dev/null || true
		kills=$((kills + 1))
		if [ ! -e "$5" ] && ! cmp -s deks/1 work/1; then ended=yes; fi
		if [ ! -e "$5" ] && ! cmp -s lines.old lines; then ended=yes; fi
	done
	note "$2: killed $kills times, the last time at $at of $4 bytes; ended: $ended"
	dek rewrap 2 "$2 goes on after kills" "$1" "$2" --format json
	if [ "$ended" = no ]; then
		counts "$2: exact counts" $OLD $NEW "$6"
	else
		is_json "$2: nothing is lost" \
			"\$_->{rewrapped} + \$_->{alreadyPrimary} == $OLD + $NEW && \$_->{failed} == $6"
	fi
}

round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	pristine
	cp lines.old lines
	killed --folder work work/.kmsctl-rewrap 10000 work/.kmsctl-rewrap $BAD
	intact "round $round, folder" work
	is "round $round, folder: nothing else is left in it" "$(find work -name '.kmsctl*')" ''
	is "round $round, folder: as many as before" "$(find work -type f | wc -l)" "$(find deks -type f | wc -l)"
	pristine
	killed --json-lines lines lines.kmsctl-rewrap.new "$(wc -c <lines.old)" lines.kmsctl-rewrap $BADLINES
	ok "round $round, lines: nothing but the values has changed" same_but_values lines.old lines $OLD
	unpack lines unpacked
	intact "round $round, lines" unpacked
	is "round $round, lines: nothing else is left" "$(find . -maxdepth 1 -name '*kmsctl-rewrap*')" ''
done

# A kill between the two last steps: the new lines have their name, the state is still there.
crc32c()
{
	perl -e 'my @t = map { my $c = $_; $c = $c & 1 ? ($c >> 1) ^ 0x82f63b78 : $c >> 1 for 1 .. 8; $c } 0 .. 255;
		local $/; open my $f, "<", shift or die; my $c = 0xffffffff;
		$c = ($c >> 8) ^ $t[($c ^ $_) & 255] for unpack "C*", <$f>;
		printf "%08x", $c ^ 0xffffffff' "$1"
}
cat >lines.kmsctl-rewrap <<END
kmsctl-rewrap 1
key $K
version $K/cryptoKeyVersions/2
input $(wc -c <lines.old) $(crc32c lines.old)
failed 200 INVALID_ARGUMENT
failed 201 INVALID_ARGUMENT
end $OLD $NEW $BADLINES $(wc -c <lines) $(crc32c lines)
END
cp lines lines.new
dek rewrap 2 'a job of which only the counts are missing' --json-lines lines --format json
counts 'gives them' $OLD $NEW $BADLINES
ok 'and does nothing else' cmp lines lines.new
is 'its state is gone' "$(find . -maxdepth 1 -name '*kmsctl-rewrap*')" ''

# ---- what an interrupted run left is not trusted unread

# A run of lines that was told to end, and how many of its lines the next one takes over: those that
# are the same in the end, for each wrapping is another one.
half_done() { interrupt --json-lines lines lines.kmsctl-rewrap.new 8000 lines.kmsctl-rewrap; }
taken_over()
{
	perl -e 'open my $a, "<", shift or die; open my $b, "<", shift or die; open my $c, "<", shift or die;
		my $n = 0;
		while (defined(my $x = <$a>)) { my ($y, $z) = (scalar <$b>, scalar <$c>);
			$n++ if $x ne $z && $x eq $y; }
		print $n' half lines lines.old
}

# all_there NAME: the job comes to its end, and nothing is lost.
all_there()
{
	dek rewrap 2 "$1: it goes on" --json-lines lines --format json
	counts "$1: exact counts" $OLD $NEW $BADLINES
	ok "$1: nothing but the values has changed" same_but_values lines.old lines $OLD
	is "$1: nothing else is left" "$(find . -maxdepth 1 -name '*kmsctl-rewrap*')" ''
}

# damaged NAME LINES CODE: Perl changes $_, the new file of a run that was told to end; so many lines
# are good before that.
damaged()
{
	half_done
	perl -0777 -pi -e "$3" lines.kmsctl-rewrap.new
	cp lines.kmsctl-rewrap.new half
	all_there "$1"
	ok "$1: nothing behind it is taken over" [ "$(taken_over)" -le "$2" ]
}

# left_by_others NAME: the state is refused, and whoever moves it away can go on.
left_by_others()
{
	cp lines lines.before
	dek rewrap 2 "$1: refused" --json-lines lines
	says "$1: by its name" 'state file .*/lines[.]kmsctl-rewrap: .*; move it away'
	ok "$1: nothing was done" cmp lines lines.before
	rm -f lines.kmsctl-rewrap
	all_there "$1"
}

half_done
cp lines.kmsctl-rewrap.new half
all_there 'what is whole'
ok 'what is whole: is taken over' [ "$(taken_over)" -gt 20 ]
damaged 'a lost page' 25 'substr($_, 4096, 512) = "\0" x 512'
damaged 'a lost page that looks like lines' 25 'substr($_, 4096, 512) = "\n" x 512'
damaged 'a missing stretch' 3 's/\A(.*\n){3}\K(.*\n){5}//'
damaged 'a stretch that is there twice' 8 's/\A(.*\n){3}((.*\n){5})\K/$2/'
damaged 'two values that changed places' 20 \
	's/\A(?:.*\n){20}.*?"wrapped_dek" :\K("[^"]*")(.*\n.*?"wrapped_dek" :)("[^"]*")/$3$2$1/'
damaged 'one bit' 12 'substr($_, 2000, 1) ^= "\1"'
damaged 'the end is missing' 5 '$_ = substr($_, 0, 500)'
half_done
perl -pi -e 's/^synced.*\n//' lines.kmsctl-rewrap
all_there 'a state that knows less'
half_done
rm lines.kmsctl-rewrap.new
all_there 'no new file'

half_done
chmod 620 lines.kmsctl-rewrap
left_by_others 'a state that others can write'
half_done
ln lines.kmsctl-rewrap another.name
left_by_others 'a state with another name'
rm another.name
half_done
mv lines.kmsctl-rewrap another.name
ln -s another.name lines.kmsctl-rewrap
left_by_others 'a state that is a link'
rm another.name
cp lines.old lines
mkfifo lines.kmsctl-rewrap
left_by_others 'a state that is a pipe'
half_done
chmod 602 lines.kmsctl-rewrap.new
cp lines.kmsctl-rewrap.new half
all_there 'new lines that others can write'
is 'none of them is taken over' "$(taken_over)" 0
half_done
mv lines.kmsctl-rewrap.new half
cp half half.before
ln -s half lines.kmsctl-rewrap.new
all_there 'new lines that are a link'
ok 'which is not written through' cmp half half.before
: >half
cp lines.old lines
ln -s half lines.kmsctl-rewrap.new
all_there 'a link where there is no state'
is 'which is not written through either' "$(wc -c <half)" 0
if [ "$(id -u)" -eq 0 ]; then
	half_done
	chown 65534 lines.kmsctl-rewrap
	left_by_others "a state that is somebody else's"
	half_done
	chown 65534 lines.kmsctl-rewrap.new
	cp lines.kmsctl-rewrap.new half
	all_there "new lines that are somebody else's"
	is 'none of them is taken over' "$(taken_over)" 0
fi

# planted NAME NUMBER CODE [FAILED]: Perl makes each line $_ of the file a line of a new one, which a state
# with the right checksum calls good. The line of that number is refused. FAILED has the numbers of
# those that are said to have failed.
planted()
{
	cp lines.old lines
	perl -pe "$3" lines.good >lines.kmsctl-rewrap.new
	cat >lines.kmsctl-rewrap <<-END
		kmsctl-rewrap 1
		key $K
		version $K/cryptoKeyVersions/2
		input $(wc -c <lines.old) $(crc32c lines.old)
		$(sed 's/.*/failed & INVALID_ARGUMENT/' "${4-bad.numbers}")
		synced $(wc -l <lines.kmsctl-rewrap.new) $(wc -c <lines.kmsctl-rewrap.new) $(crc32c lines.kmsctl-rewrap.new)
	END
	dek rewrap 2 "$1" --json-lines lines
	says "$1: by its number" \
		"line $2 of .*/lines.kmsctl-rewrap.new does not fit that of lines: move the first file away"
	ok "$1: the file stays" cmp lines lines.old
	rm lines.kmsctl-rewrap.new
	all_there "$1: moved away"
}
cp lines lines.good
grep -nE '"deks/(damaged|empty)"' lines.old | sed 's/:.*//' >bad.numbers
tail -n 1 bad.numbers >one.number
(echo 3 && cat bad.numbers) >more.numbers
planted 'a line with another name' 3 's/"file":"/$&x/ if $. == 3'
planted 'a line with another end' 4 's/"tail"/"more":1,$&/ if $. == 4'
planted 'a line that is no JSON' 5 '$_ = "\0" x 20 . "\n" if $. == 5'
planted 'a line under another version' 2 's/("wrapped_dek" :")...../$1wQAAA/ if $. == 2'
planted 'a line that failed and was not noted' "$(head -n 1 bad.numbers)" '' one.number
planted 'a line that did not fail' 3 '' more.numbers

# In a folder "done" tells only how to count what is found to be good.
pristine
tag_of() { tail -c 16 "$1" | od -An -v -tx1 | tr -d ' \n' | tr a-f A-F; }
printf 'the junk of somebody else' >work/bad
{
	printf 'kmsctl-rewrap 1\nkey %s\nversion %s\ninput 0 00000000\n' "$K" "$K/cryptoKeyVersions/2"
	for name in bad damaged 1 2 3; do
		printf 'done %s %s\n' "$(tag_of "work/$name")" "$name"
	done
} >work/.kmsctl-rewrap
dek rewrap 2 'a folder with a state that says too much' --folder work --format json
counts 'what it says is looked at' $OLD $NEW $BAD
intact 'said too much' work
interrupt --folder work work/.kmsctl-rewrap 2000 work/.kmsctl-rewrap
chmod 606 work/.kmsctl-rewrap
dek rewrap 2 'a folder with a state that others can write' --folder work
says 'is refused' 'state file work/[.]kmsctl-rewrap: .*move it away'

# ---- what changes between two runs

interrupt --folder work work/.kmsctl-rewrap 2000 work/.kmsctl-rewrap
cp deks/1 work/1 # somebody puts an old one back
dek rewrap 2 'what was put back is seen' --folder work
intact 'put back' work
interrupt --json-lines lines lines.kmsctl-rewrap.new 8000 lines.kmsctl-rewrap
tail -n +2 lines.old >lines
dek rewrap 2 'lines that changed meanwhile' --json-lines lines
says 'begin anew' 'The file changed since: the run begins anew[.]'
ok 'with all that is in them' sh -c '[ "$(wc -l <lines)" -eq "$(($(wc -l <lines.old) - 1))" ]'
interrupt --folder work work/.kmsctl-rewrap 2000 work/.kmsctl-rewrap
new_version --primary
dek rewrap 2 'a folder whose key was rotated meanwhile' --folder work
says 'begins anew' 'The key was rotated since: the run begins anew[.]'
like 'and is under the new version' "$(cat out)" '/cryptoKeyVersions/3$'
like 'all of it' "$(cat out)" "^rewrapped: $((OLD + NEW))\$"
printf 'my notes\n' >work/.kmsctl-rewrap
dek rewrap 2 'a file that is no state' --folder work
says 'is not touched' 'is not the state of an interrupted run: move it away'
is 'at all' "$(cat work/.kmsctl-rewrap)" 'my notes'
tap_done

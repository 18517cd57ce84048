#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The story of the README with the shipped kmsctl: two key rings, a letter, a process that keeps
# reading it, a key version switched off under that process and on again.
#
#   tests/cli/story.sh --demo DIR   a transcript for a person; everything is in DIR, which may be
#                                   one of an earlier story; ends at the first surprise
#   tests/cli/story.sh              the same as TAP, in TMPDIR, for tests/run
#
# KMSCTL names the program; otherwise it is the one in top_builddir.
set -eu

mode=tap
folder=demo
case "${1-}" in
--demo)
	mode=demo
	folder=${2:?a folder for the demo}
	;;
'') ;;
*)
	echo "usage: $0 [--demo DIR]" >&2
	exit 2
	;;
esac
kmsctl=${KMSCTL:-${top_builddir:-build}/tools/kmsctl/kmsctl}
if [ ! -x "$kmsctl" ]; then
	echo "story: $kmsctl is not there; is it built?" >&2
	exit 1
fi
kmsctl=$(cd "$(dirname "$kmsctl")" && pwd)/$(basename "$kmsctl")

# The transcript says "demo/...", so it is played in the folder above.
if [ "$mode" = tap ]; then
	cd "${TMPDIR:?}"
else
	mkdir -p "$(dirname "$folder")"
	cd "$(dirname "$folder")"
	folder=$(basename "$folder")
	if [ -e "$folder" ] && [ ! -e "$folder/.claviger-demo" ]; then
		echo "story: ./$folder is there and was not made by the story; delete it or name another" >&2
		exit 1
	fi
	rm -rf "./$folder"
fi
mkdir -p "$folder"
: >"$folder/.claviger-demo"
out=$folder/.out # what the last command said

reader=
step_n=0
leave()
{
	status=$?
	trap - EXIT
	if [ -n "$reader" ]; then kill -KILL "$reader" 2>/dev/null || true; fi
	exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- telling it twice: for a person, and as TAP

say()
{
	if [ "$mode" = demo ]; then
		printf '\n# %s\n' "$*"
	else
		printf '# %s\n' "$*"
	fi
}

# show FILE: output as it is; as a comment in TAP.
show()
{
	if [ "$mode" = demo ]; then cat "$1"; else sed 's/^/#   /' "$1"; fi
}

good()
{
	step_n=$((step_n + 1))
	if [ "$mode" = tap ]; then printf 'ok %d - %s\n' "$step_n" "$1"; fi
}

# bad NAME WHY: the story ends here.
bad()
{
	step_n=$((step_n + 1))
	if [ "$mode" = tap ]; then
		printf 'not ok %d - %s\n' "$step_n" "$1"
		printf '%s\n' "$2" | sed 's/^/# /'
		printf '1..%d\n' "$step_n"
	else
		printf 'story: not as it should be: %s: %s\n' "$1" "$2" >&2
	fi
	exit 1
}

prompt()
{
	if [ "$mode" = demo ]; then printf '$ %s\n' "$*"; else printf '# $ %s\n' "$*"; fi
}

# run WANTED-STATUS NAME COMMAND [ARGUMENT...]: prints the command, runs it, prints its output.
run()
{
	run_wanted=$1
	run_name=$2
	shift 2
	prompt "$*"
	run_rc=0
	if [ "$1" = kmsctl ]; then
		shift
		"$kmsctl" "$@" >"$out" 2>&1 </dev/null || run_rc=$?
	else
		"$@" >"$out" 2>&1 </dev/null || run_rc=$?
	fi
	show "$out"
	if [ "$run_rc" -ne "$run_wanted" ]; then
		bad "$run_name" "exit status $run_rc, $run_wanted wanted: $(tail -n 5 "$out")"
	fi
	good "$run_name"
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# wait_for NAME PATTERN LINES: until the reader's log has more than LINES lines and the last one
# fits the pattern; at most 15 seconds. The reader has to be alive all the while.
wait_for()
{
	wait_start=$(now_ms)
	while :; do
		if [ "$(wc -l <"$folder/reader.log")" -gt "$3" ] &&
			tail -n 1 "$folder/reader.log" | grep -Eq "$2"; then
			break
		fi
		if ! kill -0 "$reader" 2>/dev/null; then
			bad "$1" "the reader has ended; its log: $(cat "$folder/reader.log")"
		fi
		if [ $(($(now_ms) - wait_start)) -gt 15000 ]; then
			bad "$1" "not within 15 s; the reader's log: $(cat "$folder/reader.log")"
		fi
		sleep 0.05
	done
	say "the reader's log after $(($(now_ms) - wait_start)) ms of waiting:"
	prompt "cat $folder/reader.log"
	show "$folder/reader.log"
	good "$1"
}
log_lines() { wc -l <"$folder/reader.log"; }

london='--location europe-west2 --keyring str-pl-london-kr --key str-pl-london-key01'
global='--location global --keyring str-pl-global-kr --key str-pl-global-key01'

# ---- the story. $london and $global are lists of words, and are split on purpose.
# shellcheck disable=SC2086
tell()
{
	say 'A home with one SoftHSM token in London and one for "global".'
	run 0 'a home' kmsctl init --home "$folder/home" --softhsm --location europe-west2 --location global
	prompt "export CLAVIGER_HOME=$folder/home"
	CLAVIGER_HOME=$folder/home
	export CLAVIGER_HOME

	say 'A key ring and a key in each place.'
	run 0 'a key ring in London' kmsctl keyrings create str-pl-london-kr --location europe-west2
	run 0 'a key in London' kmsctl keys create str-pl-london-key01 --location europe-west2 \
		--keyring str-pl-london-kr --purpose encryption
	run 0 'a global key ring' kmsctl keyrings create str-pl-global-kr --location global
	run 0 'a global key' kmsctl keys create str-pl-global-key01 --location global \
		--keyring str-pl-global-kr --purpose encryption

	say 'A letter, encrypted under each key and read again.'
	printf 'Dear customer, your account has moved to London.\n' >"$folder/letter.txt"
	prompt "cat $folder/letter.txt"
	show "$folder/letter.txt"
	run 0 'encrypt in London' kmsctl encrypt $london --plaintext-file "$folder/letter.txt" \
		--ciphertext-file "$folder/letter.enc"
	run 0 'encrypt globally' kmsctl encrypt $global --plaintext-file "$folder/letter.txt" \
		--ciphertext-file "$folder/letter.global.enc"
	if LC_ALL=C grep -aq 'Dear customer' "$folder/letter.enc"; then
		bad 'the ciphertext hides the letter' 'the letter can be read in it'
	fi
	good 'the ciphertext hides the letter'
	run 0 'decrypt in London' kmsctl decrypt $london --ciphertext-file "$folder/letter.enc" \
		--plaintext-file "$folder/letter.dec"
	run 0 'it is the same letter' cmp "$folder/letter.txt" "$folder/letter.dec"

	say 'Another process that keeps reading it. It writes a line when its outcome changes.'
	reader_command="kmsctl decrypt $london --ciphertext-file $folder/letter.enc --plaintext-file $folder/reader.dec --every 200ms"
	prompt "$reader_command > $folder/reader.log 2> $folder/reader.err &"
	: >"$folder/reader.log"
	"$kmsctl" ${reader_command#kmsctl } >"$folder/reader.log" 2>"$folder/reader.err" </dev/null &
	reader=$!
	wait_for 'the reader reads' '[[:space:]]OK$' 0

	say 'The version of the London key is switched off.'
	lines=$(log_lines)
	run 0 'disable' kmsctl keys versions disable 1 $london
	wait_for 'the running reader is cut off' 'FAILED_PRECONDITION' "$lines"
	rm -f "$folder/letter.dec"
	run 9 'a new process is refused too' kmsctl decrypt $london --ciphertext-file "$folder/letter.enc" \
		--plaintext-file "$folder/letter.dec"
	if [ -e "$folder/letter.dec" ]; then
		bad 'a refused decrypt leaves no file' "there is a $folder/letter.dec"
	fi
	good 'a refused decrypt leaves no file'
	run 9 'no encryption either' kmsctl encrypt $london --plaintext-file "$folder/letter.txt" \
		--ciphertext-file "$folder/letter.refused.enc"
	run 0 'the global key is not touched' kmsctl decrypt $global \
		--ciphertext-file "$folder/letter.global.enc" --plaintext-file "$folder/letter.global.dec"
	run 0 'and gives the same letter' cmp "$folder/letter.txt" "$folder/letter.global.dec"

	say 'Switched on again: the same process reads on.'
	lines=$(log_lines)
	run 0 'enable' kmsctl keys versions enable 1 $london
	wait_for 'the same reader reads again' '[[:space:]]OK$' "$lines"
	run 0 'a new process reads too' kmsctl decrypt $london --ciphertext-file "$folder/letter.enc" \
		--plaintext-file "$folder/letter.dec"
	run 0 'the letter is whole' cmp "$folder/letter.txt" "$folder/letter.dec"

	say 'The reader ends when it is told to.'
	prompt "kill $reader"
	kill -TERM "$reader"
	reader_rc=0
	wait "$reader" || reader_rc=$?
	reader=
	if [ "$reader_rc" -ne 0 ] && [ "$reader_rc" -ne 143 ]; then
		bad 'the reader ends on SIGTERM' "status $reader_rc: $(cat "$folder/reader.err")"
	fi
	good 'the reader ends on SIGTERM'

	run 0 'status' kmsctl status
}

tell
rm -f "$out"
if [ "$mode" = tap ]; then
	printf '1..%d\n' "$step_n"
else
	printf '\n# %d steps, each as it should be.\n' "$step_n"
fi

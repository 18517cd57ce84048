#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The shipped kmsctl on a disk that is really full: a small file system in a mount namespace of this
# script's own. Who uses a key is cut off, orders stand in the audit log, and what needs room is
# refused until there is some.
# shellcheck disable=SC2016 # the dollars in single quotes are Perl's
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
: "${TMPDIR:?}"
if [ "${1-}" != in-namespace ]; then
	# In a user namespace, which needs no root, the module would belong to nobody.
	if unshare -m true 2>/dev/null; then exec unshare -m -- "$0" in-namespace; fi
	skip_all 'no mount namespace may be made here: that needs root'
fi
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
disk=$TMPDIR/disk
mkdir -p "$disk"
mount -t tmpfs -o size=16m,mode=700 clv "$disk" 2>/dev/null ||
	skip_all 'no file system may be mounted here'
cd "$TMPDIR"
CLAVIGER_HOME=$disk/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME
reader=
leave()
{
	status=$?
	trap - EXIT
	if [ -n "$reader" ]; then kill -KILL "$reader" 2>/dev/null || true; fi
	exit "$status"
}
trap leave EXIT

# gives STATUS NAME ARGUMENT...: kmsctl ends with the status; out and err are what it says.
gives()
{
	wanted=$1
	name=$2
	shift 2
	rc=0
	"$kmsctl" "$@" >out 2>err </dev/null || rc=$?
	if [ "$rc" -eq "$wanted" ]; then
		pass "$name"
	else
		fail "$name" "status $rc, $wanted wanted: $(cat out err)"
	fi
}
no_room() { like "$1" "$(cat err)" 'RESOURCE_EXHAUSTED: .*make room'; }

# Down to the last byte; it fails, and that is what it is for.
fill_disk()
{
	for size in 4096 1; do
		dd if=/dev/zero of="$disk/filler" bs=$size oflag=append conv=notrunc 2>/dev/null || true
	done
}

# in_state NAME NUMBER STATE, once there is room to look.
# shellcheck disable=SC2086 # $place is a list of words
in_state()
{
	gives 0 "$1" keys versions describe "$2" $place --format json
	like "$1: $3" "$(cat out)" "\"state\": \"$3\""
}

# wait_for NAME PATTERN: the reader's last line fits; at most 20 seconds.
wait_for()
{
	for _ in $(seq 200); do
		if tail -n 1 reader.log | grep -Eq "$2"; then
			pass "$1"
			return
		fi
		sleep 0.1
	done
	fail "$1" "$(tail -n 3 reader.log) $(cat reader.err)"
}

place='--location europe-west2 --keyring r --key k'
printf 'Dear customer\n' >letter
gives 0 'a home' init --softhsm --location europe-west2
gives 0 'status' status --format json
like 'its reserve is full' "$(cat out)" '"reserveFull": true'
gives 0 'a key ring' keyrings create r --location europe-west2
gives 0 'a key' keys create k --location europe-west2 --keyring r --purpose encryption
for n in 2 3 4; do
	# shellcheck disable=SC2086 # $place is a list of words
	gives 0 "version $n" keys versions create $place
done
# shellcheck disable=SC2086
gives 0 'a letter' encrypt $place --plaintext-file letter --ciphertext-file letter.enc
# shellcheck disable=SC2086
"$kmsctl" decrypt $place --ciphertext-file letter.enc --plaintext-file back --every 100ms \
	>reader.log 2>reader.err </dev/null &
reader=$!
wait_for 'a process reads it again and again' '[[:space:]]OK$'

# shellcheck disable=SC2086
{
	fill_disk
	ok 'the disk is full' sh -c "! printf x >'$disk/more'"
	gives 0 'disable on the full disk' keys versions disable 1 $place --reason 'on a full disk'
	wait_for 'the running process is cut off' 'FAILED_PRECONDITION|RESOURCE_EXHAUSTED'
	fill_disk
	gives 0 'destroy on the full disk' keys versions destroy 2 $place --reason 'on a full disk'
	like 'it is scheduled' "$(cat err)" '^Version \[2\] of key \[k\] will be destroyed at '
	fill_disk
	gives 8 'enable waits for room' keys versions enable 1 $place
	no_room 'it says so'
	gives 8 'so does restore' keys versions restore 2 $place
	gives 8 'so does a version' keys versions create $place
	gives 8 'so does a key ring' keyrings create r2 --location europe-west2
	no_room 'it says so too'
	gives 0 'disable another' keys versions disable 3 $place --reason 'on a full disk'
	fill_disk
	wait_for 'nothing can be read' 'FAILED_PRECONDITION|RESOURCE_EXHAUSTED'

	rm "$disk/filler"
	wait_for 'with room again, the reader is told why' 'FAILED_PRECONDITION.*DISABLED'
	in_state 'version 1' 1 DISABLED
	in_state 'version 2' 2 DESTROY_SCHEDULED
	in_state 'version 3' 3 DISABLED
	in_state 'version 4' 4 ENABLED
	is 'each order is in the audit log' \
		"$(grep -c '"outcome":"OK".*"reason":"on a full disk"' "$CLAVIGER_HOME/audit/audit.jsonl")" 3
	ok 'every line of which is JSON' perl -MJSON::PP -ne 'decode_json($_)' \
		"$CLAVIGER_HOME/audit/audit.jsonl"
	gives 0 'enable' keys versions enable 1 $place
	wait_for 'the same process reads again' '[[:space:]]OK$'
	gives 4 'the key ring was not made' keyrings describe r2 --location europe-west2
	gives 0 'status' status --format json
	like 'the reserve is full again' "$(cat out)" '"reserveFull": true'
}
tap_done

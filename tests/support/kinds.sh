# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# For the tests of keys of every kind, sourced behind tap.sh: a SoftHSM home in TMPDIR with a key ring
# "r", files to work on, and short words for what is done to keys, each called like its algorithm.
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
command -v openssl >/dev/null || skip_all 'the openssl command is needed'
cd "${TMPDIR:?}" || exit
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

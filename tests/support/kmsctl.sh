# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# For scripts that run "$kmsctl" and look at what it says; after tap.sh.

# gives STATUS NAME ARGUMENT...: kmsctl ends with the status; out and err are what it says.
gives()
{
	wanted=$1
	name=$2
	shift 2
	rc=0
	"${kmsctl:?}" "$@" >out 2>err </dev/null || rc=$?
	if [ "$rc" -eq "$wanted" ]; then
		pass "$name"
	else
		fail "$name" "status $rc, $wanted wanted: $(cat out err)"
	fi
}

# says NAME PATTERN: a line of err fits it.
says() { like "$1" "$(cat err)" "$2"; }

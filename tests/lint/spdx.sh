#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One licence line in each file that could carry one; the version number in configure.ac only.
set -eu
# shellcheck source=tests/lint/lib.sh
. "${srcdir:?}/tests/lint/lib.sh"

want='SPDX-License-Identifier: Apache-2.0'
# Data has no comments; prose and lists for people need no licence line of their own.
findings=$({
	files '\.(c|h|def|inc|sql|sh|mk|am|ac|m4|map|pl|py|supp|[1-8])$|^\.clang-format$|\.service(\.in)?$'
	scripts
} | sort -u | while read -r file; do
	n=$(head -n 3 "$file" | grep -c -F "$want" || true)
	all=$(grep -c "SPDX-License-Identifier: [A-Z]" "$file" || true)
	case $file in tests/lint/spdx.sh | tests/lint/selftest.sh) all=$n ;; esac
	if [ "$n" -ne 1 ]; then
		echo "$file: $n licence lines in its first three lines, 1 wanted"
	elif [ "$all" -ne 1 ]; then
		echo "$file: $all licence lines"
	fi
done)
none 'each source, script and make file has one licence line' "$findings"

version=$(sed -n 's/^AC_INIT(\[[^]]*\], *\[\([0-9.]*\)\].*/\1/p' configure.ac)
like 'configure.ac says the version' "$version" '^[0-9]+[.][0-9]+[.][0-9]+$'
pattern=$(printf '%s' "$version" | sed 's/[.]/[.]/g')
# NEWS.md is the history of versions.
findings=$(files . | grep -Ev '^(configure\.ac|NEWS\.md|COPYING)$|\.(db|bin|enc)$' | while read -r file; do
	grep -HnIE "(^|[^0-9.])$pattern([^0-9.]|[.]?\$)" "$file" || true
done)
none 'nothing else says it' "$findings"
tap_done

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Our scripts through shellcheck or perl -c.
set -eu
# shellcheck source=tests/lint/lib.sh
. "${srcdir:?}/tests/lint/lib.sh"
command -v shellcheck >/dev/null || skip_all 'there is no shellcheck'

for file in $(scripts); do
	case $(head -n 1 "$file") in
	*perl*) ok "$file" perl -c "$file" ;;
	*) ok "$file" shellcheck -x "$file" ;;
	esac
done
none 'scripts are executable' "$(scripts | while read -r file; do
	case $(head -n 1 "$file") in
	'#!'*) [ -x "$file" ] || echo "$file" ;;
	esac
done)"
tap_done

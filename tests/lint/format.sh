#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-format has nothing to change. `clang-format -i FILE` repairs it.
set -eu
# shellcheck source=tests/lint/lib.sh
. "${srcdir:?}/tests/lint/lib.sh"
command -v clang-format >/dev/null || skip_all 'there is no clang-format'

# Lists that are read as tables (*.def) are laid out by hand.
findings=$(files '\.(c|h)$' | while read -r file; do
	clang-format --dry-run -Werror "$file" 2>/dev/null || echo "$file"
done)
none 'clang-format would change nothing' "$findings"
tap_done

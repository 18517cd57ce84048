#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The ABI said four times is said once: public headers, version script, symbols.txt and the
# built library name the same functions.
set -eu
# shellcheck source=tests/lint/lib.sh
. "${srcdir:?}/tests/lint/lib.sh"
LC_ALL=C
export LC_ALL

# Function declarations are `clv_name(` outside of all brackets; inline ones are not exported.
# shellcheck disable=SC2046 # names without blanks
declared=$("$srcdir/tests/lint/strip-c" $(files '^lib/claviger/.*\.h$') | perl -0777 -ne '
	s/^\f.*\n//gm; s/^[ \t]*#(?:[^\n]*\\\n)*[^\n]*//gm;
	s/extern\s+""\s*\{//g;
	1 while s/\{[^{}]*\}/;/g;                  # bodies, structs, enums
	for my $statement (split /;/) {
		next if $statement =~ /\b(?:static|typedef)\b/;
		$statement =~ s/__attribute__\s*\(\(.*?\)\)//gs;
		$statement =~ s/\bCLV_[A-Z_]+\s*\([^()]*\)//g;
		print "$1\n" if $statement =~ /^[^()]*?\b(clv_\w+)\s*\((?!\s*\*)/s;
	}' | sort -u)
map=$(sed -n '/global:/,/local:/s/^[[:space:]]*\(clv_[a-z0-9_]*\);.*/\1/p' lib/libclaviger.map | sort)
listed=$(grep -v '^#' tests/lint/symbols.txt | sort)

# same NAME A-TITLE A B-TITLE B: two lists are equal.
same()
{
	same_dir=$(mktemp -d "${TMPDIR:-/tmp}/symbols.XXXXXX")
	printf '%s\n' "$3" >"$same_dir/a"
	printf '%s\n' "$5" >"$same_dir/b"
	none "$1" "$(
		comm -23 "$same_dir/a" "$same_dir/b" | sed "/./s|\$|: in $2, not in $4|"
		comm -13 "$same_dir/a" "$same_dir/b" | sed "/./s|\$|: in $4, not in $2|"
	)"
	rm -r "$same_dir"
}

same 'the version script names what the headers declare' lib/claviger "$declared" \
	lib/libclaviger.map "$map"
same 'the version script names what symbols.txt lists' tests/lint/symbols.txt "$listed" \
	lib/libclaviger.map "$map"
library=${top_builddir:-.}/.libs/libclaviger.so
if [ -e "$library" ]; then
	# The node of the version script is a symbol of type A.
	# shellcheck disable=SC2086 # NM may come with an option
	built=$(${NM:-nm} -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
		sort -u)
	same 'the library exports what symbols.txt lists' tests/lint/symbols.txt "$listed" \
		libclaviger.so "$built"
else
	pass 'the library exports what symbols.txt lists # SKIP libclaviger.so is not built'
fi
tap_done

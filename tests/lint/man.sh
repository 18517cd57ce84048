#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `kmsctl help --all` and the pages of section 1, taken together, name the same commands and options. In the help, a line
# `kmsctl NOUN VERB ...` begins a command and a line of two blanks and `--name` is an option of
# it. In a page, a subsection (.SS or .Ss) `kmsctl NOUN VERB ...` begins a command, and a tag
# (the line after .TP, .It, .OP) is an option. Other subsections explain, and are not looked at.
set -eu
# shellcheck source=tests/lint/lib.sh
. "${srcdir:?}/tests/lint/lib.sh"
LC_ALL=C
export LC_ALL
kmsctl=${KMSCTL:-${top_builddir:-.}/tools/kmsctl/kmsctl}
[ -x "$kmsctl" ] || skip_all "kmsctl is not built"
[ -e man/kmsctl.1 ] || skip_all "there is no man/kmsctl.1"

# pairs: from lines `kmsctl NOUN VERB ...` and `  --name` to sorted lines `NOUN VERB` and
# `NOUN VERB --name`. A command's words are those of lower-case letters and hyphens.
pairs()
{
	awk '
	/^kmsctl( |$)/ {
		command = ""
		for (i = 2; i <= NF && $i ~ /^[a-z][a-z-]*$/; i++)
			command = command (command == "" ? "" : " ") $i
		if (command != "") print command
		next
	}
	/^  (-[A-Za-z0-9], )?--[a-z]/ {
		match($0, /--[a-z0-9-]+/)
		print (command == "" ? "(all)" : command) " " substr($0, RSTART, RLENGTH)
	}' | sort -u
}

# The pages without their markup, in the form of the help.
page_text()
{
	perl -ne '
		s/\\-/-/g; s/\\f(?:\[\w*\]|\(..|.)//g; s/\\&//g; s/\\ / /g;
		if (/^\.S[Hh]\b/) { print "kmsctl\n" if $command; $command = $aside = $tag = 0; next }
		if (/^\.S[Ss]\s+"?(?:\.?Nm )?(kmsctl .*?)"?\s*$/) { $command = 1; $aside = 0; (my $t = $1) =~ s/\b(?:Cm|Ar|Ic|Op|Fl) //g; print "$t\n"; next }
		if (/^\.S[Ss]\b/) { $aside = 1; next }
		next if $aside;
		if (/^\.TP/) { $tag = 1; next }
		if (/^\.It\s+(.*)/ || /^\.OP\s+(.*)/ || ($tag && /^(.*)/)) {
			(my $t = $1) =~ s/\bFl (?:Fl )?-?-?(\w)/--$1/g;
			$t =~ s/^\.(?:B|BR|BI|IR|I|RB)\s+//; $t =~ s/"//g;
			print "  $1\n" if $t =~ /(--[a-z][a-z0-9-]*)/;
			$tag = 0;
		}' man/kmsctl*.1
}

help_text=$("$kmsctl" help --all)
helped=$(printf '%s\n' "$help_text" | sed 's/^Usage: *//' | pairs)
paged=$(page_text | pairs)
like 'the help names commands' "$helped" '^[a-z]+ [a-z]+'
dir=$(mktemp -d "${TMPDIR:-/tmp}/man.XXXXXX")
printf '%s\n' "$helped" >"$dir/help"
printf '%s\n' "$paged" >"$dir/page"
none 'the pages have what the help has' "$(comm -23 "$dir/help" "$dir/page" | sed 's/$/: not in the page/')"
none 'the help has what the pages have' "$(comm -13 "$dir/help" "$dir/page" | sed 's/$/: not in the help/')"
rm -r "$dir"
if [ -e lib/claviger/status.h ]; then
	# "9 FAILED_PRECONDITION", from the list of outcomes and from the overview's table.
	outcomes=$(sed -n 's/.*X(CLV_[A-Z_]*, \([0-9]*\), [0-9]*, "\([A-Z_]*\)".*/\1 \2/p' lib/claviger/status.h)
	is 'the exit statuses are those of the outcome table' \
		"$(sed -n 's/^[.]It \([0-9]*\) Ta \([A-Z_]*\) Ta.*/\1 \2/p' man/kmsctl.1)" "$outcomes"
	like 'of which there are some' "$outcomes" '^13 UNIMPLEMENTED$'
fi
if command -v mandoc >/dev/null; then
	none 'mandoc finds nothing to warn of' "$(for page in man/*.[17]; do
		grep -q '^[.]so ' "$page" || mandoc -T lint -W warning "$page" 2>&1 || true
	done)"
fi
none 'the pages that others stand for are there' "$(grep -h '^[.]so ' man/*.[17] |
	sed 's/^[.]so man1/man/' | while read -r target; do
	[ -e "$target" ] || echo "$target: not there"
done)"
tap_done

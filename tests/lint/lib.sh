# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the lint scripts share. LINT_ROOT is the tree to look at (selftest.sh plants one);
# $srcdir is where the scripts themselves are.
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
root=${LINT_ROOT:-$srcdir}
cd "$root" || exit 1

# files PATTERN: files of ours (not ignored by git) whose path fits the extended regular
# expression, sorted. In an unpacked tarball: those of our rooms that are no build product.
files()
{
	if [ -e .git ] && command -v git >/dev/null; then
		git ls-files --cached --others --exclude-standard
	else
		find lib hsm tools policies man tests .ci configure.ac Makefile.am quickstart .clang-format \
			./*.md COPYING -type f 2>/dev/null | sed 's,^\./,,' |
			grep -Ev '(^|/)(\.libs|\.deps|\.dirstamp|test-logs)(/|$)|\.(o|lo|la|a|trs|log|gcno|gcda|pc)$'
	fi | LC_ALL=C sort | while read -r files_name; do
		# deleted, but not yet in the index
		if [ -f "$files_name" ]; then printf '%s\n' "$files_name"; fi
	done | grep -E -e "$1" || true
}

# scripts: the shell and Perl scripts among the files, by their first line or their name.
scripts()
{
	files . | while read -r scripts_name; do
		case $scripts_name in
		*.sh) printf '%s\n' "$scripts_name" ;;
		*.c | *.h | *.md | *.json | *.txt) ;;
		*) if head -n 1 "$scripts_name" | grep -Eaq '^#!.*(sh|perl)'; then
			printf '%s\n' "$scripts_name"
		fi ;;
		esac
	done
}

# none NAME TEXT: nothing was found. Each line of the text is one finding.
none()
{
	if [ -z "$2" ]; then
		pass "$1"
	else
		fail "$1" "$2"
	fi
}

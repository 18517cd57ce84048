#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No grant, no call: nobody passes a literal NULL for one, and only grant.c and gate.c make them.
# What store.h and hsm.h declare takes one, or grants.txt says why it need not; who takes one does
# something with it; every call of the library that has a caller is tried by a stranger; and in the
# built objects nobody else reaches the catalogue or the tokens.
set -eu
# shellcheck source=tests/lint/lib.sh
. "${srcdir:?}/tests/lint/lib.sh"

headers=$(files '^(hsm/hsm|lib/store/store)\.h$')
code=$(files '^(lib|hsm|tools)/.*\.(c|h|def|inc)$')
# shellcheck disable=SC2086 # lists of names without blanks
findings=$("$srcdir/tests/lint/strip-c" $headers $code | HEADERS=$headers perl -0777 -ne '
	sub arguments { # of the call whose opening parenthesis is at $from
		my ($text, $from) = @_;
		my ($depth, @args, $now) = (0, (), "");
		@args = ();
		for (my $i = $from; $i < length $text; $i++) {
			my $c = substr $text, $i, 1;
			$depth++ if $c =~ /[(\[{]/;
			$depth-- if $c =~ /[)\]}]/;
			return (@args, $now) if $depth == 0;
			if ($c eq "," && $depth == 1) { push @args, $now; $now = "" }
			elsif ($i > $from) { $now .= $c }
		}
		return ();
	}
	my %header = map { $_ => 1 } split " ", $ENV{HEADERS};
	my (%at, %text, @order);
	for (grep length, split /\f/) {
		my ($file, $text) = split /\n/, $_, 2;
		push @order, $file unless exists $text{$file};
		$text{$file} = $text;
	}
	for my $file (grep { $header{$_} } @order) {
		while ($text{$file} =~ /\b(\w+)\s*(?=\()/g) {
			my ($name, $from) = ($1, pos $text{$file});
			my @args = arguments($text{$file}, $from);
			for my $i (0 .. $#args) { $at{$name} = $i if $args[$i] =~ /^\s*const\s+struct\s+clv_grant\s*\*/ }
		}
	}
	if (!%at && @order) { print "no function of $ENV{HEADERS} takes a grant: has the type changed?\n" }
	for my $file (@order) {
		my $text = $text{$file};
		my $where = sub { "$file:" . (1 + (substr($text, 0, $_[0]) =~ tr/\n//)) };
		while ($text =~ /\b(\w+)\s*(?=\()/g) {
			my ($name, $from) = ($1, pos $text);
			next unless exists $at{$name};
			my @args = arguments($text, $from);
			next unless defined $args[$at{$name}];
			(my $arg = $args[$at{$name}]) =~ s/\s+//g;
			1 while $arg =~ s/^\((.*)\)$/$1/ || $arg =~ s/^\((?:const)?(?:void|structclv_grant)\*\)//;
			print $where->($from), ": $name() without a grant\n" if $arg =~ /^(?:NULL|0|nullptr)$/;
		}
		next if $file =~ m{^(?:lib/base/grant\.c|lib/api/gate\.c)$};
		while ($text =~ /\bstruct\s+clv_grant\s*(?=\w|\)|\{)/g) {
			my $from = pos $text;
			my $next = substr $text, $from, 1;
			next if $next eq "{" && $file eq "lib/base/grant_impl.h";
			print $where->($from), ": a struct clv_grant made outside of grant.c and gate.c\n";
		}
	}')
none 'no call without a grant, no grant but from the gate' "$findings"

# Declarations without a grant, and definitions that only carry it.
bodies=$(files '^(hsm|lib/store)/.*\.c$')
# shellcheck disable=SC2086 # lists of names without blanks
findings=$("$srcdir/tests/lint/strip-c" $headers $bodies | HEADERS=$headers perl -0777 -ne '
	my (%free, %declared);
	if (open my $fh, "<", "tests/lint/grants.txt") {
		local $/ = "\n";
		while (my $line = <$fh>) { $free{$1} = $2 if $line =~ /^(\w+)\s+(\S.*)$/ }
	}
	my %header = map { $_ => 1 } split " ", $ENV{HEADERS};
	for (grep length, split /\f/) {
		my ($file, $text) = split /\n/, $_, 2;
		my $where = sub { "$file:" . (1 + (substr($text, 0, $_[0]) =~ tr/\n//)) };
		if ($header{$file}) {
			while ($text =~ /\b((?:hsm|store)_\w+)\s*\(([^;{}]*)\)\s*(?:CLV_\w+\([^)]*\)\s*)?;/g) {
				my ($name, $args, $from) = ($1, $2, $-[0]);
				my $takes = $args =~ /const\s+struct\s+clv_grant\s*\*/;
				$declared{$name} = 1;
				print $where->($from), ": $name() takes no grant; if it changes nothing, say so in grants.txt\n"
					if !$takes && !exists $free{$name};
				print $where->($from), ": $name() takes a grant: its row in grants.txt is out of date\n"
					if $takes && exists $free{$name};
			}
		} else {
			while ($text =~ /\b(\w+)\s*\(([^;{}]*const\s+struct\s+clv_grant\s*\*\s*(\w+)[^;{}]*)\)\s*(\{(?:[^{}]|(?4))*\})/g) {
				my ($name, $grant, $body, $from) = ($1, $3, $4, $-[0]);
				$body =~ s/\(\s*void\s*\)\s*$grant\b//g;
				print $where->($from), ": $name() does not look at its grant\n" if $body !~ /\b$grant\b/;
			}
		}
	}
	for (grep /^(?:hsm|store)_/, sort keys %free) { print "tests/lint/grants.txt: $_() is declared nowhere\n" if !$declared{$_} }')
none 'what changes something takes a grant and insists on it' "$findings"

# What a caller can ask for is what a stranger is refused.
findings=$(
	for name in $(files '^lib/claviger/.*\.h$' | xargs -r "$srcdir/tests/lint/strip-c" | perl -0777 -ne '
		print "$1\n" while /\b(clv_\w+)\s*\(\s*struct\s+clv_ctx\s*\*\s*ctx\s*,\s*const\s+struct\s+clv_caller\b/g'); do
		if ! grep -q "^$name " tests/lint/grants.txt 2>/dev/null &&
			! grep -Eq "\\b$name\\(" tests/support/verbs.c 2>/dev/null; then
			echo "$name() is not among the verbs of tests/support/verbs.c, which a stranger tries"
		fi
	done
)
none 'every call that has a caller is tried by a stranger' "$findings"

# By the symbol tables: catalogue and tokens have one door each. Of the tree that was built.
objects=$(
	cd "${top_builddir:-.}"
	find lib hsm -name '*libclaviger_testable_la-*.o' -path '*/.libs/*' 2>/dev/null
)
if [ -z "${LINT_ROOT:-}" ] && [ -n "$objects" ] && command -v nm >/dev/null; then
	findings=$(
		cd "$top_builddir"
		for object in $objects; do
			case $object in
			lib/api/*) not='sqlite3_|dlopen|dlsym|C_' ;;
			lib/store/*) not='hsm_|dlopen|dlsym|C_|gate_|policy_' ;;
			hsm/*) not='sqlite3_|store_|gate_|policy_' ;;
			*) not='sqlite3_|store_|hsm_|dlopen|dlsym|C_|gate_ask|clv_grant_system' ;;
			esac
			nm -u "$object" | awk '{ print $NF }' | grep -E "^($not)" | grep -Ev '^clv_grant_system$' |
				sed "s,^,$object uses ," || true
		done
	)
	none 'in the objects nobody else reaches the catalogue or the tokens' "$findings"
fi
tap_done

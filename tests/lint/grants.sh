#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No grant, no call: nobody passes a literal NULL for one, and only grant.c and gate.c make them.
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
tap_done

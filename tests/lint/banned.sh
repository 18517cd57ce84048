#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Banned calls, with counted exceptions in banned.txt. lib/base/banned.h says what to use instead;
# that header stops most of them at compile time, this script also counts CLV_BANNED_OK(call).
set -eu
# shellcheck source=tests/lint/lib.sh
. "${srcdir:?}/tests/lint/lib.sh"

# A row: where it is banned | the calls.
rules='
^(lib|hsm|tools)/       | memcmp strcpy strcat sprintf vsprintf gets rand random system popen
^(lib|hsm|tools)/       | strerror gmtime localtime strtok alloca fork
^(lib|hsm)/             | getenv printf
^tests/                 | strcpy strcat sprintf vsprintf gets strtok alloca
'
code=$(files '^(lib|hsm|tools|tests)/.*\.(c|h|def|inc)$' | grep -v '^lib/base/banned\.h$' || true)
table=$root/tests/lint/banned.txt
# shellcheck disable=SC2086 # a list of names without blanks
findings=$("$srcdir/tests/lint/strip-c" $code | RULES=$rules perl -ne '
	BEGIN {
		@rules = map { [ map { s/^\s+|\s+$//gr } split /\|(?=[^|]*$)/ ] } grep /\S/, split /\n/, $ENV{RULES};
		open my $fh, "<", $ARGV[0] or die "$ARGV[0]: $!\n";
		while (<$fh>) {
			next if /^\s*(#|$)/;
			my ($file, $call, $count, $reason) = split " ", $_, 4;
			print "banned.txt:$.: a row is: file call count reason\n"
				unless defined $reason && $reason =~ /\S/ && $count =~ /^[1-9]\d*$/;
			$allowed{"$file $call"} = $count // 0;
		}
		@ARGV = ();
	}
	if (/^\f(.*)/) { $file = $1; $line = 0; %calls = map { $_ => 1 } map { split " ", $_->[1] } grep { $file =~ $_->[0] } @rules; next }
	$line++;
	while (/(?<![\w.])(?<!->)(?:CLV_BANNED_OK\s*\(\s*(\w+)\s*\)|(\w+)\s*(?=\())/g) {
		my $call = $1 // $2;
		next unless $calls{$call};
		push @{ $seen{"$file $call"} }, $line;
	}
	END {
		for my $key (sort keys %seen) {
			my ($file, $call) = split / /, $key;
			my $n = @{ $seen{$key} };
			my $may = $allowed{$key} // 0;
			print "$file:$_: $call() is banned ($n here, $may allowed)\n" for $n > $may ? @{ $seen{$key} } : ();
		}
		for my $key (sort keys %allowed) {
			my $n = @{ $seen{$key} // [] };
			print "banned.txt allows $allowed{$key} for $key, there are $n: lower it\n" if $n < $allowed{$key};
		}
	}' "$table")
none 'no banned call beside the counted ones' "$findings"
tap_done

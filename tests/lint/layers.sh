#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The layer rule of section 5 of the design, from the #include lines. Dependencies run downwards
# only: a room may include itself, <claviger/*.h>, the C library, and what its row says.
set -eu
# shellcheck source=tests/lint/lib.sh
. "${srcdir:?}/tests/lint/lib.sh"

# A row: room | rooms it may include, or single headers | libraries beside the C library.
# The longest room that a path begins with counts. "*" is everything.
rules='
lib/claviger  |                                                  |
lib/base      |                                                  | openssl
lib/model     | lib/base                                         |
lib/envelope  | lib/base lib/model                               | openssl
lib/policy    | lib/base lib/model                               | jansson
lib/store     | lib/base lib/model                               | sqlite
lib/audit     | lib/base lib/model                               | openssl jansson
lib/api       | lib/base lib/model lib/envelope lib/policy lib/store lib/audit hsm/hsm.h |
lib/remote    | lib/base lib/model                               | curl jansson
lib/pipeline  |                                                  | sqlite curl jansson kafka
hsm           | lib/base                                         | openssl pkcs11
tools/common  |                                                  | jansson curl
tools/kmsctl  | tools/common                                     | jansson curl
tools/kmsd    | tools/common                                     | jansson event openssl
tests         | *                                                | *
'
# A row: library | its headers, as an extended regular expression.
libraries='
openssl | ^openssl/
pkcs11  | ^(pkcs11|libp11|p11-kit)([/.]|[a-z0-9]*\.h$)
sqlite  | ^sqlite3(ext)?\.h$
jansson | ^jansson\.h$
curl    | ^curl/
event   | ^(event2?|evhttp|evutil)[/.]
kafka   | ^librdkafka/
postgres| ^(libpq|postgresql)
cmocka  | ^cmocka
'
# A row: header | the only files that may include it, as an extended regular expression.
private='
lib/base/grant_impl.h | ^(lib/base/grant\.c|lib/api/gate\.c|tests/.*)$
'

code=$(files '^(lib|hsm|tools|tests)/.*\.(c|h|def|inc)$')
# shellcheck disable=SC2086 # a list of names without blanks
findings=$(RULES=$rules LIBRARIES=$libraries PRIVATE=$private perl -e '
	use strict; use warnings;
	sub rows { map { [ map { s/^\s+|\s+$//gr } split /\|/, $_, 2 + $_[1] ] } grep /\S/, split /\n/, $_[0] }
	my (%rooms, %libs, %rule);
	for (rows($ENV{RULES}, 1)) { $rule{$_->[0]} = { rooms => [ split " ", $_->[1] ], libs => [ split " ", $_->[2] // "" ] } }
	my @libraries = map { [ split /\s*\|\s*/, $_, 2 ] } grep /\S/, split /\n/, $ENV{LIBRARIES};
	my @private   = map { [ split /\s*\|\s*/, $_, 2 ] } grep /\S/, split /\n/, $ENV{PRIVATE};
	sub room { my $path = shift; my ($best) = sort { length $b <=> length $a } grep { index($path, "$_/") == 0 } keys %rule; $best }
	sub any { my ($what, @list) = @_; grep { $_ eq "*" || $_ eq $what } @list }
	for my $file (@ARGV) {
		open my $fh, "<", $file or die "$file: $!\n";
		my $room = room($file);
		if (!defined $room) { print "$file: belongs to no room of the table in layers.sh\n"; next }
		while (my $line = <$fh>) {
			next unless $line =~ /^\s*#\s*include\s*(["<])([^">]+)[">]/;
			my ($quote, $header) = ($1, $2);
			my $say = sub { print "$file:$.: $room must not include $quote$header", $quote eq "<" ? ">" : $quote, $_[0] // "", "\n" };
			for (@private) { $say->(", which is private to $_->[1]") if $header eq $_->[0] && $file !~ $_->[1] }
			next if $header eq "config.h" && $quote eq "\"";
			if ($header =~ m{^claviger/}) { $say->(" in quotes") if $quote eq "\""; next }
			if ($header =~ m{(^|/)\.\.?/}) { $say->(": name it from the top"); next }
			my ($lib) = map { $_->[0] } grep { $header =~ $_->[1] } @libraries;
			if (defined $lib) { $say->() unless any($lib, @{ $rule{$room}{libs} }); next }
			my $theirs = room($header);
			if (!defined $theirs && $quote eq "\"") {
				(my $dir = $file) =~ s{/[^/]*$}{};
				$theirs = room("$dir/$header") if -e "$dir/$header";
				if (!defined $theirs) { $say->(": it is in no room"); next }
			}
			next if !defined $theirs; # the C library
			next if $theirs eq $room || any($theirs, @{ $rule{$room}{rooms} }) || any($header, @{ $rule{$room}{rooms} });
			$say->();
		}
	}' $code)
none 'rooms include only what is below them' "$findings"
tap_done

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Nothing of the machine it was written on, no download host, no note that something is unfinished.
set -eu
# shellcheck source=tests/lint/lib.sh
. "${srcdir:?}/tests/lint/lib.sh"

# grep_all NAME PATTERN: no file has a line that fits. The brackets in the patterns keep this
# script from finding itself.
grep_all()
{
	none "$1" "$(files . | grep -v '^COPYING$' | while read -r file; do
		grep -HnIE -e "$2" "$file" || true
	done | cut -c 1-160)"
}

before='(^|[^A-Za-z0-9_.$)}-])'
grep_all 'no path of somebody'\''s machine' \
	"$before/([w]ork|[r]oot|[h]ome/[a-z]+|[t]mp/[w]t)(/|[^A-Za-z0-9_-]|\$)"
grep_all 'no registry or mirror' \
	'([d]eb|[f]tp|[s]ecurity)\.([a-z]+\.)?[d]ebian\.org|[p]ypi\.|[r]egistry\.[a-z]|[p]roxy\.golang|[a]rtifactory|[j]frog|[d]ocker\.io|[g]hcr\.io|[q]uay\.io|[c]rates\.io'
grep_all 'nothing left to do' '(^|[^A-Za-z0-9_])([T]ODO|[F]IXME|[X]XX|[H]ACK)([^A-Za-z0-9_]|$)'
grep_all 'no unfinished merge' '^([<]{7}|[>]{7}|[|]{7}) '
tap_done

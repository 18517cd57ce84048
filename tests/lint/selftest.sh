#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The lints themselves: a small clean tree passes each of them; one violation of each kind is
# planted in a copy, and must be caught and named.
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
dir=${TMPDIR:?}
tree=$dir/tree
licence='SPDX-License-Identifier: Apache-2.0'
unset CI # a skip in the small tree is no news

# put FILE: standard input becomes a file of the tree, with a licence line.
put()
{
	mkdir -p "$tree/$(dirname "$1")"
	case $1 in
	*.[ch] | *.map) printf '/* %s */\n' "$licence" ;;
	*.sh | *.mk) printf '#!/bin/sh\n# %s\n' "$licence" ;;
	configure.ac) printf 'dnl %s\n' "$licence" ;;
	*.1) printf '.\\" %s\n' "$licence" ;;
	esac >"$tree/$1"
	cat >>"$tree/$1"
}

plant_clean_tree()
{
	rm -rf "$tree"
	mkdir -p "$tree/.libs"
	put configure.ac <<'E'
AC_INIT([small], [7.8.9])
E
	put lib/claviger/a.h <<'E'
#include <stddef.h>
#include <claviger/err.h>
#define CLV_SOME(x) clv_not_a_function(x)
struct clv_a { int (*callback)(int clv_a_word); };
/* clv_in_a_comment(); */
CLV_MUST_USE clv_rc clv_one(struct clv_a *a, void (*each)(int), struct clv_err *err)
	CLV_PRINTF(1, 2);
static inline int clv_inline(void) { return clv_one_more(); }
const char *clv_two(void) __attribute__((const));
E
	put lib/claviger/err.h </dev/null
	put lib/libclaviger.map <<'E'
CLAVIGER_0 {
global:
	clv_one;
	clv_two;
local:
	*;
};
E
	put tests/lint/symbols.txt <<'E'
clv_one
clv_two
E
	put tests/lint/banned.txt <<'E'
lib/base/a.c memcmp 1 the table is public
E
	put lib/base/a.c <<'E'
#include <string.h>
#include <openssl/rand.h>
#include "lib/base/a.h"
/* strcpy(a, b) in a comment; "system(" in a text is no call. */
int a(const void *x) { fn->random(1); my_system(2); puts("system(\"x\")"); return CLV_BANNED_OK(memcmp)(x, x, 1); }
E
	put lib/base/a.h </dev/null
	put lib/base/grant.h <<'E'
struct clv_grant;
E
	put lib/base/grant_impl.h <<'E'
#include "lib/base/grant.h"
struct clv_grant {
	int x;
};
E
	put lib/base/grant.c <<'E'
#include "lib/base/grant_impl.h"
static const struct clv_grant grants[] = { { 0 } };
E
	put hsm/hsm.h <<'E'
clv_rc hsm_make(struct hsm *hsm, const struct clv_grant *grant,
                int n, struct clv_err *err);
E
	put hsm/a.c <<'E'
#include <pkcs11.h>
#include "a.h"
#include "lib/base/grant.h"
E
	put hsm/a.h </dev/null
	put lib/store/store.h <<'E'
clv_rc store_put(const char *path, const struct clv_grant *grant, struct clv_err *err);
E
	put lib/api/a.c <<'E'
#include "hsm/hsm.h"
#include "lib/store/store.h"
int f(void)
{
	return hsm_make(NULL, grant, 0, NULL) + store_put(NULL, clv_grant_system(CLV_SYSTEM_HOME), NULL);
}
E
	put tools/kmsctl/a.c <<'E'
#include <stdio.h>
#include <jansson.h>
#include <claviger/a.h>
#include "tools/common/a.h"
int main(void) { printf("getenv"); return getenv("X") == NULL; }
E
	put tools/common/a.h </dev/null
	put tests/unit/test_a.c <<'E'
#include <pkcs11.h>
#include "hsm/a.h"
E
	put tests/a.sh <<'E'
set -eu
echo "$1"
E
	chmod +x "$tree/tests/a.sh"
	put man/kmsctl.1 <<'E'
.TH KMSCTL 1 2026-11-01 small
.SH COMMANDS
.SS "kmsctl keys create \fIKEY\fR"
.TP
.BI \-\-location " PLACE"
where, unlike \-\-nothing
E
	put kmsctl <<'E'
#!/bin/sh
cat <<'H'
kmsctl keys create KEY --location PLACE
    make a key
  --location PLACE   where
H
E
	chmod +x "$tree/kmsctl"
}

# lint NAME: runs one over the tree.
lint()
{
	rc=0
	out=$(LINT_ROOT=$tree KMSCTL=$tree/kmsctl top_builddir=$tree "$srcdir/tests/lint/$1.sh" 2>&1) || rc=$?
}

passes()
{
	lint "$1"
	if [ "$rc" -eq 0 ]; then pass "$1 passes a clean tree"; else fail "$1 passes a clean tree" "$out"; fi
}

# catches LINT PATTERN WHAT: with what was planted since the last clean tree.
catches()
{
	lint "$1"
	if [ "$rc" -ne 0 ] && printf '%s\n' "$out" | grep -Eq -e "$2"; then
		pass "$1 catches $3"
	else
		fail "$1 catches $3" "status $rc, no line fits $2 in: $out"
	fi
	plant_clean_tree
}

plant_clean_tree
passes layers
passes banned
passes symbols
passes grants
passes man
passes spdx
passes hygiene
if command -v shellcheck >/dev/null; then passes shell; fi

# ---- layers
echo '#include "lib/store/store.h"' >>"$tree/hsm/a.c"
catches layers 'hsm/a.c:5: hsm must not include "lib/store/store.h"' 'an include upwards'
echo '#include "hsm/a.h"' >>"$tree/lib/api/a.c"
catches layers 'lib/api must not include "hsm/a.h"' 'a private header of hsm'
echo '#include <pkcs11.h>' >>"$tree/lib/api/a.c"
catches layers 'lib/api must not include <pkcs11.h>' 'pkcs11.h outside hsm'
echo '#  include <libp11.h>' >>"$tree/tools/kmsctl/a.c"
catches layers 'tools/kmsctl must not include <libp11.h>' 'libp11.h outside hsm'
echo '#include <sqlite3.h>' >>"$tree/lib/api/a.c"
catches layers 'lib/api must not include <sqlite3.h>' 'sqlite3.h outside lib/store'
echo '#include <jansson.h>' >>"$tree/lib/base/a.c"
catches layers 'lib/base must not include <jansson.h>' 'jansson in a room without it'
echo '#include "lib/base/a.h"' >>"$tree/tools/kmsctl/a.c"
catches layers 'tools/kmsctl must not include "lib/base/a.h"' 'a tool that reaches into the library'
echo '#include "lib/base/grant_impl.h"' >>"$tree/hsm/a.c"
catches layers 'hsm/a.c.*grant_impl.h.*private' 'grant_impl.h in a room of mechanism'
echo '#include "../base/a.h"' >>"$tree/hsm/a.c"
catches layers 'name it from the top' 'a relative include'
echo '#include "tests/support/a.h"' >>"$tree/hsm/a.c"
catches layers 'hsm must not include "tests' 'a room that includes tests'
put lib/attic/a.c </dev/null
catches layers 'lib/attic/a.c: belongs to no room' 'a room that is not in the table'

# ---- banned calls
for call in memcmp strcpy strcat sprintf vsprintf gets rand random system popen getenv printf \
	strerror gmtime localtime strtok alloca fork; do
	printf 'int b(void) { return %s (x); }\n' "$call" >>"$tree/hsm/a.c"
	catches banned "hsm/a.c:5: $call\\(\\) is banned" "$call"
done
echo 'int b(void) { return memcmp(x, y, 1); }' >>"$tree/lib/base/a.c"
catches banned 'a.c:6: memcmp\(\) is banned \(2 here, 1 allowed\)' 'one more than allowed'
echo '/* empty */' >"$tree/lib/base/a.c"
catches banned 'allows 1 for lib/base/a.c memcmp, there are 0' 'one fewer than allowed'
echo 'lib/base/a.c memcmp 1' >"$tree/tests/lint/banned.txt"
catches banned 'a row is: file call count reason' 'an exception without a reason'

# ---- symbols
echo 'int clv_three(void);' >>"$tree/lib/claviger/a.h"
catches symbols 'clv_three: in lib/claviger, not in lib/libclaviger.map' 'a declaration that is not exported'
sed -i '/clv_two/d' "$tree/lib/claviger/a.h"
catches symbols 'clv_two: in lib/libclaviger.map, not in lib/claviger' 'an export that no header declares'
sed -i '/clv_two/d' "$tree/tests/lint/symbols.txt"
catches symbols 'clv_two: in lib/libclaviger.map, not in tests/lint/symbols.txt' 'a change of the ABI'
# The object stands in for the library: nm is ours too.
printf '#!/bin/sh\necho "0000000000001000 T clv_one@@CLAVIGER_0"; echo "00 A CLAVIGER_0"\n' >"$dir/nm"
chmod +x "$dir/nm"
: >"$tree/.libs/libclaviger.so"
NM=$dir/nm
export NM
catches symbols 'clv_two: in tests/lint/symbols.txt, not in libclaviger.so' 'a function that is not in the library'
printf '#!/bin/sh\nprintf "00 T %%s\\n" clv_one clv_two stray\n' >"$dir/nm"
: >"$tree/.libs/libclaviger.so"
catches symbols 'stray: in libclaviger.so, not in tests/lint/symbols.txt' 'a stray export'

# ---- grants
for arg in NULL 0 '(void *) 0' '(const struct clv_grant *) NULL' '(NULL)'; do
	printf 'int g(void) { return hsm_make(f(a, b),\n\t%s, 1, err); }\n' "$arg" >>"$tree/lib/api/a.c"
	catches grants 'lib/api/a.c:8: hsm_make\(\) without a grant' "$arg for a grant"
done
echo 'int g(void) { return store_put("x, y", NULL, err); }' >>"$tree/lib/api/a.c"
catches grants 'store_put\(\) without a grant' 'the same for the store'
echo 'static struct clv_grant mine = { 0 };' >>"$tree/hsm/a.c"
catches grants 'hsm/a.c:5: a struct clv_grant made outside' 'a grant of its own making'
echo 'int g(void) { return h(&(struct clv_grant){ 0 }); }' >>"$tree/lib/api/a.c"
catches grants 'lib/api/a.c:8: a struct clv_grant made outside' 'a grant as a compound literal'
echo 'int g(void) { return h(malloc(sizeof(struct clv_grant))); }' >>"$tree/lib/api/a.c"
catches grants 'lib/api/a.c:8: a struct clv_grant made outside' 'a grant from the heap'

echo 'clv_rc store_forget(struct store *store, int row);' >>"$tree/lib/store/store.h"
catches grants 'store_forget\(\) takes no grant' 'a change of the catalogue without a grant'
echo 'clv_rc hsm_wipe(struct hsm *hsm,
	struct clv_err *err) CLV_PRINTF(1, 2);' >>"$tree/hsm/hsm.h"
catches grants 'hsm/hsm.h:[0-9]+: hsm_wipe\(\) takes no grant' 'a change of a token without a grant'
echo 'store_count reads' >>"$tree/tests/lint/grants.txt"
catches grants 'grants.txt: store_count\(\) is declared nowhere' 'a reason for what is not there'
printf '# reasons\nhsm_make makes nothing\n' >>"$tree/tests/lint/grants.txt"
catches grants 'hsm_make\(\) takes a grant: its row' 'a reason that is none'
printf 'clv_rc hsm_x(const struct clv_grant *grant)\n{\n\t(void) grant;\n\tif (1) {\n\t}\n\treturn 0;\n}\n' >>"$tree/hsm/a.c"
catches grants 'hsm/a.c:5: hsm_x\(\) does not look at its grant' 'a grant that nobody looks at'
echo 'clv_rc clv_leak(struct clv_ctx *ctx, const struct clv_caller *who, struct clv_err *err);' >>"$tree/lib/claviger/a.h"
catches grants 'clv_leak\(\) is not among the verbs' 'a call that no stranger tries'

# ---- man page
sed -i 's/^    make a key/&\n  --reason TEXT   why\nkmsctl status/' "$tree/kmsctl"
lint man
like 'man catches an option that the page lacks' "$out" 'keys create --reason: not in the page'
catches man 'status: not in the page' 'a command that the page lacks'
printf '.TP\n.BI \\-\\-reason " TEXT"\nwhy\n.SS "kmsctl keys list"\n' >>"$tree/man/kmsctl.1"
lint man
like 'man catches an option that the help lacks' "$out" 'keys create --reason: not in the help'
catches man 'keys list: not in the help' 'a command that the help lacks'
cat >"$tree/man/kmsctl.1" <<'E'
.Dd November 1, 2026
.Sh COMMANDS
.Ss kmsctl keys create Ar KEY
.Bl -tag -width Ds
.It Fl Fl location Ar PLACE
.It Fl -reason Ar TEXT
.El
E
lint man
is 'man reads mdoc too' "$(printf '%s\n' "$out" | grep -c 'not in the')" 1
like 'man finds what mdoc has too much' "$out" 'keys create --reason: not in the help'
cat >"$tree/man/kmsctl-keys.1" <<'E'
.Sh COMMANDS
.Ss kmsctl status
.It Fl -other
.Ss Lists
.It Cm --aside
E
lint man
like 'man reads every page' "$out" 'status --other: not in the help'
is 'but not what is said in passing' "$(printf '%s\n' "$out" | grep -c -e '--aside' || true)" 0
printf '.so man1/kmsctl-none.1\n' >"$tree/man/kmsctl-key.1"
catches man 'man/kmsctl-none.1: not there' 'a page that stands for none'
echo '#define L(X) X(CLV_OK, 0, 200, "OK", "") X(CLV_E_UNIMPLEMENTED, 13, 400, "UNIMPLEMENTED", "")' \
	>"$tree/lib/claviger/status.h"
printf '.It 0 Ta OK Ta\n.It 12 Ta UNIMPLEMENTED Ta\n' >>"$tree/man/kmsctl.1"
catches man 'not ok .* the exit statuses are' 'an exit status that the page has wrong'
plant_clean_tree

# ---- licence and version
echo 'int x;' >"$tree/hsm/a.c"
catches spdx 'hsm/a.c: 0 licence lines' 'a source without a licence line'
printf '\n\n\n/* %s */\n' "$licence" >"$tree/hsm/a.c"
catches spdx 'hsm/a.c: 0 licence lines' 'a licence line too far down'
printf '/* %s */\n/* %s */\n' "$licence" "$licence" >"$tree/hsm/a.c"
catches spdx 'hsm/a.c: 2 licence lines' 'two licence lines'
printf '#!/bin/sh\n' >"$tree/tests/run"
catches spdx 'tests/run: 0 licence lines' 'a script without a suffix'
echo 'const char *v = "7.8.9";' >>"$tree/hsm/a.c"
catches spdx 'hsm/a.c:5' 'a copy of the version'

# ---- hygiene; the words are put together here so that this script is clean
for word in "/""work/x" "/""root/.x" "/""tmp/""wt/a" "/""home/somebody" 'deb.''debian.org' 'regis''try.npmjs.org' \
	'py''pi.org' 'TO''DO: later' 'FIX''ME' '<<<<<''<< HEAD'; do
	printf '%s\n' "$word" >>"$tree/tests/a.sh"
	catches hygiene 'tests/a.sh:5' "$word"
done

# ---- shell
if command -v shellcheck >/dev/null; then
	# shellcheck disable=SC2016 # it is the unquoted variable that we want
	echo 'rm -r $1/x' >>"$tree/tests/a.sh"
	catches shell 'SC2086' 'an unquoted variable'
	chmod -x "$tree/tests/a.sh"
	catches shell '^# tests/a.sh$' 'a script that cannot be run'
fi
if command -v clang-format >/dev/null; then
	cp "$srcdir/.clang-format" "$dir/.clang-format"
	echo 'int   x  ;' >>"$tree/hsm/a.c"
	catches format '^# hsm/a.c$' 'what clang-format would change'
fi
tap_done

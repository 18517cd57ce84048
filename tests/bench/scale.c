/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a catalogue costs when it is full: one of a million versions against one of a thousand, in
 * one process, in turns. The rows are written by the store's own functions, in bulk and without
 * waiting for the disk; no token is touched, for none is needed to look something up. README.md
 * says what each row means. Fails only when something did not run, or is not there.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <claviger/claviger.h>

#include "lib/base/bytes.h"
#include "lib/store/impl.h"
#include "tests/bench/measure.h"

#define PROJECT "bench"
#define LOCATION "projects/" PROJECT "/locations/local"
#define DEEP_RING LOCATION "/keyRings/deep"
#define DEEP_KEY DEEP_RING "/cryptoKeys/key"
#define WIDE_RING LOCATION "/keyRings/wide"

#define PAGE 1000          /* rows */
#define FILL_AT_ONCE 20000 /* rows in one transaction */
#define MIB (1024.0 * 1024.0)
#define MEMORY_MAX_MIB 1024.0
#define LIST_MAX_MIB 64.0

/* A home with one key of many versions, and one ring of many keys with a version each. */
struct home {
	char path[300], catalogue[320];
	uint64_t n_versions, n_keys;
	struct store *store;            /* owned */
	uint64_t dice;                  /* for choosing what is looked up */
	struct store_version *versions; /* owned: room for a page */
	struct store_key *keys;         /* owned: likewise */
	struct clv_ctx *ctx;            /* owned */
	struct clv_err err;
};

/* Whatever went wrong has been said by the time this is false. */
static bool ok(const char *what, clv_rc rc, const struct clv_err *err)
{
	if (rc != CLV_OK)
		fprintf(stderr, "scale: %s: %s\n", what, err->text);
	return rc == CLV_OK;
}

static const struct clv_grant *grant(void)
{
	return clv_grant_system(CLV_SYSTEM_HOME);
}

/* SplitMix64: spread like random numbers, and the same on each run. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t roll(struct home *home, uint64_t sides)
{
	return mix(home->dice += UINT64_C(0x9e3779b97f4a7c15)) % sides;
}

static struct clv_name name_of(const char *text)
{
	struct clv_name name;
	struct clv_err err;

	if (!ok(text, clv_name_parse(text, &name, &err), &err))
		abort();
	return name;
}

static struct clv_name version_name(uint64_t number)
{
	struct clv_name name = name_of(DEEP_KEY);

	name.kind = CLV_NAME_VERSION;
	name.version = number;
	return name;
}

static struct clv_name key_name(uint64_t number)
{
	struct clv_name name = name_of(WIDE_RING);

	name.kind = CLV_NAME_KEY;
	snprintf(name.key, sizeof name.key, "topic-%012llu", (unsigned long long) number);
	return name;
}

/* The uid of a version in the deep ring, or of one in the wide. */
static void uid_of(bool wide, uint64_t number, uint8_t uid[CLV_UID_LEN])
{
	uint64_t parts[2] = { mix(2 * number + wide), mix(mix(2 * number + wide) + 1) };

	memcpy(uid, parts, CLV_UID_LEN);
}

/* ---- filling */

static struct store_version some_version(bool wide, uint64_t number)
{
	struct store_version version = {
		.blob_len = 40, /* AES-256 wrapped as RFC 5649 has it */
		.pub = { .state = CLV_STATE_ENABLED,
			 .algorithm = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION,
			 .protection = CLV_PROTECTION_HSM,
			 .residency = CLV_RESIDENCY_WRAPPED,
			 .create_time = CLV_NS_PER_S * (int64_t) number,
			 .generate_time = CLV_NS_PER_S * (int64_t) number,
			 .state_time = CLV_NS_PER_S * (int64_t) number,
			 .state_principal = "user:bench" },
	};

	uid_of(wide, number, version.pub.uid);
	memset(version.blob, (int) (number % 251) + 1, version.blob_len);
	return version;
}

static struct store_key some_key(void)
{
	return (struct store_key){ .pub = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
					    .algorithm = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION,
					    .protection = CLV_PROTECTION_HSM,
					    .residency = CLV_RESIDENCY_WRAPPED,
					    .primary = 1,
					    .create_time = CLV_NS_PER_S,
					    .destroy_delay = CLV_DESTROY_DELAY_DEFAULT } };
}

static bool add_key(struct store *store, const struct clv_name *name,
		    const struct store_version *first)
{
	struct store_key key = some_key();
	struct clv_err err;

	return ok("key", store_key_add(store, grant(), name, &key, first, NULL, &err), &err);
}

static bool fill_above(struct store *store)
{
	struct store_location location = { .create_time = CLV_NS_PER_S, .id = "local" };
	struct store_token token = { .pub = { .uri = "pkcs11:serial=1?pin-source=pin",
					      .serial = "1",
					      .label = "nowhere",
					      .manufacturer = "nobody",
					      .model = "none",
					      .log_key_pem = "-" } };
	struct store_ring ring = { .project = PROJECT,
				   .location = "local",
				   .id = "deep",
				   .create_time = CLV_NS_PER_S,
				   .kek_blob_len = 40 };
	struct clv_err err;

	if (!ok("location", store_location_add(store, grant(), &location, &token, NULL, &err),
		&err) ||
	    !ok("ring", store_ring_add(store, grant(), &ring, &err), &err))
		return false;
	memcpy(ring.id, "wide", sizeof "wide");
	return ok("ring", store_ring_add(store, grant(), &ring, &err), &err);
}

/* Versions `from` to `to` of the deep key, in one transaction. */
static clv_rc fill_versions(struct store *store, uint64_t from, uint64_t to, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	const struct clv_name name = name_of(DEEP_KEY);
	struct store_place place;

	CLV_TRY(store_change_begin(&change, store, grant(), err));
	CLV_TRY(store_require(store, &name, CLV_NAME_KEY, &place, err));
	for (uint64_t number = from; number <= to; number++) {
		struct store_version version = some_version(false, number);

		CLV_TRY(store_version_insert(store, &place, number, &version, err));
	}
	return store_change_commit(&change, err);
}

static bool fill_deep(struct store *store, uint64_t n)
{
	const struct clv_name name = name_of(DEEP_KEY);
	struct store_version first = some_version(false, 1);
	struct clv_err err;

	if (!add_key(store, &name, &first))
		return false;
	for (uint64_t from = 2; from <= n; from += FILL_AT_ONCE) {
		uint64_t to = from + FILL_AT_ONCE - 1 < n ? from + FILL_AT_ONCE - 1 : n;

		if (!ok("versions", fill_versions(store, from, to, &err), &err))
			return false;
		if (to % 200000 < FILL_AT_ONCE)
			fprintf(stderr, "scale: %llu of %llu versions\n", (unsigned long long) to,
				(unsigned long long) n);
	}
	return true;
}

static bool fill_wide(struct store *store, uint64_t n)
{
	for (uint64_t number = 1; number <= n; number++) {
		const struct clv_name name = key_name(number);
		struct store_version first = some_version(true, number);

		if (!add_key(store, &name, &first))
			return false;
	}
	return true;
}

/* ---- sealing: what a head says is of no matter here, only that rows are looked up in a tree */

static clv_rc seal_head(void *arg, const struct store_head *before, struct store_head *head,
			struct clv_err *err)
{
	(void) arg;
	(void) err;
	head->epoch = before != NULL ? before->epoch + 1 : 1;
	return CLV_OK;
}

static clv_rc accept_head(void *arg, int64_t tree, const struct store_head *head, int64_t began,
			  bool *ret_sure, struct clv_err *err)
{
	(void) arg;
	(void) tree;
	(void) head;
	(void) began;
	(void) err;
	*ret_sure = true;
	return CLV_OK;
}

static void note_head(void *arg, const struct store_head *head)
{
	(void) arg;
	(void) head;
}

static const struct store_sealer sealer = { NULL, accept_head, seal_head, note_head, NULL };

static bool seal_all(struct store *store)
{
	int64_t tree = 1; /* of the one location */
	struct clv_err err;

	store_seal_set(store, &sealer);
	return ok("seal", store_seal_tree(store, grant(), tree, &err), &err);
}

/* Nothing of this is worth a wait for the disk, and random uids want a large cache. */
static bool fill(const struct home *home)
{
	CLV_AUTO(store_close) struct store *store = NULL;
	struct clv_err err;

	return ok("catalogue", store_open(home->catalogue, 1000, &store, &err), &err) &&
	       ok("pragmas",
		  store_exec(store, "PRAGMA synchronous = OFF; PRAGMA cache_size = -400000", &err),
		  &err) &&
	       fill_above(store) && fill_deep(store, home->n_versions) &&
	       fill_wide(store, home->n_keys) && seal_all(store);
}

/* In a process of its own, so that its memory is not in our account. */
static bool home_make(struct home *home)
{
	struct clv_home_options options = { .home = home->path,
					    .project = PROJECT,
					    .allow_unlocked_memory = true };
	struct clv_err err;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		bool done = ok("home", clv_home_create(&options, &err), &err) && fill(home);

		_exit(done ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* ---- steps */

static bool open_step(void *arg, unsigned thread)
{
	struct home *home = arg;
	struct store *store = NULL;

	(void) thread;
	if (!ok("store_open", store_open(home->catalogue, 1000, &store, &home->err), &home->err))
		return false;
	store_close(store);
	return true;
}

static bool context_open(struct home *home, struct clv_ctx **ret_ctx)
{
	struct clv_ctx_options options = { .home = home->path, .allow_unlocked_memory = true };

	return ok("clv_ctx_open", clv_ctx_open(&options, ret_ctx, &home->err), &home->err);
}

static bool context_step(void *arg, unsigned thread)
{
	struct clv_ctx *ctx = NULL;

	(void) thread;
	if (!context_open(arg, &ctx))
		return false;
	clv_ctx_free(ctx);
	return true;
}

static bool version_step(void *arg, unsigned thread)
{
	struct home *home = arg;
	const struct clv_name name = version_name(1 + roll(home, home->n_versions));
	clv_rc rc = store_version_get(home->store, &name, home->versions, &home->err);

	(void) thread;
	return ok("version", rc, &home->err) && home->versions[0].pub.number == name.version;
}

/* By name through the public call: with policy and audit entry. */
static bool get_step(void *arg, unsigned thread)
{
	struct home *home = arg;
	const struct clv_name name = version_name(1 + roll(home, home->n_versions));
	struct clv_version version;
	char text[CLV_NAME_MAX];

	(void) thread;
	clv_name_format(&name, CLV_NAME_VERSION, text);
	return ok("clv_version_get", clv_version_get(home->ctx, NULL, text, &version, &home->err),
		  &home->err) &&
	       version.number == name.version;
}

/* By name as an encryption does it: the key, then its primary version. */
static bool primary_step(void *arg, unsigned thread)
{
	struct home *home = arg;
	struct clv_name name = key_name(1 + roll(home, home->n_keys));

	(void) thread;
	if (!ok("key", store_key_get(home->store, &name, home->keys, &home->err), &home->err))
		return false;
	name.kind = CLV_NAME_VERSION;
	name.version = home->keys[0].pub.primary;
	return ok("primary", store_version_get(home->store, &name, home->versions, &home->err),
		  &home->err);
}

static bool uid_step(void *arg, unsigned thread)
{
	struct home *home = arg;
	uint64_t number = 1 + roll(home, home->n_versions);
	uint8_t uid[CLV_UID_LEN];

	(void) thread;
	uid_of(false, number, uid);
	return ok("uid", store_version_by_uid(home->store, uid, home->versions, &home->err),
		  &home->err) &&
	       home->versions[0].pub.number == number;
}

/* Where in a list a page begins. */
struct page {
	struct home *home;
	uint64_t after;
};

static bool versions_step(void *arg, unsigned thread)
{
	const struct page *page = arg;
	struct home *home = page->home;
	const struct clv_name name = name_of(DEEP_KEY);
	size_t n = 0;

	(void) thread;
	return ok("versions",
		  store_version_list(home->store, &name, page->after, PAGE, home->versions, &n,
				     &home->err),
		  &home->err) &&
	       n == PAGE && home->versions[PAGE - 1].pub.number == page->after + PAGE;
}

static bool keys_step(void *arg, unsigned thread)
{
	const struct page *page = arg;
	struct home *home = page->home;
	const struct clv_name name = name_of(WIDE_RING);
	struct clv_name after = key_name(page->after), last = key_name(page->after + PAGE);
	char text[CLV_NAME_MAX];
	size_t n = 0;

	(void) thread;
	return ok("keys",
		  store_key_list(home->store, &name, page->after == 0 ? "" : after.key, PAGE,
				 home->keys, &n, &home->err),
		  &home->err) &&
	       n == PAGE &&
	       strcmp(home->keys[PAGE - 1].pub.name, clv_name_format(&last, CLV_NAME_KEY, text)) ==
		       0;
}

static bool counts_step(void *arg, unsigned thread)
{
	struct home *home = arg;
	struct store_counts counts;

	(void) thread;
	return ok("counts", store_counts_get(home->store, "local", &counts, &home->err),
		  &home->err) &&
	       counts.versions_enabled == home->n_versions + home->n_keys;
}

/* ---- the rows */

static bool row(const char *name, struct measure_side ours, struct measure_side base, double target)
{
	struct measure_row row = { .ours = ours, .base = base, .target = target, .threads = 1 };

	snprintf(row.name, sizeof row.name, "%s", name);
	return measure_row(&row);
}

static bool rows_lookups(struct home *big, struct home *small)
{
	static const struct {
		const char *name;
		bool (*step)(void *arg, unsigned thread);
		double target;
	} rows[] = {
		{ "scale.store_open", open_step, 0.80 }, { "scale.ctx_open", context_step, 0.80 },
		{ "scale.version", version_step, 0.50 }, { "scale.primary", primary_step, 0.50 },
		{ "scale.uid", uid_step, 0.50 },         { "scale.get", get_step, 0.50 },
		{ "scale.counts", counts_step, 0 },
	};

	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		if (!row(rows[i].name, (struct measure_side){ rows[i].step, big },
			 (struct measure_side){ rows[i].step, small }, rows[i].target))
			return false;
	}
	return true;
}

/* The first page against the first of the small home, the others against the first. */
static bool rows_pages(const char *what, bool (*step)(void *arg, unsigned thread), struct home *big,
		       uint64_t n, struct home *small)
{
	struct page small_first = { small, 0 }, first = { big, 0 };
	struct page middle = { big, (n - PAGE) / 2 }, last = { big, n - PAGE };
	char name[32];

	snprintf(name, sizeof name, "scale.%s.first", what);
	if (!row(name, (struct measure_side){ step, &first },
		 (struct measure_side){ step, &small_first }, 0.50))
		return false;
	snprintf(name, sizeof name, "scale.%s.middle", what);
	if (!row(name, (struct measure_side){ step, &middle },
		 (struct measure_side){ step, &first }, 0.80))
		return false;
	snprintf(name, sizeof name, "scale.%s.last", what);
	return row(name, (struct measure_side){ step, &last },
		   (struct measure_side){ step, &first }, 0.80);
}

/* Every version through the public calls, page by page; they must all be there, in their order. */
static bool walk(struct home *home)
{
	uint64_t after = 0;
	size_t n = PAGE;
	bool done = true;

	while (done && n == PAGE) {
		struct clv_version *page = NULL;

		n = 0;
		done = ok("clv_version_list",
			  clv_version_list(home->ctx, NULL, DEEP_KEY, after, PAGE, &page, &n,
					   &home->err),
			  &home->err);
		for (size_t i = 0; done && i < n; i++)
			done = page[i].number == ++after;
		clv_page_free(page);
	}
	if (done && after != home->n_versions)
		fprintf(stderr, "scale: %llu versions came of %llu\n", (unsigned long long) after,
			(unsigned long long) home->n_versions);
	return done && after == home->n_versions;
}

/* The most that was resident of this process so far; 0: cannot be told. */
static double resident_mib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	double kib = 0;

	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtod(line + 6, NULL);
	}
	if (file != NULL)
		fclose(file);
	return kib / 1024.0;
}

static bool row_memory(void)
{
	double mib = resident_mib();

	if (mib <= 0)
		fprintf(stderr, "scale: /proc does not say how much memory is resident\n");
	else
		measure_limit("scale.memory", "MiB", mib, MEMORY_MAX_MIB);
	return mib > 0;
}

/* kmsctl as it is built, listing every version in this order (NULL: in its own) to nowhere. */
static void list_versions(const struct home *home, const char *order)
{
	const char *above = getenv("top_builddir");
	char kmsctl[300];

	snprintf(kmsctl, sizeof kmsctl, "%s/tools/kmsctl/kmsctl", above != NULL ? above : ".");
	if (freopen("/dev/null", "w", stdout) != NULL)
		execl(kmsctl, "kmsctl", "--home", home->path, "--allow-unlocked-memory", "keys",
		      "versions", "list", "--key", DEEP_KEY, order != NULL ? "--sort-by" : NULL,
		      order, (char *) NULL);
	perror(kmsctl);
	_exit(127);
}

/* The most that was resident of it, or of us when it began. */
static bool row_list(const struct home *home, const char *name, const char *order)
{
	struct rusage usage;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		list_versions(home, order);
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || status != 0) {
		fprintf(stderr, "scale: %s: status %d\n", name, status);
		return false;
	}
	measure_limit(name, "MiB", (double) usage.ru_maxrss / 1024.0, LIST_MAX_MIB);
	return true;
}

static bool home_open(struct home *home)
{
	struct stat st;

	if (!home_make(home) || !context_open(home, &home->ctx) ||
	    !ok("store_open", store_open(home->catalogue, 1000, &home->store, &home->err),
		&home->err))
		return false;
	home->versions = calloc(PAGE, sizeof *home->versions);
	home->keys = calloc(PAGE, sizeof *home->keys);
	if (home->versions == NULL || home->keys == NULL || stat(home->catalogue, &st) != 0)
		return false;
	fprintf(stderr, "scale: %llu versions and %llu keys in %.0f MiB\n",
		(unsigned long long) (home->n_versions + home->n_keys),
		(unsigned long long) home->n_keys + 1, (double) st.st_size / MIB);
	return true;
}

static void home_close(struct home *home)
{
	store_close(home->store);
	clv_ctx_free(home->ctx);
	free(home->versions);
	free(home->keys);
}

static bool run(const char *folder)
{
	struct home big = { .n_versions = measure_quick() ? 50000 : 1000000,
			    .n_keys = measure_quick() ? 5000 : 100000 };
	struct home small = { .n_versions = PAGE, .n_keys = PAGE };
	bool done;

	snprintf(big.path, sizeof big.path, "%s/big", folder);
	snprintf(big.catalogue, sizeof big.catalogue, "%s/catalogue.db", big.path);
	snprintf(small.path, sizeof small.path, "%s/small", folder);
	snprintf(small.catalogue, sizeof small.catalogue, "%s/catalogue.db", small.path);
	done = home_open(&small) && home_open(&big) && rows_lookups(&big, &small) &&
	       rows_pages("versions", versions_step, &big, big.n_versions, &small) &&
	       rows_pages("keys", keys_step, &big, big.n_keys, &small) && walk(&big) &&
	       row_memory() && row_list(&big, "scale.list.table", NULL) &&
	       row_list(&big, "scale.list.sorted", "~createTime");
	home_close(&big);
	home_close(&small);
	return done;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void) st;
	(void) kind;
	(void) where;
	return remove(path);
}

/* A folder of our own below TMPDIR or the working directory, gone when this ends. */
int main(void)
{
	const char *above = getenv("TMPDIR");
	char folder[256];
	bool done;

	if (!measure_wants("scale"))
		return 0;
	if (snprintf(folder, sizeof folder, "%s/scale-XXXXXX", above != NULL ? above : ".") >=
		    (int) sizeof folder ||
	    mkdtemp(folder) == NULL) {
		perror("scale: no folder");
		return 1;
	}
	done = measure_begin() && run(folder);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return measure_end() && done ? 0 : 1;
}

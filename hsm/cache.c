/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys at hand: which key is which handle, in which epoch, in which keeper. One lookup for a key
 * and epoch; several threads that miss the same key wait for one of them. A pinned entry's handle
 * stays good; an evicted one is destroyed when its last pin goes.
 *
 * The cache lock guards the table, never a call into the token.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include <claviger/time.h>

#include "hsm/internal.h"

struct hsm_entry {
	uint8_t id[HSM_ID_LEN];
	CK_OBJECT_HANDLE handle;
	_Atomic uint64_t epoch; /* 0: forgotten */
	/* These two are set while loading, and then only read. */
	struct hsm_session *keeper; /* NULL: a token object */
	uint64_t keeper_serial;     /* of the keeper's opening that the handle lives in */
	struct hsm_song song;       /* under the lock */
	unsigned pins;
	bool loading;                    /* somebody is at it: wait on cache.loaded */
	bool unwanted;                   /* evicted while it was loading */
	bool gone;                       /* no longer in the table; goes when unpinned */
	struct hsm_entry *next;          /* in the bucket, or among the buried */
	struct hsm_entry *newer, *older; /* in order of last use */
};

clv_rc hsm_cache_init(struct hsm *hsm, unsigned max, struct clv_err *err)
{
	struct hsm_cache *cache = &hsm->cache;

	cache->max = max;
	cache->n_buckets = 16;
	while (cache->n_buckets < 2 * (size_t) max)
		cache->n_buckets *= 2;
	cache->buckets = calloc(cache->n_buckets, sizeof *cache->buckets);
	if (cache->buckets == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for %u keys", max);
	pthread_mutex_init(&cache->lock, NULL);
	clv_cond_init(&cache->loaded);
	return CLV_OK;
}

/* Ids are random, so that any of their bytes will do. */
static struct hsm_entry **bucket_of(struct hsm_cache *cache, const uint8_t id[HSM_ID_LEN])
{
	size_t hash;

	memcpy(&hash, id + 4, sizeof hash);
	return &cache->buckets[hash & (cache->n_buckets - 1)];
}

static struct hsm_entry *lookup_locked(struct hsm_cache *cache, const uint8_t id[HSM_ID_LEN])
{
	struct hsm_entry *entry = *bucket_of(cache, id);

	while (entry != NULL && CRYPTO_memcmp(entry->id, id, HSM_ID_LEN) != 0)
		entry = entry->next;
	return entry;
}

static void unlink_use_locked(struct hsm_cache *cache, struct hsm_entry *entry)
{
	*(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
	*(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void link_newest_locked(struct hsm_cache *cache, struct hsm_entry *entry)
{
	entry->newer = NULL;
	entry->older = cache->newest;
	*(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
	cache->newest = entry;
}

static void touch_locked(struct hsm_cache *cache, struct hsm_entry *entry)
{
	if (cache->newest == entry)
		return;
	unlink_use_locked(cache, entry);
	link_newest_locked(cache, entry);
}

/* The entry is out of the table and nobody uses it: to the buried, for its object to be destroyed.
 */
static void bury_locked(struct hsm_cache *cache, struct hsm_entry *entry)
{
	entry->next = cache->buried;
	cache->buried = entry;
	atomic_fetch_add(&cache->n_buried, 1);
}

static void remove_locked(struct hsm_cache *cache, struct hsm_entry *entry)
{
	struct hsm_entry **link = bucket_of(cache, entry->id);

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	unlink_use_locked(cache, entry);
	cache->n--;
	entry->gone = true;
	if (entry->pins == 0)
		bury_locked(cache, entry);
}

/* Is the handle still what it was? Keepers that were closed took their keys with them. */
static bool fresh(const struct hsm *hsm, const struct hsm_entry *entry)
{
	if (atomic_load(&entry->epoch) != atomic_load(&hsm->epoch))
		return false;
	return entry->keeper == NULL ||
	       (entry->keeper_serial == atomic_load(&entry->keeper->serial) &&
		!atomic_load(&entry->keeper->suspect));
}

void hsm_cache_bury(struct hsm_session *session)
{
	struct hsm *hsm = session->hsm;
	struct hsm_cache *cache = &hsm->cache;
	struct hsm_entry *list, *next;

	if (atomic_load(&cache->n_buried) == 0)
		return;
	pthread_mutex_lock(&cache->lock);
	list = cache->buried;
	cache->buried = NULL;
	atomic_store(&cache->n_buried, 0);
	pthread_mutex_unlock(&cache->lock);
	for (; list != NULL; list = next) {
		next = list->next;
		if (list->keeper != NULL && list->handle != CK_INVALID_HANDLE && fresh(hsm, list))
			hsm_session_destroy(session, list->handle);
		free(list);
	}
}

void hsm_cache_clear(struct hsm *hsm)
{
	struct hsm_cache *cache = &hsm->cache;

	pthread_mutex_lock(&cache->lock);
	for (struct hsm_entry *entry = cache->oldest, *newer; entry != NULL; entry = newer) {
		newer = entry->newer;
		if (!entry->loading)
			remove_locked(cache, entry);
	}
	pthread_mutex_unlock(&cache->lock);
}

void hsm_cache_done(struct hsm *hsm)
{
	struct hsm_cache *cache = &hsm->cache;

	if (cache->buckets == NULL)
		return;
	hsm_cache_clear(hsm);
	while (cache->buried != NULL) { /* the sessions are closed: only memory is left to free */
		struct hsm_entry *entry = cache->buried;

		cache->buried = entry->next;
		free(entry);
	}
	free(cache->buckets);
	pthread_cond_destroy(&cache->loaded);
	pthread_mutex_destroy(&cache->lock);
}

static struct hsm_entry *add_loading_locked(struct hsm_cache *cache, const struct hsm_keyref *key)
{
	struct hsm_entry *entry = calloc(1, sizeof *entry);
	struct hsm_entry **bucket = bucket_of(cache, key->id);

	if (entry == NULL)
		return NULL;
	memcpy(entry->id, key->id, HSM_ID_LEN);
	entry->loading = true;
	entry->pins = 1;
	entry->next = *bucket;
	*bucket = entry;
	link_newest_locked(cache, entry);
	cache->n++;
	return entry;
}

static void shrink_locked(struct hsm_cache *cache)
{
	for (struct hsm_entry *entry = cache->oldest, *newer;
	     entry != NULL && cache->n > cache->max; entry = newer) {
		newer = entry->newer;
		if (entry->pins == 0 && !entry->loading)
			remove_locked(cache, entry);
	}
}

/*
 * Pins the entry for a key. *ret_load says that it is new and that the caller has to load it.
 * NULL: no memory, or somebody else's loading took too long.
 */
static struct hsm_entry *pin_or_add(struct hsm *hsm, const struct hsm_keyref *key, bool *ret_load)
{
	struct hsm_cache *cache = &hsm->cache;
	struct clv_deadline deadline = { 0 }; /* set with the first wait: most need no clock */
	struct hsm_entry *entry;
	bool in_time = true;

	*ret_load = false;
	pthread_mutex_lock(&cache->lock);
	for (;;) {
		entry = lookup_locked(cache, key->id);
		if (entry != NULL && !entry->loading && !fresh(hsm, entry)) {
			remove_locked(cache, entry);
			entry = NULL;
		}
		if (entry == NULL || !entry->loading || !in_time)
			break;
		if (deadline.at_ns == 0)
			deadline = clv_deadline_in(hsm->wait_ms);
		in_time = clv_cond_wait(&cache->loaded, &cache->lock, deadline);
	}
	if (entry == NULL) {
		entry = add_loading_locked(cache, key);
		*ret_load = entry != NULL;
		shrink_locked(cache);
	} else if (entry->loading) {
		entry = NULL;
	} else {
		entry->pins++;
		touch_locked(cache, entry);
	}
	pthread_mutex_unlock(&cache->lock);
	return entry;
}

#define LOOKED_ANEW_NS (30 * CLV_NS_PER_S) /* how long a look with a new module counts */

/*
 * A key that must be there was not seen. Some modules do not notice that their token went away and
 * came back, so it counts only when the module was initialised since the first doubt, not long ago.
 */
static bool looked_anew(struct hsm *hsm, uint64_t epoch)
{
	uint64_t doubted = atomic_load(&hsm->doubted);

	if (doubted != 0 && epoch > doubted &&
	    clv_mono_ns() - atomic_load(&hsm->attached_at) < LOOKED_ANEW_NS)
		return true;
	atomic_store(&hsm->doubted, epoch);
	atomic_store(&hsm->want_rebuild, true);
	return false;
}

static clv_rc find_token_object(struct hsm *hsm, const struct hsm_keyref *key,
				struct hsm_entry *entry, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	const struct hsm_kind *kind;
	clv_rc rc;

	CLV_TRY(hsm_kind_of(key, &kind, err));
	if ((hsm->quirks & HSM_QUIRK_SEARCH_LOCK) != 0)
		CLV_TRY(hsm_lock_search(hsm, &lock, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	atomic_fetch_add(&hsm->lookups, 1);
	rc = hsm_find(session, kind->class, key->id, &entry->handle, err);
	if (rc == CLV_E_NOT_FOUND && !looked_anew(hsm, session->epoch))
		return hsm_session_fail(session, err, "C_FindObjects", CKR_TOKEN_NOT_PRESENT);
	if (rc == CLV_E_NOT_FOUND)
		return clv_fail(err, CLV_E_DATA_LOSS,
				"a key is gone from the token '%.32s': no object has its id; "
				"restore the token, do not make the key again",
				hsm->uri.label);
	if (rc == CLV_OK && key->role != HSM_ROLE_LOG)
		rc = hsm_attributes_check(session, entry->handle, kind, HSM_BORN_TOKEN,
					  CLV_E_DATA_LOSS, err);
	if (rc == CLV_OK && key->role == HSM_ROLE_VERSION)
		rc = hsm_kind_check(session, kind, entry->handle, err);
	atomic_store(&entry->epoch, session->epoch);
	return rc;
}

static clv_rc unwrap_key(struct hsm *hsm, const struct hsm_keyref *key, struct hsm_entry *entry,
			 struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_key_unpin) struct hsm_pin parent = { 0 };
	CLV_AUTO(hsm_session_release) struct hsm_session *keeper = NULL;
	struct clv_bytes blob = { key->blob, key->blob_len };
	const struct hsm_kind *kind;
	clv_rc rc;

	CLV_TRY(hsm_kind_of(key, &kind, err));
	CLV_TRY(hsm_key_pin(hsm, key->parent, &parent, err));
	CLV_TRY(hsm_keeper_acquire(hsm, key->id, &keeper, err));
	hsm_cache_bury(keeper);
	atomic_fetch_add(&hsm->unwraps, 1);
	rc = hsm_unwrap(keeper, kind, parent.handle, blob, &entry->handle, err);
	CLV_TRY(hsm_pin_judge(&parent, rc, err));
	entry->keeper = keeper;
	entry->keeper_serial = atomic_load(&keeper->serial);
	atomic_store(&entry->epoch, keeper->epoch);
	return CLV_OK;
}

clv_rc hsm_key_pin(struct hsm *hsm, const struct hsm_keyref *key, struct hsm_pin *ret_pin,
		   struct clv_err *err)
{
	struct hsm_cache *cache = &hsm->cache;
	struct hsm_entry *entry;
	bool load;
	clv_rc rc = CLV_OK;

	entry = pin_or_add(hsm, key, &load);
	if (entry == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED,
				"a key was not unwrapped within %u ms, or there is no memory",
				hsm->wait_ms);
	if (load) {
		rc = key->parent == NULL ? find_token_object(hsm, key, entry, err)
					 : unwrap_key(hsm, key, entry, err);
		pthread_mutex_lock(&cache->lock);
		entry->loading = false;
		if (rc != CLV_OK) {
			entry->pins = 0;
			entry->handle = CK_INVALID_HANDLE;
			remove_locked(cache, entry);
		} else if (entry->unwanted) {
			remove_locked(cache, entry);
		}
		pthread_cond_broadcast(&cache->loaded);
		pthread_mutex_unlock(&cache->lock);
		if (rc != CLV_OK)
			return rc;
	}
	*ret_pin = (struct hsm_pin){ hsm, entry, entry->handle };
	return CLV_OK;
}

void hsm_key_unpin(struct hsm_pin *pin)
{
	struct hsm_entry *entry = pin->entry;

	if (entry == NULL)
		return;
	pthread_mutex_lock(&pin->hsm->cache.lock);
	entry->pins--;
	if (entry->gone && entry->pins == 0)
		bury_locked(&pin->hsm->cache, entry);
	pthread_mutex_unlock(&pin->hsm->cache.lock);
	*pin = (struct hsm_pin){ 0 };
}

bool hsm_key_fresh(const struct hsm_pin *pin)
{
	return fresh(pin->hsm, pin->entry);
}

struct hsm_song hsm_key_song(const struct hsm_pin *pin)
{
	struct hsm_song song;

	pthread_mutex_lock(&pin->hsm->cache.lock);
	song = pin->entry->song;
	pthread_mutex_unlock(&pin->hsm->cache.lock);
	return song;
}

void hsm_key_song_keep(struct hsm_pin *pin, const struct hsm_song *song)
{
	pthread_mutex_lock(&pin->hsm->cache.lock);
	if (pin->entry->song.iv_len == 0)
		pin->entry->song = *song;
	pthread_mutex_unlock(&pin->hsm->cache.lock);
}

void hsm_key_forget(struct hsm_pin *pin)
{
	struct hsm_entry *entry = pin->entry;

	pthread_mutex_lock(&pin->hsm->cache.lock);
	/* With several sessions a lost key means that its keeper was closed behind our back. */
	if (entry->keeper != NULL && fresh(pin->hsm, entry) && !pin->hsm->pool.shared)
		atomic_store(&entry->keeper->suspect, true);
	atomic_store(&entry->epoch, 0); /* not fresh: its number may be another object's by now */
	if (!entry->gone)
		remove_locked(&pin->hsm->cache, entry);
	pthread_mutex_unlock(&pin->hsm->cache.lock);
}

void hsm_key_drop(struct hsm_pin *pin)
{
	pthread_mutex_lock(&pin->hsm->cache.lock);
	if (!pin->entry->gone)
		remove_locked(&pin->hsm->cache, pin->entry);
	pthread_mutex_unlock(&pin->hsm->cache.lock);
}

CK_RV hsm_pin_rv(const struct hsm_pin *pin, CK_RV rv)
{
	switch (hsm_rv_class(rv)) {
	case HSM_CLASS_DATA:
	case HSM_CLASS_AMBIGUOUS:
	case HSM_CLASS_POLICY: /* of a key that just went, SoftHSM says that it may not be used so
				*/
		if (pin->entry->keeper != NULL && !hsm_key_fresh(pin))
			return CKR_KEY_HANDLE_INVALID;
		return rv;
	default:
		return rv;
	}
}

clv_rc hsm_pin_judge(struct hsm_pin *pin, clv_rc rc, struct clv_err *err)
{
	const char *op;
	CK_RV rv;

	if (rc == CLV_OK || (err->domain != CLV_DOM_PKCS11 && rc != CLV_E_DATA_LOSS))
		return rc;
	op = err->domain == CLV_DOM_PKCS11 ? err->op : "C_UnwrapKey";
	rv = hsm_pin_rv(pin, err->domain == CLV_DOM_PKCS11 ? err->native : CKR_WRAPPED_KEY_INVALID);
	if (hsm_rv_class(rv) != HSM_CLASS_HANDLE)
		return rc;
	hsm_key_forget(pin);
	return hsm_fail(err, op, rv);
}

void hsm_key_evict(struct hsm *hsm, const uint8_t id[HSM_ID_LEN])
{
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct hsm_entry *entry;
	struct clv_err ignored;

	pthread_mutex_lock(&hsm->cache.lock);
	entry = lookup_locked(&hsm->cache, id);
	if (entry != NULL && entry->loading)
		entry->unwanted = true;
	else if (entry != NULL)
		remove_locked(&hsm->cache, entry);
	pthread_mutex_unlock(&hsm->cache.lock);
	if (atomic_load(&hsm->cache.n_buried) == 0 || atomic_load(&hsm->breaker_until) != 0)
		return;
	/* Without a session now, the next stretch of work destroys it. */
	if (hsm_enter(hsm, &ignored) != CLV_OK)
		return;
	if (hsm_session_acquire(hsm, &session, &ignored) == CLV_OK)
		hsm_cache_bury(session);
	session = hsm_session_release(session);
	hsm_leave(hsm);
}

void hsm_counts_get(struct hsm *hsm, struct hsm_counts *ret_counts)
{
	struct hsm_pool *pool = &hsm->pool;

	*ret_counts = (struct hsm_counts){
		.lookups = atomic_load(&hsm->lookups),
		.unwraps = atomic_load(&hsm->unwraps),
		.logins = atomic_load(&hsm->logins),
		.rebuilds = atomic_load(&hsm->rebuilds),
	};
	pthread_mutex_lock(&pool->lock);
	for (unsigned i = 0; i < pool->n_all; i++)
		ret_counts->sessions_open += atomic_load(&pool->all[i].serial) != 0;
	ret_counts->sessions_out = pool->n_out;
	pthread_mutex_unlock(&pool->lock);
	pthread_mutex_lock(&hsm->cache.lock);
	ret_counts->keys_cached = hsm->cache.n;
	pthread_mutex_unlock(&hsm->cache.lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions. A session has one owner at a time. Sessions for work are kept open and handed out;
 * keepers hold the cached keys and do no other work, except on a token that has a single session.
 * The first keeper also keeps us logged in. Not for keys: see cache.c.
 *
 * The pool lock guards the lists and counts, never a call into the token.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "hsm/internal.h"

/* How many of `limit` sessions are keepers: several, so that unwrapping does not queue up. */
static unsigned keepers_of(unsigned limit)
{
	if (limit >= 8)
		return HSM_KEEPERS_MAX;
	return limit >= 4 ? 2 : 1;
}

clv_rc hsm_pool_init(struct hsm *hsm, unsigned max_sessions, struct clv_err *err)
{
	struct hsm_pool *pool = &hsm->pool;

	pool->n_keepers = pool->used_keepers = keepers_of(max_sessions);
	atomic_store(&pool->shared, max_sessions == 1);
	pool->n_all = max_sessions;
	pool->max_work = max_sessions - pool->n_keepers;
	pool->all = calloc(max_sessions, sizeof *pool->all);
	if (pool->all == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for %u sessions",
				max_sessions);
	pthread_mutex_init(&pool->lock, NULL);
	clv_cond_init(&pool->work_queue.returned);
	for (unsigned i = 0; i < HSM_KEEPERS_MAX; i++)
		clv_cond_init(&pool->keeper_queue[i].returned);
	for (unsigned i = 0; i < pool->n_all; i++) {
		struct hsm_session *session = &pool->all[i];

		session->hsm = hsm;
		if (i < pool->n_keepers) {
			pool->keeper[i] = session;
		} else {
			session->next = pool->closed;
			pool->closed = session;
		}
	}
	return CLV_OK;
}

void hsm_pool_done(struct hsm *hsm)
{
	if (hsm->pool.all == NULL)
		return;
	OPENSSL_cleanse(hsm->pool.all, hsm->pool.n_all * sizeof *hsm->pool.all);
	free(hsm->pool.all);
	pthread_cond_destroy(&hsm->pool.work_queue.returned);
	for (unsigned i = 0; i < HSM_KEEPERS_MAX; i++)
		pthread_cond_destroy(&hsm->pool.keeper_queue[i].returned);
	pthread_mutex_destroy(&hsm->pool.lock);
}

static bool is_keeper(const struct hsm_session *session)
{
	const struct hsm_pool *pool = &session->hsm->pool;

	return session < pool->all + pool->n_keepers;
}

/* Where those wait who want this session. */
static struct hsm_queue *queue_of(struct hsm_session *session)
{
	struct hsm_pool *pool = &session->hsm->pool;

	return is_keeper(session) ? &pool->keeper_queue[session - pool->all] : &pool->work_queue;
}

/* How many sessions for work could be had now. */
static unsigned available_locked(const struct hsm_pool *pool)
{
	return pool->n_idle + (pool->max_work > pool->n_work ? pool->max_work - pool->n_work : 0);
}

/*
 * Wakes a waiter for one of `available` sessions, unless one for each is on its way already: a
 * thread that returns a session and takes it again at once would pay for a wake-up each time.
 */
static void wake_locked(struct hsm_queue *queue, unsigned available)
{
	if (queue->waking >= queue->waiting || queue->waking >= available)
		return;
	queue->waking++;
	pthread_cond_signal(&queue->returned);
}

/* False: the deadline passed. It is set with the first wait, as most need no clock. */
static bool wait_locked(struct hsm *hsm, struct hsm_queue *queue, struct clv_deadline *deadline)
{
	bool in_time;

	if (deadline->at_ns == 0)
		*deadline = clv_deadline_in(hsm->wait_ms);
	queue->waiting++;
	in_time = clv_cond_wait(&queue->returned, &hsm->pool.lock, *deadline);
	queue->waiting--;
	if (queue->waking >
	    0) /* whoever comes back counts as woken: too many wake-ups do no harm */
		queue->waking--;
	return in_time;
}

static CK_RV open_session(struct hsm_session *session)
{
	struct hsm *hsm = session->hsm;
	CK_RV rv = hsm_C_OpenSession(hsm->module, hsm->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
				     &session->handle);

	if (rv != CKR_OK)
		return rv;
	session->epoch = atomic_load(&hsm->epoch);
	session->dead = false;
	session->iv_left = 0;
	pthread_mutex_lock(&hsm->pool.lock);
	atomic_store(&session->serial, ++hsm->pool.next_serial);
	pthread_mutex_unlock(&hsm->pool.lock);
	atomic_store(&session->suspect,
		     false); /* after the serial: its old keys must not look fresh */
	return CKR_OK;
}

static void close_session(struct hsm_session *session)
{
	if (atomic_exchange(&session->serial, 0) != 0)
		hsm_C_CloseSession(session->hsm->module, session->handle); /* best effort */
}

/* Ends the idle sessions of one list; with the lock held only to take them off it. */
static void end_list(struct hsm *hsm, bool finalised)
{
	struct hsm_pool *pool = &hsm->pool;
	struct hsm_session *session;

	for (;;) {
		pthread_mutex_lock(&pool->lock);
		session = pool->idle;
		if (session != NULL) {
			pool->idle = session->next;
			pool->n_idle--;
			pool->n_work--;
		}
		pthread_mutex_unlock(&pool->lock);
		if (session == NULL)
			return;
		if (finalised)
			atomic_store(&session->serial, 0);
		else
			close_session(session);
		pthread_mutex_lock(&pool->lock);
		session->next = pool->closed;
		pool->closed = session;
		pthread_mutex_unlock(&pool->lock);
	}
}

void hsm_pool_end_all(struct hsm *hsm, bool finalised)
{
	struct hsm_pool *pool = &hsm->pool;

	end_list(hsm, finalised);
	for (unsigned i = pool->n_keepers; i-- > 0;) { /* the one that holds the login comes last */
		struct hsm_session *keeper = pool->keeper[i];
		bool mine;

		pthread_mutex_lock(&pool->lock);
		mine = !keeper->busy;
		keeper->busy = true;
		pthread_mutex_unlock(&pool->lock);
		if (!mine)
			continue; /* its owner sees the new epoch and closes it */
		if (finalised)
			atomic_store(&keeper->serial, 0);
		else
			close_session(keeper);
		pthread_mutex_lock(&pool->lock);
		keeper->busy = false;
		wake_locked(queue_of(keeper), 1);
		pthread_mutex_unlock(&pool->lock);
	}
	pthread_mutex_lock(&pool->lock);
	pool->max_work = pool->n_all - pool->n_keepers;
	pool->used_keepers = pool->n_keepers;
	atomic_store(&pool->shared, pool->n_all == 1);
	pthread_cond_broadcast(&pool->work_queue.returned);
	pthread_mutex_unlock(&pool->lock);
}

/* Takes a session for work off the lists, or NULL. An unopened one takes its place already here. */
static struct hsm_session *pop_locked(struct hsm_pool *pool)
{
	struct hsm_session *session = pool->idle;

	if (session != NULL) {
		pool->idle = session->next;
		pool->n_idle--;
	} else if (pool->closed != NULL && pool->n_work < pool->max_work) {
		session = pool->closed;
		pool->closed = session->next;
		pool->n_work++;
	}
	return session;
}

static void push_back(struct hsm_session *session)
{
	struct hsm_pool *pool = &session->hsm->pool;

	pthread_mutex_lock(&pool->lock);
	pool->n_out--;
	session->busy = false;
	if (!is_keeper(session)) {
		struct hsm_session **list =
			atomic_load(&session->serial) != 0 ? &pool->idle : &pool->closed;

		if (list == &pool->closed)
			pool->n_work--;
		else
			pool->n_idle++;
		session->next = *list;
		*list = session;
	}
	wake_locked(queue_of(session), is_keeper(session) ? 1 : available_locked(pool));
	pthread_mutex_unlock(&pool->lock);
}

/*
 * The token has no more sessions than we have open: do with these until it is connected again. Work
 * waits for a session for work, or is done in the first keeper when there is none; keys go into the
 * first keeper as well. False: there is nothing to wait for. May change *keeper.
 */
static bool make_do(struct hsm_pool *pool, struct hsm_session **keeper)
{
	struct hsm_session *first = pool->keeper[0];
	bool some = true;

	pthread_mutex_lock(&pool->lock);
	if (*keeper == NULL && pool->n_work > 0) {
		pool->max_work = pool->n_work;
	} else if (*keeper == NULL && (first->busy || atomic_load(&first->serial) != 0)) {
		atomic_store(&pool->shared, true);
		pool->used_keepers = 1;
		*keeper = first;
	} else if (*keeper != NULL && *keeper != first) {
		pool->used_keepers = 1;
		*keeper = first;
	} else {
		some = false;
	}
	pthread_mutex_unlock(&pool->lock);
	return some;
}

static struct hsm_session *wait_for_one(struct hsm *hsm, struct hsm_session *keeper,
					struct clv_deadline *deadline)
{
	struct hsm_pool *pool = &hsm->pool;
	struct hsm_session *session = NULL;
	bool in_time = true;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		if (keeper == NULL)
			session = pop_locked(pool);
		else if (!keeper->busy)
			session = keeper;
		if (session != NULL || !in_time)
			break;
		in_time = wait_locked(hsm, keeper != NULL ? queue_of(keeper) : &pool->work_queue,
				      deadline);
	}
	if (session != NULL) {
		session->busy = true;
		pool->n_out++;
	}
	pthread_mutex_unlock(&pool->lock);
	return session;
}

static clv_rc acquire(struct hsm *hsm, struct hsm_session *keeper, struct hsm_session **ret_session,
		      struct clv_err *err)
{
	struct clv_deadline deadline = { 0 };
	struct hsm_session *session;
	CK_RV rv;

	for (;;) {
		session = wait_for_one(hsm, keeper, &deadline);
		if (session == NULL)
			return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED,
					"no token session came free within %u ms", hsm->wait_ms);
		if (atomic_load(&session->serial) != 0 && !atomic_load(&session->suspect) &&
		    session->epoch == atomic_load(&hsm->epoch))
			break;
		close_session(session); /* of an older epoch, when there is one */
		rv = open_session(session);
		if (rv == CKR_OK)
			break;
		push_back(session);
		if (rv != CKR_SESSION_COUNT || !make_do(&hsm->pool, &keeper))
			return hsm_fail(err, "C_OpenSession", rv);
	}
	*ret_session = session;
	return CLV_OK;
}

clv_rc hsm_session_acquire(struct hsm *hsm, struct hsm_session **ret_session, struct clv_err *err)
{
	struct hsm_session *keeper = atomic_load(&hsm->pool.shared) ? hsm->pool.keeper[0] : NULL;

	return acquire(hsm, keeper, ret_session, err);
}

clv_rc hsm_keeper_acquire(struct hsm *hsm, const uint8_t id[HSM_ID_LEN],
			  struct hsm_session **ret_session, struct clv_err *err)
{
	struct hsm_pool *pool = &hsm->pool;
	unsigned n;

	pthread_mutex_lock(&pool->lock);
	n = pool->used_keepers;
	pthread_mutex_unlock(&pool->lock);
	return acquire(hsm, pool->keeper[id[0] % n], ret_session, err);
}

struct hsm_session *hsm_session_release(struct hsm_session *session)
{
	if (session == NULL)
		return NULL;
	if (session->dead || session->epoch != atomic_load(&session->hsm->epoch))
		close_session(session);
	push_back(session);
	return NULL;
}

/* Is this the call that ends what an earlier one began? */
static bool ends_operation(const char *op)
{
	static const char *const enders[] = { "C_Encrypt", "C_Decrypt", "C_Sign", "C_FindObjects",
					      "C_FindObjectsFinal" };

	for (size_t i = 0; i < CLV_ARRAY_LEN(enders); i++) {
		if (strcmp(op, enders[i]) == 0)
			return true;
	}
	return false;
}

clv_rc hsm_session_fail(struct hsm_session *session, struct clv_err *err, const char *op, CK_RV rv)
{
	switch (hsm_rv_class(rv)) {
	case HSM_CLASS_SESSION:
	case HSM_CLASS_TOKEN:
		session->dead = true;
		break;
	case HSM_CLASS_AMBIGUOUS:
		/* What state it is in is not known; but the only session holds all keys. */
		session->dead = session->dead || !is_keeper(session);
		break;
	case HSM_CLASS_DATA: /* the token has seen the data, and is done with them */
		break;
	default:
		/* Whatever the reason, a token that got no further may have left it begun. */
		session->dead = session->dead || (ends_operation(op) && !is_keeper(session));
		break;
	}
	return hsm_fail(err, op, rv);
}

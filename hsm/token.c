/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One token: found by serial number or label, logged in once, connected again when it was lost.
 * The breaker keeps callers from waiting for a dead token; the first caller after its pause tries.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include <claviger/time.h>

#include "hsm/internal.h"
#include "lib/base/bytes.h"

#define SESSIONS_DEFAULT 16
#define KEYS_DEFAULT 4096
#define WAIT_DEFAULT_MS 10000
#define PAUSE_FIRST_MS 50u    /* of the breaker; doubles up to ... */
#define PAUSE_LONGEST_MS 800u /* ... this, so that service is back soon after the token */
#define RELAPSE_NS                                                                                 \
	(2 * CLV_NS_PER_S)        /* failing so soon after connecting counts as still broken       \
				   */
#define FIRST_CONNECT_WAIT_MS 250 /* others wait this long for a first reconnection */

/* ---- the breaker ---- */

static int64_t pause_ns(unsigned trips)
{
	unsigned ms = PAUSE_FIRST_MS << (trips < 5 ? trips : 5);
	uint8_t byte = 0;

	if (ms > PAUSE_LONGEST_MS)
		ms = PAUSE_LONGEST_MS;
	(void) RAND_bytes(&byte, sizeof byte); /* only spreads tries: a constant will do */
	return ((int64_t) ms + (int64_t) ms * byte / 1024) * CLV_NS_PER_MS;
}

void hsm_breaker_trip(struct hsm *hsm, uint64_t epoch, const struct clv_err *why)
{
	pthread_mutex_lock(&hsm->breaker_lock);
	if (epoch == atomic_load(&hsm->epoch) && atomic_load(&hsm->breaker_until) == 0) {
		int64_t now = clv_mono_ns();

		hsm->breaker_err = *why;
		/* A look with a new module is had at once; it comes at most twice a minute. */
		if (!atomic_load(&hsm->want_rebuild) &&
		    now - atomic_load(&hsm->attached_at) < RELAPSE_NS) {
			hsm->breaker_trips++;
			atomic_store(&hsm->breaker_until, now + pause_ns(hsm->breaker_trips));
		} else {
			hsm->breaker_trips = 0;
			atomic_store(&hsm->breaker_until, 1); /* long past: try at once */
		}
	}
	pthread_mutex_unlock(&hsm->breaker_lock);
}

/* Our connection went with somebody else's rebuild of the module: no fault of this token's. */
static void breaker_orphaned(struct hsm *hsm, const struct clv_err *why)
{
	pthread_mutex_lock(&hsm->breaker_lock);
	if (atomic_load(&hsm->breaker_until) == 0) {
		hsm->breaker_err = *why;
		atomic_store(&hsm->breaker_until, 1); /* long past: try at once */
	}
	pthread_mutex_unlock(&hsm->breaker_lock);
}

static void breaker_closed(struct hsm *hsm)
{
	pthread_mutex_lock(&hsm->breaker_lock);
	atomic_store(&hsm->attached_at, clv_mono_ns());
	atomic_store(&hsm->breaker_until, 0);
	pthread_mutex_unlock(&hsm->breaker_lock);
}

static void breaker_failed(struct hsm *hsm, const struct clv_err *why)
{
	pthread_mutex_lock(&hsm->breaker_lock);
	hsm->breaker_err = *why;
	hsm->breaker_trips++;
	atomic_store(&hsm->breaker_until, clv_mono_ns() + pause_ns(hsm->breaker_trips));
	pthread_mutex_unlock(&hsm->breaker_lock);
}

static clv_rc breaker_refuse(struct hsm *hsm, struct clv_err *err)
{
	char why[sizeof hsm->breaker_err.text];

	pthread_mutex_lock(&hsm->breaker_lock);
	memcpy(why, hsm->breaker_err.text, sizeof why);
	pthread_mutex_unlock(&hsm->breaker_lock);
	return clv_fail(err, CLV_E_UNAVAILABLE, "the token is away: %s", why);
}

/* ---- finding and logging in ---- */

/* Looks for the token anew: after a reconnection it may sit in another slot. */
static clv_rc find_slot(struct hsm *hsm, CK_TOKEN_INFO *ret_info, struct clv_err *err)
{
	CK_SLOT_ID slots[256];
	CK_ULONG n = CLV_ARRAY_LEN(slots);
	unsigned matches = 0;
	CK_TOKEN_INFO info;
	CK_RV rv = hsm_C_GetSlotList(hsm->module, CK_TRUE, slots, &n);

	if (rv != CKR_OK)
		return hsm_fail(err, "C_GetSlotList", rv);
	for (CK_ULONG i = 0; i < n; i++) {
		if (hsm_C_GetTokenInfo(hsm->module, slots[i], &info) != CKR_OK ||
		    (info.flags & CKF_TOKEN_INITIALIZED) == 0 || !hsm_uri_matches(&hsm->uri, &info))
			continue;
		*ret_info = info;
		atomic_store(&hsm->slot, slots[i]);
		matches++;
	}
	if (matches == 0)
		return clv_fail(
			err, CLV_E_NOT_FOUND,
			"%s has no initialised token with serial '%s', label '%s' (%lu slots seen)",
			hsm->uri.module_path, hsm->uri.serial, hsm->uri.label, n);
	if (matches > 1)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%u tokens have the label '%s'; name one by its serial", matches,
				hsm->uri.label);
	return CLV_OK;
}

static clv_rc refuse_locked_pin(const CK_TOKEN_INFO *info, struct clv_err *err)
{
	if ((info->flags & CKF_USER_PIN_INITIALIZED) == 0)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"the token has no user PIN yet; set one with the vendor's tool");
	if ((info->flags & CKF_USER_PIN_LOCKED) != 0)
		return clv_fail(
			err, CLV_E_UNAVAILABLE,
			"the token's user PIN is locked; unlock it as the security officer");
	if ((info->flags & CKF_USER_PIN_FINAL_TRY) != 0)
		return clv_fail(
			err, CLV_E_UNAVAILABLE,
			"one more wrong PIN would lock the token; log in once by hand with the "
			"vendor's tool, then try again");
	return CLV_OK;
}

/* ---- the PIN: presented once, and again only when its source changed ---- */

#define TRIES_UNKNOWN                                                                              \
	2 /* presentations whose result nobody knows, e.g. as the process was killed */
#define TRIES_REFUSED 9

/* SoftHSM locks no PIN, and that of a home is ours: there a known refusal counts, and no doubt. */
static unsigned tries_most(const struct hsm *hsm)
{
	return hsm->uri.ours ? TRIES_REFUSED : TRIES_UNKNOWN;
}

static unsigned one_more(unsigned tries)
{
	return tries + 1 < TRIES_REFUSED ? tries + 1 : tries;
}

/*
 * What was done with a PIN: how often it was presented without a known result, or TRIES_REFUSED.
 * Kept in a file so that the next process knows, and in memory in any case.
 */
static void tries_path(const struct hsm *hsm, char path[HSM_PATH_MAX])
{
	char serial[17];

	hsm_trim(serial, sizeof serial, hsm->info.serialNumber, sizeof hsm->info.serialNumber);
	for (char *c = serial; *c != '\0'; c++) {
		if (*c == '/')
			*c = '_';
	}
	snprintf(path, HSM_PATH_MAX, "%s/pin-refused-%s", hsm->state_dir, serial);
}

/* The greater of what is in the file and in memory, if they speak of this very PIN. */
static unsigned tries_read(const struct hsm *hsm, const struct hsm_pin_mark *mark)
{
	char path[HSM_PATH_MAX], text[128] = "";
	unsigned tries = strcmp(mark->text, hsm->tried.text) == 0 ? hsm->tries : 0;
	ssize_t n = -1;
	int fd;

	if (hsm->state_dir == NULL)
		return tries;
	tries_path(hsm, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		n = read(fd, text, sizeof text - 1);
		close(fd);
	}
	if (n > 2 && text[0] >= '0' && text[0] <= '9' && strcmp(text + 2, mark->text) == 0 &&
	    (unsigned) (text[0] - '0') > tries)
		tries = (unsigned) (text[0] - '0');
	return tries;
}

static clv_rc tries_write(struct hsm *hsm, const struct hsm_pin_mark *mark, unsigned tries,
			  struct clv_err *err)
{
	char path[HSM_PATH_MAX], text[128];
	clv_rc rc = CLV_OK;
	int fd, len;

	hsm->tried = *mark;
	hsm->tries = tries;
	if (hsm->state_dir == NULL)
		return CLV_OK;
	tries_path(hsm, path);
	if (tries == 0) {
		unlink(path); /* else it only says less than we know */
		return CLV_OK;
	}
	len = snprintf(text, sizeof text, "%u %s", tries, mark->text);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return hsm_fail_write(path, errno, err); /* a PIN is not presented unnoted */
	errno = ENOSPC;                                  /* why else would a write be short */
	if (write(fd, text, (size_t) len) != len || fsync(fd) != 0)
		rc = hsm_fail_write(path, errno, err);
	close(fd);
	return rc;
}

/* Did the token look at the PIN and not take it? Where that is open, each such try counts. */
static unsigned tries_after(CK_RV rv, unsigned before)
{
	switch (hsm_rv_class(rv)) {
	case HSM_CLASS_OK:
		return 0;
	case HSM_CLASS_PIN:
		return TRIES_REFUSED;
	case HSM_CLASS_SESSION:
	case HSM_CLASS_HANDLE:
	case HSM_CLASS_TOKEN:
	case HSM_CLASS_LIMIT:
		return before;
	default:
		return rv == CKR_DEVICE_ERROR ? before : one_more(before);
	}
}

static clv_rc present_pin(struct hsm *hsm, struct hsm_session *session, struct clv_secret *pin,
			  const struct hsm_pin_mark *mark, unsigned before, struct clv_err *err)
{
	struct clv_err ignored;
	clv_rc rc;
	CK_RV rv;

	CLV_TRY(tries_write(hsm, mark, one_more(before),
			    err)); /* before: who knows if we live on */
	atomic_fetch_add(&hsm->logins, 1);
	rv = hsm_C_Login(hsm->module, session->handle, CKU_USER, clv_secret_mutable_bytes(pin),
			 clv_secret_len(pin));
	if (rv == CKR_USER_ALREADY_LOGGED_IN)
		rv = CKR_OK;
	rc = tries_write(hsm, mark, tries_after(rv, before),
			 &ignored); /* memory knows in any case */
	(void) rc;
	return rv == CKR_OK ? CLV_OK : hsm_session_fail(session, err, "C_Login", rv);
}

static clv_rc login(struct hsm *hsm, struct hsm_session *session, const CK_TOKEN_INFO *info,
		    struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *pin = NULL;
	CLV_AUTO_DONE(hsm_signals_restore) struct hsm_signal_guard guard;
	struct hsm_pin_mark mark;
	unsigned before;

	hsm_signals_block(&guard); /* a half-done login is what destroys SoftHSM tokens */
	if ((info->flags & CKF_LOGIN_REQUIRED) == 0)
		return CLV_OK;
	CLV_TRY(refuse_locked_pin(info, err));
	CLV_TRY(hsm_pin_read(hsm->uri.pin_source, &pin, &mark, err));
	before = tries_read(hsm, &mark);
	if (before >= tries_most(hsm))
		return clv_fail(err, CLV_E_UNAVAILABLE,
				"the token %s the PIN in %s before; it is not tried again until "
				"that file changes",
				before >= TRIES_REFUSED ? "refused" : "did not say if it took",
				hsm->uri.pin_source);
	return present_pin(hsm, session, pin, &mark, before, err);
}

/* ---- connecting ---- */

/* The same make, model and versions as when its capabilities were tried? */
static bool same_make(const CK_TOKEN_INFO *a, const CK_TOKEN_INFO *b)
{
	return clv_same(a->manufacturerID, b->manufacturerID, sizeof a->manufacturerID) &&
	       clv_same(a->model, b->model, sizeof a->model) &&
	       clv_same(&a->firmwareVersion, &b->firmwareVersion, sizeof a->firmwareVersion) &&
	       clv_same(&a->hardwareVersion, &b->hardwareVersion, sizeof a->hardwareVersion);
}

/* Finds the token, begins a new epoch, logs in. The module is initialised. */
static clv_rc connect_once(struct hsm *hsm, struct clv_err *err)
{
	CLV_AUTO(hsm_session_release) struct hsm_session *keeper = NULL;
	static const uint8_t first[HSM_ID_LEN];
	uint64_t inits = atomic_load(&hsm->module->inits);
	bool finalised = inits != atomic_load(&hsm->inits);
	CK_TOKEN_INFO info;

	CLV_TRY(find_slot(hsm, &info, err));
	atomic_store(&hsm->inits, inits);
	atomic_fetch_add(&hsm->epoch, 1);
	hsm_pool_end_all(hsm, finalised);
	hsm_cache_clear(hsm);
	CLV_TRY(hsm_keeper_acquire(hsm, first, &keeper, err));
	CLV_TRY(login(hsm, keeper, &info, err));
	keeper = hsm_session_release(keeper);
	if (hsm->caps_known && same_make(&hsm->info, &info))
		return CLV_OK;
	/* Nobody else is between hsm_enter() and hsm_leave(): see wait_for_calls(). */
	hsm->caps_known = false;
	hsm->info = info;
	hsm->quirks = hsm_quirks_of(&info);
	hsm_verdicts_clear(hsm);
	CLV_TRY(hsm_caps_find(hsm, err));
	hsm->caps_known = true;
	/* From now on only this one, also where the URI names it by its label. */
	hsm_trim(hsm->uri.serial, sizeof hsm->uri.serial, info.serialNumber,
		 sizeof info.serialNumber);
	return CLV_OK;
}

/* connect_once(), as one stretch of calls that a rebuild waits for. */
static clv_rc connect(struct hsm *hsm, struct clv_err *err)
{
	clv_rc rc;

	CLV_TRY(hsm_module_enter(hsm->module, err));
	rc = connect_once(hsm, err);
	hsm_module_leave(hsm->module);
	return rc;
}

/* A module that does not come up is worth another C_Initialize; a refused PIN is not. */
static bool worth_a_rebuild(const struct hsm *hsm, clv_rc rc, const struct clv_err *err)
{
	if (rc == CLV_OK || rc == CLV_E_FAILED_PRECONDITION)
		return false;
	if (rc == CLV_E_NOT_FOUND || !atomic_load(&hsm->module->up))
		return true;
	return err->domain == CLV_DOM_PKCS11 && hsm_rv_class(err->native) != HSM_CLASS_PIN;
}

/*
 * Waits until nobody is between hsm_enter() and hsm_leave(). Connecting finds out anew what the
 * token is and can do; a call that saw half of it would, for one, encrypt with an IV of zeros.
 */
static clv_rc wait_for_calls(struct hsm *hsm, struct clv_deadline deadline, struct clv_err *err)
{
	unsigned pause_us = 0;

	while (atomic_load(&hsm->in_flight) != 0) {
		if (!clv_backoff(deadline, &pause_us, 1000))
			return clv_fail(err, CLV_E_UNAVAILABLE,
					"the token does not answer calls that are under way");
	}
	return CLV_OK;
}

/* What a kill did to SoftHSM's files, before the module reads them: it leaves torn objects out.
 * Under the login lock. */
static clv_rc put_files_right(struct hsm *hsm, struct clv_deadline deadline, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;

	if (!hsm->uri.ours || hsm->state_dir == NULL)
		return CLV_OK;
	CLV_TRY(hsm_softhsm_repair(hsm->uri.conf, hsm->state_dir, err));
	if (!hsm_softhsm_interrupted(hsm))
		return CLV_OK;
	CLV_TRY(hsm_lock(hsm->state_dir, HSM_LOCK_OBJECT, true, deadline, &lock, err));
	return hsm_softhsm_undo(hsm, err);
}

/* Connects again, if need be with the module initialised anew. Under hsm->attach. */
static clv_rc reconnect(struct hsm *hsm, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	struct clv_deadline deadline = clv_deadline_in(hsm->wait_ms);
	uint64_t seen;
	clv_rc rc;

	CLV_TRY(wait_for_calls(hsm, deadline, err));
	CLV_TRY(hsm_lock(hsm->state_dir, HSM_LOCK_LOGIN, true, deadline, &lock, err));
	CLV_TRY(put_files_right(hsm, deadline, err));
	seen = atomic_load(&hsm->module->inits);
	if (!atomic_exchange(&hsm->want_rebuild, false)) {
		rc = connect(hsm, err);
		if (!worth_a_rebuild(hsm, rc, err))
			return rc;
	}
	CLV_TRY(hsm_module_rebuild(hsm->module, seen, deadline, err));
	atomic_fetch_add(&hsm->rebuilds, 1);
	return connect(hsm, err);
}

/* Waits a moment for another thread's first try, so that a hiccup does not fail everybody. */
static bool attach_trylock(struct hsm *hsm)
{
	struct clv_deadline deadline = clv_deadline_in(FIRST_CONNECT_WAIT_MS);
	unsigned pause_us = 0;
	bool first;

	pthread_mutex_lock(&hsm->breaker_lock);
	first = hsm->breaker_trips == 0;
	pthread_mutex_unlock(&hsm->breaker_lock);
	while (pthread_mutex_trylock(&hsm->attach) != 0) {
		if (!first || !clv_backoff(deadline, &pause_us, 1000))
			return false;
	}
	return true;
}

/* The breaker is open. Tries to connect when it is time and nobody else does. */
static clv_rc try_reconnect(struct hsm *hsm, struct clv_err *err)
{
	clv_rc rc = CLV_OK;

	if (clv_mono_ns() < atomic_load(&hsm->breaker_until) || !attach_trylock(hsm))
		return breaker_refuse(hsm, err);
	if (atomic_load(&hsm->breaker_until) != 0) { /* nobody was faster */
		rc = reconnect(hsm, err);
		if (rc == CLV_OK)
			breaker_closed(hsm);
		else
			breaker_failed(hsm, err);
	}
	pthread_mutex_unlock(&hsm->attach);
	if (rc != CLV_OK && rc != CLV_E_FAILED_PRECONDITION)
		return breaker_refuse(hsm, err);
	return rc;
}

/*
 * Is counted first and looks at the breaker then: a reconnection, which opens the breaker first and
 * counts then, waits for it or is seen by it.
 */
static clv_rc join_calls(struct hsm *hsm, struct clv_err *err)
{
	clv_rc rc;

	atomic_fetch_add(&hsm->in_flight, 1);
	rc = atomic_load(&hsm->breaker_until) != 0 ? breaker_refuse(hsm, err)
						   : hsm_module_enter(hsm->module, err);
	if (rc != CLV_OK)
		atomic_fetch_sub(&hsm->in_flight, 1);
	return rc;
}

clv_rc hsm_enter(struct hsm *hsm, struct clv_err *err)
{
	clv_rc rc = CLV_E_UNAVAILABLE;

	for (int i = 0; i < 3; i++) { /* others can have it initialised again meanwhile */
		if (atomic_load(&hsm->breaker_until) != 0)
			CLV_TRY(try_reconnect(hsm, err));
		CLV_TRY(join_calls(hsm, err));
		if (atomic_load(&hsm->inits) == atomic_load(&hsm->module->inits))
			return CLV_OK;
		/* Another token of this module had it initialised: our sessions are gone as well.
		 */
		hsm_leave(hsm);
		rc = clv_fail(err, CLV_E_UNAVAILABLE, "the module was initialised again");
		breaker_orphaned(hsm, err);
	}
	return rc;
}

void hsm_leave(struct hsm *hsm)
{
	hsm_module_leave(hsm->module);
	atomic_fetch_sub(&hsm->in_flight, 1);
}

clv_rc hsm_require_hierarchy(const struct hsm *hsm, struct clv_err *err)
{
	if (hsm->caps.lacking[0] == '\0')
		return CLV_OK;
	return clv_fail(err, CLV_E_UNIMPLEMENTED, "the token cannot hold a key hierarchy: %s",
			hsm->caps.lacking);
}

/* ---- opening and closing ---- */

static unsigned lower_of(unsigned wanted, CK_ULONG most)
{
	if (most == CK_EFFECTIVELY_INFINITE || most == CK_UNAVAILABLE_INFORMATION || most > wanted)
		return wanted;
	return (unsigned) most;
}

/* The pool needs the token's limit, and the first connection the pool: so a look at the token. */
static clv_rc make_pool(struct hsm *hsm, unsigned wanted, struct clv_err *err)
{
	CK_TOKEN_INFO info;
	clv_rc rc;

	CLV_TRY(hsm_module_enter(hsm->module, err));
	rc = find_slot(hsm, &info, err);
	hsm_module_leave(hsm->module);
	CLV_TRY(rc);
	hsm->info = info; /* the PIN mark is named by its serial number */
	wanted = lower_of(wanted, info.ulMaxSessionCount);
	return hsm_pool_init(hsm, lower_of(wanted, info.ulMaxRwSessionCount),
			     err); /* ours are RW */
}

static clv_rc open_locked(struct hsm *hsm, const struct hsm_options *options, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	struct clv_deadline deadline = clv_deadline_in(hsm->wait_ms);
	unsigned sessions = options->max_sessions != 0 ? options->max_sessions : SESSIONS_DEFAULT;
	unsigned keys = options->max_keys != 0 ? options->max_keys : KEYS_DEFAULT;

	CLV_TRY(hsm_lock(hsm->state_dir, HSM_LOCK_LOGIN, true, deadline, &lock, err));
	CLV_TRY(put_files_right(hsm, deadline, err));
	CLV_TRY(hsm_module_load(hsm->uri.module_path, hsm->uri.conf, &hsm->module, err));
	CLV_TRY(make_pool(hsm, sessions, err));
	CLV_TRY(hsm_cache_init(hsm, keys, err));
	CLV_TRY(connect(hsm, err));
	breaker_closed(hsm);
	/* This login went well, so the token's files are whole. */
	return hsm->uri.ours ? hsm_softhsm_keep_tokens(hsm->uri.conf, hsm->state_dir, err) : CLV_OK;
}

static clv_rc new_hsm(const struct hsm_options *options, struct hsm **ret_hsm, struct clv_err *err)
{
	struct hsm *hsm = calloc(1, sizeof *hsm);

	if (hsm == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a token");
	pthread_mutex_init(&hsm->attach, NULL);
	pthread_mutex_init(&hsm->breaker_lock, NULL);
	pthread_mutex_init(&hsm->verdict_lock, NULL);
	hsm->wait_ms = options->wait_ms != 0 ? options->wait_ms : WAIT_DEFAULT_MS;
	*ret_hsm = hsm;
	if (options->state_dir != NULL && (hsm->state_dir = strdup(options->state_dir)) == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a token");
	return hsm_uri_parse(options->uri, options->base_dir, &hsm->uri, err);
}

clv_rc hsm_open(const struct hsm_options *options, struct hsm **ret_hsm, struct clv_err *err)
{
	CLV_AUTO(hsm_close) struct hsm *hsm = NULL;

	CLV_TRY(new_hsm(options, &hsm, err));
	CLV_TRY(open_locked(hsm, options, err));
	*ret_hsm = CLV_TAKE(hsm);
	return CLV_OK;
}

struct hsm *hsm_close(struct hsm *hsm)
{
	struct clv_err ignored;

	if (hsm == NULL)
		return NULL;
	if (hsm->pool.all != NULL && hsm_module_enter(hsm->module, &ignored) == CLV_OK) {
		hsm_pool_end_all(hsm, atomic_load(&hsm->inits) != atomic_load(&hsm->module->inits));
		hsm_module_leave(hsm->module);
	}
	hsm_cache_done(hsm);
	hsm_pool_done(hsm);
	hsm_module_release(hsm->module);
	pthread_mutex_destroy(&hsm->attach);
	pthread_mutex_destroy(&hsm->breaker_lock);
	pthread_mutex_destroy(&hsm->verdict_lock);
	free(hsm->state_dir);
	free(hsm);
	return NULL;
}

void hsm_signals_block(struct hsm_signal_guard *guard)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, &guard->before);
}

void hsm_signals_restore(struct hsm_signal_guard *guard)
{
	pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

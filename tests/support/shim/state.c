/* SPDX-License-Identifier: Apache-2.0 */
/* What the shim knows and what it was told: one lock around it, never held over a real call. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/shim/impl.h"

#define SESSIONS_MAX 1024
#define FAULTS_MAX 8
#define LEN(a) (sizeof(a) / sizeof((a)[0]))

struct session {
	CK_SESSION_HANDLE handle; /* 0: free */
	unsigned users;           /* threads in a call on it */
	unsigned operations;      /* bits of `operations` */
};

struct object {
	CK_OBJECT_HANDLE handle;
	CK_SESSION_HANDLE session;
	enum shim_function maker;
	bool on_token;
};

struct fault {
	enum shim_function function;
	unsigned left; /* calls until it comes; 0: free */
	CK_RV rv;
	unsigned how;
};

static struct {
	pthread_mutex_t lock;
	struct session sessions[SESSIONS_MAX];
	struct object *objects;
	size_t n_objects, objects_room;
	unsigned n_sessions, n_shared, n_given;
	unsigned calls[SHIM_N_FUNCTIONS + 1];

	struct fault faults[FAULTS_MAX];
	uint64_t chaos;
	unsigned chaos_one_in;
	struct {
		void (*call)(void *arg);
		void *arg;
		unsigned delay_us;
	} hooks[SHIM_N_FUNCTIONS];
	CK_RV gone;           /* CKR_OK: the token is there */
	bool back_after_init; /* it is there again once the module is initialised anew */
	bool until_init;
	unsigned most_sessions;
	bool says_most;
	CK_FLAGS more_flags;
	enum shim_function weak_maker;
	CK_ATTRIBUTE_TYPE weak_type; /* 0: none */
	CK_MECHANISM_TYPE hidden[8];
	size_t n_hidden;
} st = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void lock(void)
{
	pthread_mutex_lock(&st.lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&st.lock);
}

/* ---- what is open ---- */

static struct session *session_locked(CK_SESSION_HANDLE handle)
{
	for (size_t i = 0; handle != 0 && i < SESSIONS_MAX; i++) {
		if (st.sessions[i].handle == handle)
			return &st.sessions[i];
	}
	return NULL;
}

/* A call on a length only (no output buffer) does not end an operation; nobody here makes one. */
static const struct {
	enum shim_function begins, ends;
} operations[] = {
	{ SHIM_C_EncryptInit, SHIM_C_Encrypt }, { SHIM_C_DecryptInit, SHIM_C_Decrypt },
	{ SHIM_C_SignInit, SHIM_C_Sign },       { SHIM_C_VerifyInit, SHIM_C_Verify },
	{ SHIM_C_DigestInit, SHIM_C_Digest },   { SHIM_C_FindObjectsInit, SHIM_C_FindObjectsFinal },
};

static void note_operation_locked(struct session *session, enum shim_function function, CK_RV rv)
{
	for (unsigned i = 0; i < LEN(operations); i++) {
		if (operations[i].begins == function && rv == CKR_OK)
			session->operations |= 1u << i;
		else if (operations[i].ends == function && rv != CKR_BUFFER_TOO_SMALL)
			session->operations &= ~(1u << i);
	}
}

static void drop_objects_locked(CK_SESSION_HANDLE session, bool all)
{
	size_t kept = 0;

	for (size_t i = 0; i < st.n_objects; i++) {
		if (st.objects[i].on_token ? !all : !all && st.objects[i].session != session)
			st.objects[kept++] = st.objects[i];
	}
	st.n_objects = kept;
}

CK_RV shim_may_open(void)
{
	CK_RV rv;

	lock();
	rv = st.most_sessions != 0 && st.n_sessions >= st.most_sessions ? CKR_SESSION_COUNT
									: CKR_OK;
	unlock();
	return rv;
}

void shim_opened(CK_SESSION_HANDLE handle)
{
	lock();
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		if (st.sessions[i].handle != 0)
			continue;
		st.sessions[i] = (struct session){ .handle = handle };
		st.n_sessions++;
		unlock();
		return;
	}
	abort();
}

void shim_closed(CK_SESSION_HANDLE handle)
{
	struct session *session;

	lock();
	session = session_locked(handle);
	if (session != NULL) {
		drop_objects_locked(handle, false);
		*session = (struct session){ 0 };
		st.n_sessions--;
	}
	unlock();
}

void shim_closed_all(void)
{
	lock();
	memset(st.sessions, 0, sizeof st.sessions);
	st.n_sessions = 0;
	drop_objects_locked(0, true);
	unlock();
}

void shim_initialised(void)
{
	lock();
	if (st.back_after_init) {
		st.back_after_init = false;
		st.gone = CKR_OK;
	}
	unlock();
}

void shim_made(enum shim_function maker, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
	CK_BBOOL on_token = CK_FALSE;
	CK_ATTRIBUTE got = { CKA_TOKEN, &on_token, sizeof on_token };

	shim_real()->C_GetAttributeValue(session, handle, &got, 1);
	lock();
	if (st.n_objects == st.objects_room) {
		st.objects_room = st.objects_room * 2 + 64;
		st.objects = realloc(st.objects, st.objects_room * sizeof *st.objects);
		if (st.objects == NULL)
			abort();
	}
	st.objects[st.n_objects++] =
		(struct object){ handle, session, maker, on_token != CK_FALSE };
	unlock();
}

void shim_destroyed(CK_OBJECT_HANDLE handle)
{
	lock();
	for (size_t i = st.n_objects; i-- > 0;) {
		if (st.objects[i].handle == handle) {
			st.objects[i] = st.objects[--st.n_objects];
			break;
		}
	}
	unlock();
}

static unsigned kill_sessions(bool only_keepers)
{
	CK_SESSION_HANDLE victim[SESSIONS_MAX];
	unsigned n = 0;

	lock();
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		bool keeper = false;

		for (size_t j = 0; j < st.n_objects; j++)
			keeper |= !st.objects[j].on_token &&
				  st.objects[j].session == st.sessions[i].handle;
		if (st.sessions[i].handle != 0 && (keeper || !only_keepers))
			victim[n++] = st.sessions[i].handle;
	}
	unlock();
	for (unsigned i = 0; i < n; i++) {
		shim_closed(victim[i]);
		shim_real()->C_CloseSession(victim[i]);
	}
	return n;
}

/* ---- lies ---- */

void shim_tell_info(CK_TOKEN_INFO *info)
{
	lock();
	info->flags |= st.more_flags;
	if (st.says_most && st.most_sessions != 0)
		info->ulMaxSessionCount = st.most_sessions;
	unlock();
}

void shim_tell_attributes(CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *tpl, CK_ULONG n)
{
	bool weak = false;

	lock();
	for (size_t i = 0; st.weak_type != 0 && i < st.n_objects; i++)
		weak |= st.objects[i].handle == handle && st.objects[i].maker == st.weak_maker;
	for (CK_ULONG i = 0; weak && i < n; i++) {
		if (tpl[i].type == st.weak_type && tpl[i].ulValueLen == 1)
			*(CK_BBOOL *) tpl[i].pValue ^= 1;
	}
	unlock();
}

/* ---- faults ---- */

static uint64_t next_random_locked(void)
{
	st.chaos ^= st.chaos << 13;
	st.chaos ^= st.chaos >> 7;
	st.chaos ^= st.chaos << 17;
	return st.chaos;
}

/* Never a PIN code: that would be told once and remembered for good. */
static CK_RV chaos_locked(enum shim_function function, unsigned *how)
{
	static const CK_RV sick[] = { CKR_GENERAL_ERROR,      CKR_DEVICE_ERROR,
				      CKR_DEVICE_ERROR,       CKR_SESSION_HANDLE_INVALID,
				      CKR_SESSION_CLOSED,     CKR_KEY_HANDLE_INVALID,
				      CKR_OPERATION_ACTIVE,   CKR_DEVICE_REMOVED,
				      CKR_TOKEN_NOT_PRESENT,  CKR_CRYPTOKI_NOT_INITIALIZED,
				      CKR_USER_NOT_LOGGED_IN, CKR_SESSION_COUNT,
				      CKR_DEVICE_MEMORY,      CKR_HOST_MEMORY,
				      CKR_FUNCTION_FAILED,    CKR_OBJECT_HANDLE_INVALID };

	if (st.chaos_one_in == 0 || function == SHIM_C_Initialize || function == SHIM_C_Finalize ||
	    next_random_locked() % st.chaos_one_in != 0)
		return CKR_OK;
	*how = SHIM_ONCE;
	if (next_random_locked() % 4 == 0 && function != SHIM_C_OpenSession)
		*how = SHIM_AFTER; /* but nobody could ever close a session like that */
	return sick[next_random_locked() % LEN(sick)];
}

static CK_RV fault_locked(enum shim_function function, unsigned *how)
{
	CK_RV rv = CKR_OK;

	for (size_t i = 0; i < FAULTS_MAX; i++) {
		struct fault *fault = &st.faults[i];

		if (fault->left == 0 ||
		    (fault->function != SHIM_ANY && fault->function != function))
			continue;
		if (--fault->left != 0)
			continue;
		if ((fault->how & SHIM_ALWAYS) != 0)
			fault->left = 1;
		rv = fault->rv;
		*how = fault->how;
	}
	if (rv == CKR_OK)
		rv = chaos_locked(function, how);
	st.n_given += rv != CKR_OK;
	return rv;
}

static CK_RV refused_locked(enum shim_function function, const CK_MECHANISM *mech)
{
	if (st.gone != CKR_OK && function != SHIM_C_Initialize && function != SHIM_C_Finalize &&
	    function != SHIM_C_GetSlotList)
		return st.gone;
	for (size_t i = 0; mech != NULL && i < st.n_hidden; i++) {
		if (st.hidden[i] == mech->mechanism)
			return CKR_MECHANISM_INVALID;
	}
	return CKR_OK;
}

static void sleep_us(unsigned us)
{
	const struct timespec nap = { us / 1000000, (long) (us % 1000000) * 1000 };

	if (us != 0)
		nanosleep(&nap, NULL);
}

struct shim_call shim_begin(enum shim_function function, CK_SESSION_HANDLE handle,
			    const CK_MECHANISM *mech)
{
	struct shim_call call = { .function = function, .session = handle };
	void (*hook)(void *arg);
	struct session *session;
	unsigned how = SHIM_ONCE, delay_us;
	void *arg;
	CK_RV rv;

	lock();
	st.calls[function]++;
	st.calls[SHIM_ANY]++;
	session = session_locked(handle);
	if (session != NULL && session->users++ != 0)
		st.n_shared++;
	rv = fault_locked(function, &how);
	if ((how & SHIM_AFTER) != 0)
		call.instead = rv;
	else
		call.refused = rv;
	if (call.refused == CKR_OK)
		call.refused = refused_locked(function, mech);
	hook = st.hooks[function].call;
	arg = st.hooks[function].arg;
	delay_us = st.hooks[function].delay_us;
	unlock();
	if (hook != NULL)
		hook(arg);
	sleep_us(delay_us);
	return call;
}

CK_RV shim_end(const struct shim_call *call, CK_RV rv)
{
	struct session *session;

	lock();
	session = session_locked(call->session);
	if (session != NULL && session->users > 0)
		session->users--;
	if (session != NULL && call->refused == CKR_OK)
		note_operation_locked(session, call->function, rv);
	unlock();
	return call->instead != CKR_OK ? call->instead : rv;
}

/* ---- what a test says ---- */

static void heal(void)
{
	lock();
	memset(st.faults, 0, sizeof st.faults);
	st.chaos_one_in = 0;
	unlock();
}

static void reset(void)
{
	lock();
	memset(st.faults, 0, sizeof st.faults);
	memset(st.hooks, 0, sizeof st.hooks);
	memset(st.calls, 0, sizeof st.calls);
	st.chaos_one_in = st.n_given = st.n_shared = st.most_sessions = 0;
	st.gone = CKR_OK;
	st.back_after_init = st.says_most = false;
	st.more_flags = st.weak_type = 0;
	st.n_hidden = 0;
	unlock();
	shim_gcm_set(SHIM_GCM_REAL, 0);
	shim_mute_random(false);
}

static void set_fault(enum shim_function function, unsigned nth, CK_RV rv, unsigned how)
{
	lock();
	for (size_t i = 0; i < FAULTS_MAX; i++) {
		if (st.faults[i].left == 0) {
			st.faults[i] = (struct fault){ function, nth, rv, how };
			break;
		}
	}
	unlock();
}

static void chaos(uint64_t seed, unsigned one_in)
{
	lock();
	st.chaos = seed | 1;
	st.chaos_one_in = one_in;
	unlock();
}

static unsigned faults_given(void)
{
	unsigned n;

	lock();
	n = st.n_given;
	unlock();
	return n;
}

static void set_hook(enum shim_function function, void (*hook)(void *arg), void *arg)
{
	lock();
	st.hooks[function].call = hook;
	st.hooks[function].arg = arg;
	unlock();
}

static void delay(enum shim_function function, unsigned us)
{
	lock();
	st.hooks[function].delay_us = us;
	unlock();
}

static void gone(CK_RV rv, bool until_init)
{
	lock();
	st.gone = rv;
	st.until_init = until_init;
	st.back_after_init = false;
	unlock();
}

static void back(void)
{
	lock();
	if (st.until_init)
		st.back_after_init = true;
	else
		st.gone = CKR_OK;
	unlock();
}

static void limit_sessions(unsigned most, bool say_so)
{
	lock();
	st.most_sessions = most;
	st.says_most = say_so;
	unlock();
}

static void token_flags(CK_FLAGS more)
{
	lock();
	st.more_flags = more;
	unlock();
}

static void weaken(enum shim_function maker, CK_ATTRIBUTE_TYPE type)
{
	lock();
	st.weak_maker = maker;
	st.weak_type = type;
	unlock();
}

static void hide(CK_MECHANISM_TYPE mech)
{
	lock();
	if (st.n_hidden < LEN(st.hidden))
		st.hidden[st.n_hidden++] = mech;
	unlock();
}

static unsigned calls(enum shim_function function)
{
	unsigned n;

	lock();
	n = st.calls[function];
	unlock();
	return n;
}

static unsigned n_sessions(void)
{
	unsigned n;

	lock();
	n = st.n_sessions;
	unlock();
	return n;
}

static unsigned n_session_objects(void)
{
	unsigned n = 0;

	lock();
	for (size_t i = 0; i < st.n_objects; i++)
		n += !st.objects[i].on_token;
	unlock();
	return n;
}

static unsigned n_operations(void)
{
	unsigned n = 0;

	lock();
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		n += st.sessions[i].operations != 0;
	unlock();
	return n;
}

static unsigned n_shared(void)
{
	unsigned n;

	lock();
	n = st.n_shared;
	unlock();
	return n;
}

shim_ops_fn shim_ops;
const struct shim_ops *shim_ops(void)
{
	static const struct shim_ops ops = {
		.real = shim_real,
		.set_real = shim_set_real,
		.reset = reset,
		.fault = set_fault,
		.chaos = chaos,
		.heal = heal,
		.faults_given = faults_given,
		.hook = set_hook,
		.delay = delay,
		.gone = gone,
		.back = back,
		.limit_sessions = limit_sessions,
		.token_flags = token_flags,
		.gcm = shim_gcm_set,
		.weaken = weaken,
		.mute_random = shim_mute_random,
		.hide = hide,
		.kill_sessions = kill_sessions,
		.calls = calls,
		.sessions = n_sessions,
		.session_objects = n_session_objects,
		.operations = n_operations,
		.shared = n_shared,
	};

	return &ops;
}

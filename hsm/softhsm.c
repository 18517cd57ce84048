/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SoftHSM for demonstrations and tests: making a token, and living with its files. It rewrites
 * token.object in place at every login and an object's file at every attribute write; a process
 * killed in between leaves an empty file and every key of the token is lost. So the home keeps
 * copies and puts them back. None of this is done for other tokens.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <p11-kit/uri.h>

#include "hsm/internal.h"
#include "lib/base/bytes.h"

#define FILE_MAX (64 * 1024) /* bytes; SoftHSM's object files are far smaller */
#define PIN_NAME_BYTES 4     /* random bytes in the name of a PIN file */
#define PIN_BYTES 16         /* random bytes of a PIN, written as twice as many hex digits */

/* ---- files ---- */

static clv_rc make_dir(const char *path, struct clv_err *err)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return hsm_fail_write(path, errno, err);
	return CLV_OK;
}

CLV_PRINTF(3, 4)
static clv_rc format_path(char path[HSM_PATH_MAX], struct clv_err *err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, HSM_PATH_MAX, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= HSM_PATH_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the path of the home is too long");
	return CLV_OK;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Reads a whole file; *ret_len is 0 when there is none. */
static clv_rc read_file(const char *path, uint8_t *bytes, size_t *ret_len, struct clv_err *err)
{
	CLV_AUTO_DONE(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t len = 0;
	ssize_t n = 1;

	*ret_len = 0;
	if (fd < 0 &&
	    (errno == ENOENT || errno == ENOTDIR)) /* a stray file beside the tokens' folders */
		return CLV_OK;
	if (fd < 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "%s", path);
	while (n > 0 && len < FILE_MAX) {
		n = read(fd, bytes + len, FILE_MAX - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "%s", path);
		else
			len += (size_t) n;
	}
	*ret_len = len;
	return CLV_OK;
}

static clv_rc sync_dir(const char *path, struct clv_err *err)
{
	CLV_AUTO_DONE(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "%s", path);
	return CLV_OK;
}

/* Writes a file beside its place and renames it: it is there whole or not at all. */
static clv_rc write_file(const char *path, const uint8_t *bytes, size_t len, struct clv_err *err)
{
	CLV_AUTO_DONE(close_fd) int fd = -1;
	char part[HSM_PATH_MAX];

	CLV_TRY(format_path(part, err, "%s.part", path));
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return hsm_fail_write(part, errno, err);
	errno = ENOSPC; /* why else would a write be short */
	if (write(fd, bytes, len) != (ssize_t) len || fsync(fd) != 0 || rename(part, path) != 0) {
		int errnum = errno;

		unlink(part);
		return hsm_fail_write(path, errnum, err);
	}
	return CLV_OK;
}

static DIR *dir_close(DIR *dir)
{
	if (dir != NULL)
		closedir(dir);
	return NULL;
}
CLV_DEFINE_AUTO(DIR, dir_close);

/* Calls `each` with every entry of a folder that is not hidden. */
static clv_rc for_each(const char *path, void *arg,
		       clv_rc (*each)(const char *dir, const char *name, void *arg,
				      struct clv_err *err),
		       struct clv_err *err)
{
	CLV_AUTO(dir_close) DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL && (errno == ENOENT || errno == ENOTDIR))
		return CLV_OK;
	if (dir == NULL)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "folder %s", path);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			CLV_TRY(each(path, entry->d_name, arg, err));
	}
	return CLV_OK;
}

/* ---- copies of token files ---- */

struct copies {
	const char *guard; /* where the copies are */
	uint8_t live[FILE_MAX], copy[FILE_MAX];
};

/* The folder that the configuration lies in holds the tokens. */
static clv_rc tokens_dir(const char *conf, char path[HSM_PATH_MAX], struct clv_err *err)
{
	const char *slash = strrchr(conf, '/');

	return format_path(path, err, "%.*s/tokens", slash != NULL ? (int) (slash - conf) : 1,
			   slash != NULL ? conf : ".");
}

/* A token's file has the same length after every login; shorter means torn. */
static clv_rc repair_token(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	struct copies *copies = arg;
	char live[HSM_PATH_MAX], copy[HSM_PATH_MAX];
	size_t live_len, copy_len;

	CLV_TRY(format_path(live, err, "%s/%s/token.object", dir, name));
	CLV_TRY(format_path(copy, err, "%s/%s.token", copies->guard, name));
	CLV_TRY(read_file(copy, copies->copy, &copy_len, err));
	CLV_TRY(read_file(live, copies->live, &live_len, err));
	if (live_len >= copy_len)
		return CLV_OK;
	return write_file(live, copies->copy, copy_len, err);
}

static clv_rc keep_token(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	struct copies *copies = arg;
	char live[HSM_PATH_MAX], copy[HSM_PATH_MAX];
	size_t live_len, copy_len;

	CLV_TRY(format_path(live, err, "%s/%s/token.object", dir, name));
	CLV_TRY(format_path(copy, err, "%s/%s.token", copies->guard, name));
	CLV_TRY(read_file(live, copies->live, &live_len, err));
	CLV_TRY(read_file(copy, copies->copy, &copy_len, err));
	if (live_len == 0 ||
	    (live_len == copy_len && CRYPTO_memcmp(copies->live, copies->copy, live_len) == 0))
		return CLV_OK;
	return write_file(copy, copies->live, live_len, err);
}

static struct copies *copies_free(struct copies *copies)
{
	if (copies != NULL)
		OPENSSL_clear_free(copies, sizeof *copies);
	return NULL;
}
CLV_DEFINE_AUTO(struct copies, copies_free);

static clv_rc for_each_token(const char *conf, const char *state_dir,
			     clv_rc (*each)(const char *dir, const char *name, void *arg,
					    struct clv_err *err),
			     struct clv_err *err)
{
	CLV_AUTO(copies_free) struct copies *copies = NULL;
	char tokens[HSM_PATH_MAX], guard[HSM_PATH_MAX];

	if (conf[0] == '\0' || state_dir == NULL)
		return CLV_OK;
	copies = OPENSSL_zalloc(sizeof *copies);
	if (copies == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the token's files");
	CLV_TRY(tokens_dir(conf, tokens, err));
	CLV_TRY(format_path(guard, err, "%s/softhsm-guard", state_dir));
	CLV_TRY(make_dir(guard, err));
	copies->guard = guard;
	return for_each(tokens, copies, each, err);
}

clv_rc hsm_softhsm_keep_tokens(const char *conf, const char *state_dir, struct clv_err *err)
{
	return for_each_token(conf, state_dir, keep_token, err);
}

/* SoftHSM wants an absolute token folder; a home that was moved has another one now. */
static clv_rc write_conf(const char *conf, struct clv_err *err)
{
	char tokens[HSM_PATH_MAX], text[HSM_PATH_MAX + 256];
	uint8_t now[FILE_MAX];
	size_t now_len;
	int len;

	CLV_TRY(tokens_dir(conf, tokens, err));
	len = snprintf(text, sizeof text,
		       "# written by claviger for the tokens of this home\n"
		       "directories.tokendir = %s\n"
		       "objectstore.backend = file\n"
		       "log.level = ERROR\n"
		       "slots.removable = false\n",
		       tokens);
	CLV_TRY(read_file(conf, now, &now_len, err));
	if (now_len == (size_t) len && CRYPTO_memcmp(now, text, now_len) == 0)
		return CLV_OK;
	return write_file(conf, (const uint8_t *) text, (size_t) len, err);
}

clv_rc hsm_softhsm_repair(const char *conf, const char *state_dir, struct clv_err *err)
{
	if (conf[0] == '\0')
		return CLV_OK;
	CLV_TRY(write_conf(conf, err));
	return for_each_token(conf, state_dir, repair_token, err);
}

/* ---- copies of object files while one is written ---- */

/*
 * Which file belongs to which object cannot be told from outside, so all of the token's are copied.
 * There are few: tokens hold roots, helpers and TOKEN-resident versions.
 */
static clv_rc write_dirs(const struct hsm *hsm, char tokens[HSM_PATH_MAX],
			 char copies[HSM_PATH_MAX], struct clv_err *err)
{
	CLV_TRY(tokens_dir(hsm->uri.conf, tokens, err));
	return format_path(copies, err, "%s/softhsm-write", hsm->state_dir);
}

static bool is_object_file(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && strcmp(dot, ".object") == 0 && strcmp(name, "token.object") != 0;
}

struct transfer {
	const char *other; /* the other folder */
	bool hold_name; /* copying out: name files TOKEN+OBJECT, as the copies lie in one folder */
	const char *token;
	uint8_t bytes[FILE_MAX], there[FILE_MAX];
};

static struct transfer *transfer_free(struct transfer *transfer)
{
	if (transfer != NULL)
		OPENSSL_clear_free(transfer, sizeof *transfer);
	return NULL;
}
CLV_DEFINE_AUTO(struct transfer, transfer_free);

static clv_rc copy_out(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	struct transfer *transfer = arg;
	char from[HSM_PATH_MAX], to[HSM_PATH_MAX];
	size_t len;

	if (!is_object_file(name))
		return CLV_OK;
	CLV_TRY(format_path(from, err, "%s/%s", dir, name));
	CLV_TRY(format_path(to, err, "%s/%s+%s", transfer->other, transfer->token, name));
	CLV_TRY(read_file(from, transfer->bytes, &len, err));
	return write_file(to, transfer->bytes, len, err);
}

static clv_rc copy_token_out(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	struct transfer *transfer = arg;
	char from[HSM_PATH_MAX];

	CLV_TRY(format_path(from, err, "%s/%s", dir, name));
	transfer->token = name;
	return for_each(from, transfer, copy_out, err);
}

static clv_rc copy_back(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	struct transfer *transfer = arg;
	const char *plus = strchr(name, '+');
	char from[HSM_PATH_MAX], to[HSM_PATH_MAX];
	size_t len, there;

	if (plus == NULL)
		return CLV_OK;
	CLV_TRY(format_path(from, err, "%s/%s", dir, name));
	CLV_TRY(format_path(to, err, "%s/%.*s/%s", transfer->other, (int) (plus - name), name,
			    plus + 1));
	CLV_TRY(read_file(from, transfer->bytes, &len, err));
	CLV_TRY(read_file(to, transfer->there, &there, err));
	if (len == there && CRYPTO_memcmp(transfer->bytes, transfer->there, len) == 0)
		return CLV_OK;
	return write_file(to, transfer->bytes, len, err);
}

static clv_rc remove_one(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	char path[HSM_PATH_MAX];

	(void) arg;
	CLV_TRY(format_path(path, err, "%s/%s", dir, name));
	unlink(path);
	return CLV_OK;
}

static void drop_copies(const char *copies)
{
	struct clv_err ignored;

	if (for_each(copies, NULL, remove_one, &ignored) == CLV_OK)
		rmdir(copies);
}

static bool guards_writes(const struct hsm *hsm)
{
	return hsm->uri.ours && hsm->state_dir != NULL;
}

clv_rc hsm_softhsm_write_begin(const struct hsm *hsm, struct clv_err *err)
{
	CLV_AUTO(transfer_free) struct transfer *transfer = NULL;
	char tokens[HSM_PATH_MAX], copies[HSM_PATH_MAX], part[HSM_PATH_MAX];

	if (!guards_writes(hsm))
		return CLV_OK;
	transfer = OPENSSL_zalloc(sizeof *transfer);
	if (transfer == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the token's files");
	CLV_TRY(write_dirs(hsm, tokens, copies, err));
	CLV_TRY(format_path(part, err, "%s.part", copies));
	drop_copies(part);
	CLV_TRY(make_dir(part, err));
	transfer->other = part;
	CLV_TRY(for_each(tokens, transfer, copy_token_out, err));
	CLV_TRY(sync_dir(part, err));
	if (rename(part, copies) != 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "%s", copies);
	return sync_dir(hsm->state_dir, err);
}

void hsm_softhsm_write_end(const struct hsm *hsm)
{
	char tokens[HSM_PATH_MAX], copies[HSM_PATH_MAX], part[HSM_PATH_MAX];
	struct clv_err ignored;

	if (!guards_writes(hsm) || write_dirs(hsm, tokens, copies, &ignored) != CLV_OK ||
	    format_path(part, &ignored, "%s.part", copies) != CLV_OK)
		return;
	/* Out of sight in one step; a half-emptied folder must not be put back. */
	if (rename(copies, part) == 0)
		drop_copies(part);
}

static clv_rc write_undo(const struct hsm *hsm, struct clv_err *err)
{
	CLV_AUTO(transfer_free) struct transfer *transfer = NULL;
	char tokens[HSM_PATH_MAX], copies[HSM_PATH_MAX];

	if (!guards_writes(hsm))
		return CLV_OK;
	CLV_TRY(write_dirs(hsm, tokens, copies, err));
	if (access(copies, F_OK) != 0)
		return CLV_OK;
	transfer = OPENSSL_zalloc(sizeof *transfer);
	if (transfer == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the token's files");
	transfer->other = tokens;
	CLV_TRY(for_each(copies, transfer, copy_back, err));
	hsm_softhsm_write_end(hsm);
	return CLV_OK;
}

/* SoftHSM does not wait for the disk. `arg`: files that are older than this need no waiting for. */
static clv_rc sync_object(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	CLV_AUTO_DONE(close_fd) int fd = -1;
	const time_t *since = arg;
	char path[HSM_PATH_MAX];
	struct stat st;

	if (!is_object_file(name))
		return CLV_OK;
	CLV_TRY(format_path(path, err, "%s/%s", dir, name));
	if (stat(path, &st) != 0 || st.st_mtime < *since)
		return CLV_OK;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fsync(fd) != 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "%s", path);
	return CLV_OK;
}

static clv_rc sync_token(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	char path[HSM_PATH_MAX];

	CLV_TRY(format_path(path, err, "%s/%s", dir, name));
	return for_each(path, arg, sync_object, err);
}

clv_rc hsm_softhsm_sync(const struct hsm *hsm, time_t since, struct clv_err *err)
{
	char tokens[HSM_PATH_MAX];

	if (!guards_writes(hsm))
		return CLV_OK;
	CLV_TRY(tokens_dir(hsm->uri.conf, tokens, err));
	return for_each(tokens, &since, sync_token, err);
}

/* ---- what a killed creation leaves ---- */

/*
 * A process killed while it makes an object leaves a file that is empty or lacks attributes, among
 * them the id by which recovery would find it. So the files there before are noted, and those that
 * came since are taken away by whoever next holds the object lock.
 */
struct making {
	struct clv_buf names; /* "TOKEN/OBJECT\n" for each */
	const char *token;
};

static void making_done(struct making *making)
{
	clv_buf_done(&making->names);
}

static clv_rc making_path(const struct hsm *hsm, char path[HSM_PATH_MAX], struct clv_err *err)
{
	return format_path(path, err, "%s/softhsm-making", hsm->state_dir);
}

static clv_rc note_object(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	struct making *making = arg;
	char line[HSM_PATH_MAX];

	(void) dir;
	if (!is_object_file(name))
		return CLV_OK;
	CLV_TRY(format_path(line, err, "%s/%s\n", making->token, name));
	return clv_buf_add(&making->names, line, strlen(line), err);
}

static clv_rc remove_unnoted(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	const struct making *making = arg;
	char line[HSM_PATH_MAX], path[HSM_PATH_MAX];

	if (!is_object_file(name))
		return CLV_OK;
	CLV_TRY(format_path(line, err, "%s/%s\n", making->token, name));
	if (making->names.len > 0 &&
	    memmem(making->names.data, making->names.len, line, strlen(line)) != NULL)
		return CLV_OK;
	CLV_TRY(format_path(path, err, "%s/%s", dir, name));
	unlink(path);
	CLV_TRY(format_path(path, err, "%s/%.*s.lock", dir,
			    (int) (strlen(name) - strlen(".object")), name));
	unlink(path);
	return CLV_OK;
}

static clv_rc note_token(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	char path[HSM_PATH_MAX];

	((struct making *) arg)->token = name;
	CLV_TRY(format_path(path, err, "%s/%s", dir, name));
	return for_each(path, arg, note_object, err);
}

static clv_rc clean_token(const char *dir, const char *name, void *arg, struct clv_err *err)
{
	char path[HSM_PATH_MAX];

	((struct making *) arg)->token = name;
	CLV_TRY(format_path(path, err, "%s/%s", dir, name));
	return for_each(path, arg, remove_unnoted, err);
}

clv_rc hsm_softhsm_make_begin(const struct hsm *hsm, struct clv_err *err)
{
	CLV_AUTO_DONE(making_done) struct making making = { .token = NULL };
	char tokens[HSM_PATH_MAX], path[HSM_PATH_MAX];

	if (!guards_writes(hsm))
		return CLV_OK;
	CLV_TRY(tokens_dir(hsm->uri.conf, tokens, err));
	CLV_TRY(making_path(hsm, path, err));
	CLV_TRY(for_each(tokens, &making, note_token, err));
	return write_file(path, making.names.data, making.names.len, err);
}

void hsm_softhsm_make_end(const struct hsm *hsm)
{
	char path[HSM_PATH_MAX];
	struct clv_err ignored;

	if (guards_writes(hsm) && making_path(hsm, path, &ignored) == CLV_OK)
		unlink(path);
}

static clv_rc read_making(const char *path, struct making *making, bool *ret_there,
			  struct clv_err *err)
{
	CLV_AUTO_DONE(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char bytes[4096];
	ssize_t n = 1;

	*ret_there = fd >= 0;
	if (fd < 0 && errno == ENOENT)
		return CLV_OK;
	while (fd >= 0 && n > 0) {
		n = read(fd, bytes, sizeof bytes);
		if (n > 0)
			CLV_TRY(clv_buf_add(&making->names, bytes, (size_t) n, err));
	}
	if (fd < 0 || n < 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "%s", path);
	return CLV_OK;
}

static clv_rc make_undo(const struct hsm *hsm, struct clv_err *err)
{
	CLV_AUTO_DONE(making_done) struct making making = { .token = NULL };
	char tokens[HSM_PATH_MAX], path[HSM_PATH_MAX];
	bool there;

	if (!guards_writes(hsm))
		return CLV_OK;
	CLV_TRY(tokens_dir(hsm->uri.conf, tokens, err));
	CLV_TRY(making_path(hsm, path, err));
	CLV_TRY(read_making(path, &making, &there, err));
	if (!there)
		return CLV_OK;
	CLV_TRY(for_each(tokens, &making, clean_token, err));
	hsm_softhsm_make_end(hsm);
	return CLV_OK;
}

bool hsm_softhsm_interrupted(const struct hsm *hsm)
{
	char tokens[HSM_PATH_MAX], copies[HSM_PATH_MAX], making[HSM_PATH_MAX];
	struct clv_err ignored;

	return guards_writes(hsm) && write_dirs(hsm, tokens, copies, &ignored) == CLV_OK &&
	       making_path(hsm, making, &ignored) == CLV_OK &&
	       (access(copies, F_OK) == 0 || access(making, F_OK) == 0);
}

clv_rc hsm_softhsm_undo(const struct hsm *hsm, struct clv_err *err)
{
	CLV_TRY(write_undo(hsm, err));
	return make_undo(hsm, err);
}

/* ---- a new token ---- */

static clv_rc new_pin(const char *path, struct clv_secret **ret_pin, struct clv_err *err)
{
	static const char digits[] = "0123456789abcdef";
	CLV_AUTO(clv_secret_free) struct clv_secret *pin = NULL;
	uint8_t *text;

	CLV_TRY(clv_secret_new(2 * PIN_BYTES, &pin, err));
	text = clv_secret_mutable_bytes(pin);
	if (RAND_priv_bytes(text + PIN_BYTES, PIN_BYTES) != 1)
		return clv_fail(err, CLV_E_INTERNAL, "no random bytes for a PIN");
	for (size_t i = 0; i < PIN_BYTES; i++) { /* in place: the digits never overtake the bytes */
		uint8_t byte = text[PIN_BYTES + i];

		text[2 * i] = (uint8_t) digits[byte >> 4];
		text[2 * i + 1] = (uint8_t) digits[byte & 15];
	}
	CLV_TRY(write_file(path, text, 2 * PIN_BYTES, err));
	*ret_pin = CLV_TAKE(pin);
	return CLV_OK;
}

static clv_rc find_free_slot(struct hsm_module *module, CK_SLOT_ID *ret_slot, struct clv_err *err)
{
	CK_SLOT_ID slots[256];
	CK_ULONG n = 0;
	CK_TOKEN_INFO info;
	CK_RV rv =
		hsm_C_GetSlotList(module, CK_TRUE, NULL, &n); /* makes SoftHSM offer a free slot */

	if (rv == CKR_OK) {
		n = CLV_ARRAY_LEN(slots);
		rv = hsm_C_GetSlotList(module, CK_TRUE, slots, &n);
	}
	if (rv != CKR_OK)
		return hsm_fail(err, "C_GetSlotList", rv);
	for (CK_ULONG i = 0; i < n; i++) {
		if (hsm_C_GetTokenInfo(module, slots[i], &info) == CKR_OK &&
		    (info.flags & CKF_TOKEN_INITIALIZED) == 0) {
			*ret_slot = slots[i];
			return CLV_OK;
		}
	}
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "SoftHSM offers no free slot");
}

static clv_rc set_user_pin(struct hsm_module *module, CK_SLOT_ID slot, struct clv_secret *so_pin,
			   struct clv_secret *pin, struct clv_err *err)
{
	CK_SESSION_HANDLE session;
	const char *op = "C_OpenSession";
	CK_RV rv = hsm_C_OpenSession(module, slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, &session);

	if (rv != CKR_OK)
		return hsm_fail(err, op, rv);
	op = "C_Login";
	rv = hsm_C_Login(module, session, CKU_SO, clv_secret_mutable_bytes(so_pin),
			 clv_secret_len(so_pin));
	if (rv == CKR_OK) {
		op = "C_InitPIN";
		rv = hsm_C_InitPIN(module, session, clv_secret_mutable_bytes(pin),
				   clv_secret_len(pin));
		hsm_C_Logout(module, session);
	}
	hsm_C_CloseSession(module, session);
	return rv == CKR_OK ? CLV_OK : hsm_fail(err, op, rv);
}

static clv_rc init_token(struct hsm_module *module, const char *label, struct clv_secret *so_pin,
			 struct clv_secret *pin, CK_TOKEN_INFO *ret_info, struct clv_err *err)
{
	CK_BYTE padded[32];
	CK_SLOT_ID slot = 0;
	CK_RV rv;

	memset(padded, ' ', sizeof padded);
	memcpy(padded, label, strnlen(label, sizeof padded));
	CLV_TRY(find_free_slot(module, &slot, err));
	rv = hsm_C_InitToken(module, slot, clv_secret_mutable_bytes(so_pin), clv_secret_len(so_pin),
			     padded);
	if (rv != CKR_OK)
		return hsm_fail(err, "C_InitToken", rv);
	CLV_TRY(set_user_pin(module, slot, so_pin, pin, err));
	rv = hsm_C_GetTokenInfo(module, slot, ret_info);
	return rv == CKR_OK ? CLV_OK : hsm_fail(err, "C_GetTokenInfo", rv);
}

static P11KitUri *uri_free(P11KitUri *uri)
{
	if (uri != NULL)
		p11_kit_uri_free(uri);
	return NULL;
}
CLV_DEFINE_AUTO(P11KitUri, uri_free);

static clv_rc format_uri(const char *module, const char *pin_source, const CK_TOKEN_INFO *info,
			 char ret_uri[CLV_URI_MAX], struct clv_err *err)
{
	CLV_AUTO(uri_free) P11KitUri *uri = p11_kit_uri_new();
	CK_TOKEN_INFO *match;
	char *text = NULL;

	if (uri == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a PKCS#11 URI");
	match = p11_kit_uri_get_token_info(uri);
	memcpy(match->label, info->label, sizeof match->label);
	memcpy(match->serialNumber, info->serialNumber, sizeof match->serialNumber);
	p11_kit_uri_set_module_path(uri, module);
	p11_kit_uri_set_pin_source(uri, pin_source);
	p11_kit_uri_set_vendor_query(uri, "x-softhsm2-conf", HSM_SOFTHSM_CONF);
	if (p11_kit_uri_format(uri, P11_KIT_URI_FOR_ANY, &text) != P11_KIT_URI_OK)
		return clv_fail(err, CLV_E_INTERNAL, "a PKCS#11 URI cannot be written");
	snprintf(ret_uri, CLV_URI_MAX, "%s", text);
	free(text);
	return CLV_OK;
}

struct new_token {
	const char *module_path, *conf, *state_dir, *label;
	char source[128], pin_path[HSM_PATH_MAX], so_pin_path[HSM_PATH_MAX];
	CK_TOKEN_INFO info;
};

static clv_rc create_locked(struct new_token *token, struct clv_err *err)
{
	CLV_AUTO(hsm_module_release) struct hsm_module *module = NULL;
	CLV_AUTO(clv_secret_free) struct clv_secret *pin = NULL;
	CLV_AUTO(clv_secret_free) struct clv_secret *so_pin = NULL;
	CLV_AUTO_DONE(hsm_signals_restore) struct hsm_signal_guard guard;

	hsm_signals_block(&guard);
	CLV_TRY(hsm_softhsm_repair(token->conf, token->state_dir, err));
	CLV_TRY(new_pin(token->pin_path, &pin, err));
	CLV_TRY(new_pin(token->so_pin_path, &so_pin, err));
	CLV_TRY(hsm_module_load(token->module_path, token->conf, &module, err));
	CLV_TRY(init_token(module, token->label, so_pin, pin, &token->info, err));
	return hsm_softhsm_keep_tokens(token->conf, token->state_dir, err);
}

/*
 * "pins/NAME.pin", or with digits behind the name where that is taken: by another who makes the
 * same location at this moment, or by one who died over it. Under the login lock.
 */
static clv_rc choose_pins(const char *base_dir, const char *name, struct new_token *token,
			  struct clv_err *err)
{
	char digits[2 * PIN_NAME_BYTES + 2] = "";
	uint8_t random[PIN_NAME_BYTES];

	for (;;) {
		snprintf(token->source, sizeof token->source, "pins/%s%s.pin", name, digits);
		CLV_TRY(format_path(token->pin_path, err, "%s/%s", base_dir, token->source));
		CLV_TRY(format_path(token->so_pin_path, err, "%s/pins/%s%s.so-pin", base_dir, name,
				    digits));
		if (access(token->pin_path, F_OK) != 0 && access(token->so_pin_path, F_OK) != 0)
			return CLV_OK;
		CLV_TRY(clv_random(random, sizeof random, err));
		digits[0] = '-';
		clv_hex(random, sizeof random, digits + 1);
	}
}

clv_rc hsm_softhsm_create(const struct clv_grant *grant, const char *module, const char *base_dir,
			  const char *state_dir, const char *label, const char *pin_name,
			  char ret_uri[CLV_URI_MAX], struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	char dir[HSM_PATH_MAX], conf[HSM_PATH_MAX], pins[HSM_PATH_MAX];
	struct new_token token = {
		.module_path = module, .conf = conf, .state_dir = state_dir, .label = label
	};

	clv_grant_assert(grant);
	CLV_TRY(format_path(dir, err, "%s/softhsm", base_dir));
	CLV_TRY(make_dir(dir, err));
	CLV_TRY(format_path(conf, err, "%s/" HSM_SOFTHSM_CONF, base_dir));
	CLV_TRY(format_path(dir, err, "%s/softhsm/tokens", base_dir));
	CLV_TRY(make_dir(dir, err));
	CLV_TRY(format_path(pins, err, "%s/pins", base_dir));
	CLV_TRY(make_dir(pins, err));
	CLV_TRY(hsm_lock(state_dir, HSM_LOCK_LOGIN, true, clv_deadline_in(10000), &lock, err));
	CLV_TRY(choose_pins(base_dir, pin_name, &token, err));
	CLV_TRY(create_locked(&token, err));
	CLV_TRY(sync_dir(pins, err)); /* the PINs are there before the catalogue speaks of them */
	return format_uri(module, token.source, &token.info, ret_uri, err);
}

/* A writer that was killed left copies. Under the object lock, also the shared one: no writer
 * lives. */
static bool write_interrupted(const struct hsm *hsm)
{
	char tokens[HSM_PATH_MAX], copies[HSM_PATH_MAX];
	struct clv_err ignored;

	return guards_writes(hsm) && write_dirs(hsm, tokens, copies, &ignored) == CLV_OK &&
	       access(copies, F_OK) == 0;
}

clv_rc hsm_lock_search(struct hsm *hsm, int *ret_fd, struct clv_err *err)
{
	struct clv_deadline deadline = clv_deadline_in(hsm->wait_ms);

	for (;;) {
		CLV_AUTO_DONE(hsm_unlock) int lock = -1;

		CLV_TRY(hsm_lock(hsm->state_dir, HSM_LOCK_OBJECT, false, deadline, &lock, err));
		if (!write_interrupted(hsm)) {
			*ret_fd = lock;
			lock = -1;
			return CLV_OK;
		}
		hsm_unlock(&lock);
		CLV_TRY(hsm_lock_objects(hsm, &lock, err));
		if (write_interrupted(hsm))
			return clv_fail(err, CLV_E_UNAVAILABLE,
					"copies of the token's files cannot be put back");
	}
}

clv_rc hsm_lock_objects(struct hsm *hsm, int *ret_fd, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;

	CLV_TRY(hsm_lock(hsm->state_dir, HSM_LOCK_OBJECT, true, clv_deadline_in(hsm->wait_ms),
			 &lock, err));
	CLV_TRY(hsm_softhsm_undo(hsm, err));
	*ret_fd = lock;
	lock = -1;
	return CLV_OK;
}

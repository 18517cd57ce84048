/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading whole files. Limits come first: a regular file is measured before it is read, anything
 * else is read up to one byte more than it may have. Not for large data.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/common/auto.h"
#include "tools/common/file.h"

/* A file being read. */
struct source {
	int fd;
	const char *path;
	const char *what;
	size_t max;      /* bytes that it may have */
	size_t expected; /* bytes that it has as far as can be known, else `max` */
};

clv_rc kms_file_rc(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case EACCES:
	case EPERM:
	case EROFS:
	case ELOOP:
	case ENAMETOOLONG:
		/* Not NOT_FOUND or PERMISSION_DENIED: those are about keys, and scripts branch on
		 * them. */
		return CLV_E_INVALID_ARGUMENT;
	case ENOSPC:
	case EDQUOT:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return CLV_E_RESOURCE_EXHAUSTED;
	default:
		return CLV_E_UNAVAILABLE;
	}
}

static clv_rc source_fail(const struct source *source, int errnum, struct clv_err *err)
{
	bool std = strcmp(source->path, "-") == 0;

	return clv_fail_errno(err, kms_file_rc(errnum), errnum, "cannot read the %s from %.200s",
			      source->what, std ? "standard input" : source->path);
}

static void source_close(struct source *source)
{
	if (source->fd > STDIN_FILENO)
		close(source->fd);
}

static clv_rc measure(struct source *source, struct clv_err *err)
{
	struct stat st;

	if (fstat(source->fd, &st) != 0)
		return source_fail(source, errno, err);
	if (S_ISDIR(st.st_mode))
		return source_fail(source, EISDIR, err);
	/* Files of size 0 may still have something to say, those of /proc do. */
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return CLV_OK;
	if ((uintmax_t) st.st_size > source->max)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the %s has %jd bytes; the limit is %zu", source->what,
				(intmax_t) st.st_size, source->max);
	source->expected = (size_t) st.st_size;
	return CLV_OK;
}

static clv_rc source_open(struct source *source, struct clv_err *err)
{
	source->fd = STDIN_FILENO;
	source->expected = source->max;
	if (strcmp(source->path, "-") != 0)
		source->fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (source->fd < 0)
		return source_fail(source, errno, err);
	return measure(source, err);
}

/* Reads until the room is full or the file ends. */
static clv_rc read_up_to(const struct source *source, uint8_t *to, size_t room, size_t *ret_len,
			 struct clv_err *err)
{
	size_t len = 0;

	while (len < room) {
		ssize_t n = read(source->fd, to + len, room - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return source_fail(source, errno, err);
		if (n == 0)
			break;
		len += (size_t) n;
	}
	*ret_len = len;
	return CLV_OK;
}

/* With the room full: is there more? The byte may be part of a secret, so it is wiped. */
static clv_rc expect_end(const struct source *source, struct clv_err *err)
{
	uint8_t byte;
	size_t more;

	CLV_TRY(read_up_to(source, &byte, 1, &more, err));
	explicit_bzero(&byte, 1);
	if (more > 0 && source->expected < source->max)
		return clv_fail(err, CLV_E_UNAVAILABLE, "the %s grew while it was read",
				source->what);
	if (more > 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the %s has more than %zu bytes, which is the limit", source->what,
				source->max);
	return CLV_OK;
}

clv_rc kms_read_file(const char *path, const char *what, size_t max, struct clv_buf *ret_buf,
		     struct clv_err *err)
{
	KMS_AUTO_DONE(source_close)
	struct source source = { .fd = -1, .path = path, .what = what, .max = max };

	CLV_TRY(source_open(&source, err));
	CLV_TRY(clv_buf_reserve(ret_buf, source.expected + 1, err));
	CLV_TRY(read_up_to(&source, ret_buf->data, source.expected, &ret_buf->len, err));
	return expect_end(&source, err);
}

clv_rc kms_read_secret_file(const char *path, const char *what, size_t max,
			    struct clv_secret **ret_secret, struct clv_err *err)
{
	KMS_AUTO_DONE(source_close)
	struct source source = { .fd = -1, .path = path, .what = what, .max = max };
	KMS_AUTO(clv_secret_free) struct clv_secret *secret = NULL;
	size_t len;

	CLV_TRY(source_open(&source, err));
	CLV_TRY(clv_secret_new(source.expected, &secret, err));
	CLV_TRY(read_up_to(&source, clv_secret_mutable_bytes(secret), source.expected, &len, err));
	CLV_TRY(expect_end(&source, err));
	clv_secret_shrink(secret, len);
	*ret_secret = KMS_TAKE(secret);
	return CLV_OK;
}

clv_rc kms_hash_file(const char *path, const char *what, struct clv_hashing *hashing,
		     struct clv_err *err)
{
	KMS_AUTO_DONE(source_close)
	struct source source = { .fd = -1, .path = path, .what = what, .max = SIZE_MAX };
	uint8_t block[16384];
	size_t len = sizeof block;

	CLV_TRY(source_open(&source, err));
	while (len == sizeof block) {
		CLV_TRY(read_up_to(&source, block, sizeof block, &len, err));
		CLV_TRY(clv_hash_add(hashing, block, len, err));
	}
	return CLV_OK;
}

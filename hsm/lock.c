/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks between processes that use one token: open-file-description locks on files in state_dir,
 * which the kernel frees when their holder dies. Each taking opens the file anew, so that threads
 * of one process exclude each other too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "hsm/internal.h"

static const char *const lock_name[] = {
	[HSM_LOCK_LOGIN] = "login.lock",
	[HSM_LOCK_OBJECT] = "object.lock",
};

clv_rc hsm_fail_write(const char *path, int errnum, struct clv_err *err)
{
	if (errnum == ENOSPC || errnum == EDQUOT)
		return clv_fail_errno(err, CLV_E_RESOURCE_EXHAUSTED, errnum,
				      "make room: %s cannot be written", path);
	return clv_fail_errno(err, CLV_E_UNAVAILABLE, errnum, "%s cannot be written", path);
}

static clv_rc wait_for(int fd, const char *path, short type, struct clv_deadline deadline,
		       struct clv_err *err)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET };
	unsigned pause_us = 0;

	while (fcntl(fd, F_OFD_SETLK, &range) != 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EACCES)
			return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "lock %s", path);
		if (!clv_backoff(deadline, &pause_us, 5000))
			return clv_fail(err, CLV_E_DEADLINE_EXCEEDED,
					"another process holds %s; it did not let go in time",
					path);
	}
	return CLV_OK;
}

clv_rc hsm_lock(const char *state_dir, enum hsm_lock_kind kind, bool exclusive,
		struct clv_deadline deadline, int *ret_fd, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_unlock) int fd = -1;
	char path[HSM_PATH_MAX];

	*ret_fd = -1;
	if (state_dir == NULL)
		return CLV_OK;
	snprintf(path, sizeof path, "%s/%s", state_dir, lock_name[kind]);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "lock %s", path);
	CLV_TRY(wait_for(fd, path, exclusive ? F_WRLCK : F_RDLCK, deadline, err));
	*ret_fd = fd;
	fd = -1;
	return CLV_OK;
}

void hsm_unlock(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

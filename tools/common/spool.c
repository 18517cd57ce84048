/* SPDX-License-Identifier: Apache-2.0 */
/* Holding text back. Not for what the text is (out.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/spool.h"

clv_rc kms_spool_failed(int errnum, struct clv_err *err)
{
	clv_rc rc =
		errnum == ENOSPC || errnum == EDQUOT ? CLV_E_RESOURCE_EXHAUSTED : CLV_E_UNAVAILABLE;

	return clv_fail_errno(err, rc, errnum, "cannot keep a long list in a temporary file");
}

static clv_rc write_out(struct kms_spool *spool, const char *text, size_t len, struct clv_err *err)
{
	if (len > 0 && fwrite(text, 1, len, spool->file) != len)
		return kms_spool_failed(errno, err);
	return CLV_OK;
}

/* From memory into a file. */
static clv_rc spill(struct kms_spool *spool, struct clv_err *err)
{
	spool->file = tmpfile();
	if (spool->file == NULL)
		return kms_spool_failed(errno, err);
	CLV_TRY(write_out(spool, spool->text, spool->len, err));
	spool->len = 0;
	return CLV_OK;
}

clv_rc kms_spool_add(struct kms_spool *spool, const char *text, size_t len, struct clv_err *err)
{
	if (spool->text == NULL && (spool->text = malloc(KMS_SPOOL_MEMORY)) == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the result");
	if (spool->file == NULL && len > KMS_SPOOL_MEMORY - spool->len)
		CLV_TRY(spill(spool, err));
	if (spool->file != NULL)
		return write_out(spool, text, len, err);
	memcpy(spool->text + spool->len, text, len);
	spool->len += len;
	return CLV_OK;
}

clv_rc kms_spool_copy(struct kms_spool *spool, FILE *to, struct clv_err *err)
{
	size_t n = spool->len;

	if (spool->file != NULL &&
	    (fflush(spool->file) != 0 || fseek(spool->file, 0, SEEK_SET) != 0))
		return kms_spool_failed(errno, err);
	do {
		if (spool->file != NULL)
			n = fread(spool->text, 1, KMS_SPOOL_MEMORY, spool->file);
		/* What `to` could not take is its caller's to see; there is no use in going on. */
		if (n > 0 && fwrite(spool->text, 1, n, to) != n)
			return CLV_OK;
	} while (spool->file != NULL && n > 0);
	if (spool->file != NULL && ferror(spool->file))
		return kms_spool_failed(errno, err);
	return CLV_OK;
}

void kms_spool_done(struct kms_spool *spool)
{
	if (spool->file != NULL)
		fclose(spool->file);
	free(spool->text);
	*spool = (struct kms_spool){ 0 };
}

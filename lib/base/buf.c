/* SPDX-License-Identifier: Apache-2.0 */
/* Growable bytes. Not for secrets: they are copied by realloc() and freed as they are. */
#include <stdlib.h>
#include <string.h>

#include <claviger/buf.h>

clv_rc clv_buf_reserve(struct clv_buf *buf, size_t more, struct clv_err *err)
{
	size_t cap = buf->cap == 0 ? 256 : buf->cap;
	uint8_t *data;

	if (more > SIZE_MAX / 4 - buf->len)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "%zu more bytes do not fit", more);
	if (buf->len + more <= buf->cap)
		return CLV_OK;
	while (cap < buf->len + more)
		cap *= 2;
	data = realloc(buf->data, cap);
	if (data == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for %zu bytes", cap);
	buf->data = data;
	buf->cap = cap;
	return CLV_OK;
}

clv_rc clv_buf_add(struct clv_buf *buf, const void *bytes, size_t len, struct clv_err *err)
{
	CLV_TRY(clv_buf_reserve(buf, len, err));
	if (len > 0)
		memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	return CLV_OK;
}

void clv_buf_done(struct clv_buf *buf)
{
	free(buf->data);
	*buf = (struct clv_buf){ 0 };
}

struct clv_bytes clv_buf_view(const struct clv_buf *buf)
{
	return (struct clv_bytes){ .data = buf->data, .len = buf->len };
}

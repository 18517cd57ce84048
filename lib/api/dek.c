/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes, and DEKs: drawn in the token, wrapped as encrypt does it, wrapped anew. */
#include <string.h>

#include "lib/api/api.h"
#include "lib/envelope/clv1.h"

static clv_rc check_range(const char *what, size_t len, size_t least, size_t most,
			  struct clv_err *err)
{
	if (len >= least && len <= most)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s of %zu bytes: it must have %zu to %zu",
			what, len, least, most);
}

static clv_rc draw(struct hsm *hsm, const struct clv_grant *grant, size_t len,
		   struct clv_secret **ret_bytes, struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *bytes = NULL;

	CLV_TRY(clv_secret_new(len, &bytes, err));
	CLV_TRY(hsm_random(hsm, grant, clv_secret_mutable_bytes(bytes), len, err));
	*ret_bytes = CLV_TAKE(bytes);
	return CLV_OK;
}

/* ---- random bytes */

static clv_rc random_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
			     const struct clv_name *name, size_t len, struct clv_secret **ret_bytes,
			     struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct hsm *hsm;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(api_token_get(worker, name->location, &hsm, err));
	return draw(hsm, grant, len, ret_bytes, err);
}

clv_rc clv_random_bytes(struct clv_ctx *ctx, const struct clv_caller *who,
			const char *location_name, size_t len, struct clv_secret **ret_bytes,
			struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_secret_free) struct clv_secret *bytes = NULL;
	struct gate_question question = { .permission = "cloudkms.locations.generateRandomBytes",
					  .resource = location_name };
	struct clv_name parsed;
	clv_rc rc;

	CLV_TRY(clv_name_parse_kind(location_name, CLV_NAME_LOCATION, &parsed, err));
	CLV_TRY(check_range("random data", len, CLV_RANDOM_MIN, CLV_RANDOM_MAX, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = random_granted(ctx, grant, &parsed, len, &bytes, err);
	CLV_TRY(gate_answer(ctx, grant, rc, NULL, err));
	*ret_bytes = CLV_TAKE(bytes);
	return CLV_OK;
}

/* ---- making and opening */

static clv_rc generate_granted(struct api_worker *worker, const struct clv_grant *grant,
			       const struct clv_name *name, const struct clv_dek_options *options,
			       struct api_use *use, struct clv_buf *out,
			       struct clv_secret **ret_dek, struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *dek = NULL;

	CLV_TRY(api_use_by_name(worker, grant, name, use, err));
	CLV_TRY(draw(use->hsm, grant, options->len, &dek, err));
	CLV_TRY(api_seal(use, grant, api_view_of(dek), options->aad, out, err));
	*ret_dek = CLV_TAKE(dek);
	return CLV_OK;
}

static clv_rc check_options(const struct clv_dek_options *options, struct clv_dek_options *ret,
			    struct clv_err *err)
{
	struct clv_dek_options wanted = { 0 };

	if (options != NULL)
		wanted = *options;
	if (wanted.len == 0)
		wanted.len = CLV_DEK_DEFAULT;
	CLV_TRY(check_range("a DEK", wanted.len, CLV_DEK_MIN, CLV_DEK_MAX, err));
	CLV_TRY(api_check_length("additional authenticated data", wanted.aad.len, CLV_AAD_MAX,
				 err));
	*ret = wanted;
	return CLV_OK;
}

clv_rc clv_dek_generate(struct clv_ctx *ctx, const struct clv_caller *who, const char *key_name,
			const struct clv_dek_options *options, struct clv_buf *ret_wrapped,
			struct clv_secret **ret_dek, char ret_version[CLV_NAME_MAX],
			struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_secret_free) struct clv_secret *dek = NULL;
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf out = { 0 };
	CLV_AUTO_DONE(api_use_end) struct api_use use = { 0 }; /* see clv_encrypt() */
	struct gate_question question = { .permission = "cloudkms.cryptoKeyVersions.useToEncrypt",
					  .resource = key_name };
	struct clv_dek_options wanted;
	struct clv_name parsed;
	clv_rc rc;

	CLV_TRY(api_check_key_name(key_name, false, &parsed, err));
	CLV_TRY(check_options(options, &wanted, err));
	CLV_TRY(clv_buf_reserve(ret_wrapped, wanted.len + CLV1_OVERHEAD_MAX, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = api_worker_acquire(ctx, &worker, err);
	if (rc == CLV_OK)
		rc = generate_granted(worker, grant, &parsed, &wanted, &use, &out, &dek, err);
	CLV_TRY(gate_answer(ctx, grant, rc, api_use_version_inside(&use), err));
	CLV_TRY(clv_buf_add(ret_wrapped, out.data, out.len, err)); /* there is room */
	if (ret_dek != NULL)
		*ret_dek = CLV_TAKE(dek);
	if (ret_version != NULL)
		memcpy(ret_version, api_use_version(&use), CLV_NAME_MAX);
	return CLV_OK;
}

clv_rc clv_dek_unwrap(struct clv_ctx *ctx, const struct clv_caller *who, const char *key_name,
		      struct clv_bytes wrapped, struct clv_bytes aad, struct clv_secret **ret_dek,
		      char ret_version[CLV_NAME_MAX], struct clv_err *err)
{
	return clv_decrypt(ctx, who, key_name, wrapped, aad, ret_dek, ret_version, err);
}

/* ---- wrapping anew */

/* One side of a rewrap. Each has a worker: a seat at the gate file is inside one version. */
struct side {
	struct api_worker *worker;
	struct clv_grant *grant;
	struct api_use use;
};

static void side_done(struct side *side)
{
	api_use_end(&side->use);
	side->grant = gate_close(side->grant);
	side->worker = api_worker_release(side->worker);
}

/* Both questions, or neither is left without its entry. */
static clv_rc ask_both(struct clv_ctx *ctx, const struct clv_caller *who, const char *key_name,
		       struct side *from, struct side *to, struct clv_err *err)
{
	struct gate_question decrypt = { .permission = "cloudkms.cryptoKeyVersions.useToDecrypt",
					 .resource = key_name };
	struct gate_question encrypt = { .permission = "cloudkms.cryptoKeyVersions.useToEncrypt",
					 .resource = key_name };
	clv_rc rc;

	CLV_TRY(gate_ask(ctx, who, &decrypt, &from->grant, err));
	rc = gate_ask(ctx, who, &encrypt, &to->grant, err);
	return rc == CLV_OK ? CLV_OK : gate_answer(ctx, from->grant, rc, NULL, err);
}

static clv_rc rewrap_granted(struct clv_ctx *ctx, const struct clv_name *name, struct side *from,
			     struct side *to, struct clv_bytes wrapped, struct clv_bytes aad,
			     struct clv_buf *out, struct clv_dek_rewrapped *report,
			     struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *dek = NULL;

	CLV_TRY(api_worker_acquire(ctx, &to->worker, err));
	CLV_TRY(api_worker_acquire(ctx, &from->worker, err));
	CLV_TRY(api_use_by_name(to->worker, to->grant, name, &to->use, err));
	CLV_TRY(api_open(from->worker, from->grant, name, wrapped, aad, &from->use, &dek, err));
	memcpy(report->from, api_use_version(&from->use), CLV_NAME_MAX);
	memcpy(report->to, api_use_version(&to->use), CLV_NAME_MAX);
	report->unchanged = strcmp(report->from, report->to) == 0;
	if (report->unchanged)
		return clv_buf_add(out, wrapped.data, wrapped.len, err);
	return api_seal(&to->use, to->grant, api_view_of(dek), aad, out, err);
}

clv_rc clv_dek_rewrap(struct clv_ctx *ctx, const struct clv_caller *who, const char *key_name,
		      struct clv_bytes wrapped, struct clv_bytes aad, struct clv_buf *ret_wrapped,
		      struct clv_dek_rewrapped *ret_report, struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf out = { 0 };
	CLV_AUTO_DONE(side_done) struct side from = { 0 }, to = { 0 };
	struct clv_dek_rewrapped report = { 0 };
	const char *encrypted_with;
	struct clv_name parsed;
	clv_rc rc;

	CLV_TRY(api_check_key_name(key_name, false, &parsed, err));
	CLV_TRY(api_check_length("wrapped DEK", wrapped.len, CLV_CIPHERTEXT_MAX, err));
	CLV_TRY(api_check_length("additional authenticated data", aad.len, CLV_AAD_MAX, err));
	CLV_TRY(clv_buf_reserve(ret_wrapped, wrapped.len + CLV1_OVERHEAD_MAX, err));
	CLV_TRY(ask_both(ctx, who, key_name, &from, &to, err));
	rc = rewrap_granted(ctx, &parsed, &from, &to, wrapped, aad, &out, &report, err);
	encrypted_with = report.unchanged ? NULL : api_use_version_inside(&to.use);
	rc = gate_answer(ctx, to.grant, rc, encrypted_with, err);
	CLV_TRY(gate_answer(ctx, from.grant, rc, api_use_version_inside(&from.use), err));
	CLV_TRY(clv_buf_add(ret_wrapped, out.data, out.len, err)); /* there is room */
	*ret_report = report;
	return CLV_OK;
}

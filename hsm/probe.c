/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a token is and can do, for people: everything tried with session objects, so that nothing
 * stays on it. What the library itself needs is found in caps.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "hsm/internal.h"

/* ---- rows ---- */

void hsm_probe_row(struct clv_probe *probe, const char *topic, const char *name,
		   enum clv_probe_result result, const char *fmt, ...)
{
	struct clv_probe_row *row;
	va_list ap;

	if (probe->n_rows == CLV_PROBE_ROWS_MAX)
		return;
	row = &probe->rows[probe->n_rows++];
	*row = (struct clv_probe_row){ .result = result };
	snprintf(row->topic, sizeof row->topic, "%s", topic);
	snprintf(row->name, sizeof row->name, "%s", name);
	va_start(ap, fmt);
	vsnprintf(row->note, sizeof row->note, fmt, ap);
	va_end(ap);
}

static enum clv_probe_result yes_no(bool yes)
{
	return yes ? CLV_PROBE_YES : CLV_PROBE_NO;
}

void hsm_probe_rv(struct clv_probe *probe, const char *topic, const char *name, CK_RV rv)
{
	if (rv == CKR_OK)
		hsm_probe_row(probe, topic, name, CLV_PROBE_YES, "%s", "");
	else
		hsm_probe_row(probe, topic, name, CLV_PROBE_NO, "%s (0x%08lx)", hsm_rv_text(rv),
			      rv);
}

const char *clv_probe_result_name(enum clv_probe_result result)
{
	static const char *const names[] = {
		[CLV_PROBE_YES] = "yes",
		[CLV_PROBE_NO] = "no",
		[CLV_PROBE_DIFFERS] = "differs",
		[CLV_PROBE_UNTRIED] = "untried",
	};

	return (unsigned) result < CLV_ARRAY_LEN(names) ? names[result] : "untried";
}

/* ---- what it says of itself ---- */

static void format_version(char *to, size_t size, CK_VERSION version)
{
	snprintf(to, size, "%u.%u", version.major, version.minor);
}

void hsm_describe(struct hsm *hsm, struct clv_probe *ret_probe)
{
	const CK_TOKEN_INFO *token = &hsm->info;
	struct clv_probe *probe = ret_probe;
	CK_INFO library = { 0 };

	memset(probe, 0, sizeof *probe);
	(void) hsm_C_GetInfo(hsm->module, &library); /* blank when it does not answer */
	snprintf(probe->module_path, sizeof probe->module_path, "%s", hsm->module->path);
#define TRIM(to, from) hsm_trim(to, sizeof(to), from, sizeof(from))
	TRIM(probe->library, library.libraryDescription);
	TRIM(probe->label, token->label);
	TRIM(probe->manufacturer, token->manufacturerID);
	TRIM(probe->model, token->model);
	TRIM(probe->serial, token->serialNumber);
#undef TRIM
	format_version(probe->library_version, sizeof probe->library_version,
		       library.libraryVersion);
	format_version(probe->cryptoki_version, sizeof probe->cryptoki_version,
		       library.cryptokiVersion);
	format_version(probe->firmware_version, sizeof probe->firmware_version,
		       token->firmwareVersion);
	format_version(probe->hardware_version, sizeof probe->hardware_version,
		       token->hardwareVersion);
	snprintf(probe->validation_note, sizeof probe->validation_note, "%s",
		 (hsm->quirks & HSM_QUIRK_NOT_VALIDATED) != 0
			 ? "not a validated module"
			 : "not known here; see the vendor's certificate for this firmware");
	probe->max_sessions = token->ulMaxSessionCount == CK_UNAVAILABLE_INFORMATION
				      ? 0
				      : token->ulMaxSessionCount;
	probe->open_sessions =
		token->ulSessionCount == CK_UNAVAILABLE_INFORMATION ? 0 : token->ulSessionCount;
	probe->min_pin = token->ulMinPinLen;
	probe->max_pin = token->ulMaxPinLen;
}

/* ---- what the library needs ---- */

static void probe_wrap(struct hsm_session *session, struct clv_probe *probe)
{
	const struct hsm_caps *caps = &session->hsm->caps;

	for (size_t i = 0; i < hsm_n_wrap_candidates; i++) {
		const struct hsm_wrap_candidate *candidate = &hsm_wrap_candidates[i];
		const char *format;
		CK_RV rv = hsm_wrap_try(session, candidate->mech, &format);

		if (rv == CKR_OK)
			hsm_probe_row(probe, "wrap", candidate->name,
				      strncmp(format, "RFC", 3) == 0 ? CLV_PROBE_YES
								     : CLV_PROBE_DIFFERS,
				      "%s%s", format,
				      candidate->mech == caps->wrap_mech ? ", used here" : "");
		else
			hsm_probe_rv(probe, "wrap", candidate->name, rv);
	}
}

static void probe_gcm(struct hsm *hsm, struct clv_probe *probe)
{
	static const char *const forms[] = {
		[HSM_GCM_NONE] = "does not work",
		[HSM_GCM_CALLER_IV] =
			"takes the caller's 12-byte IV (drawn from the token's random numbers)",
		[HSM_GCM_WRITTEN_IV] = "makes the IV itself and writes it back",
		[HSM_GCM_APPENDED_IV] = "makes the IV itself and appends it to the ciphertext",
	};
	enum hsm_gcm_form form = hsm->caps.gcm;

	hsm_probe_row(probe, "gcm", "AES-256-GCM",
		      form == HSM_GCM_NONE        ? CLV_PROBE_NO
		      : form == HSM_GCM_CALLER_IV ? CLV_PROBE_YES
						  : CLV_PROBE_DIFFERS,
		      "%s", forms[form]);
}

static void probe_hierarchy(struct hsm *hsm, struct clv_probe *probe)
{
	const struct hsm_caps *caps = &hsm->caps;

	hsm_probe_row(probe, "protects", "unwrapped keys keep the attributes asked",
		      yes_no(caps->keeps_attributes), "%s",
		      caps->keeps_attributes ? "" : caps->lacking);
	hsm_probe_row(probe, "hierarchy", "can hold Claviger's key hierarchy",
		      yes_no(caps->lacking[0] == '\0'), "%s", caps->lacking);
}

static void probe_log_key(struct hsm_session *session, struct clv_probe *probe)
{
	static const uint8_t id[HSM_ID_LEN] = { 1 };
	const char *name = "";
	struct clv_err err;

	if (hsm_create_log_key(session, false, id, "claviger probe", true, &name, &err) == CLV_OK)
		hsm_probe_row(probe, "keys", "signing key for logs", CLV_PROBE_YES, "%s", name);
	else
		hsm_probe_row(probe, "keys", "signing key for logs", CLV_PROBE_NO, "%.150s",
			      err.text);
}

/* ---- what the token protects against ---- */

/* Makes a version as it is used here: unwrapped, not extractable. */
static clv_rc make_victim(struct hsm_session *session, struct hsm_scrap *scrap,
			  CK_OBJECT_HANDLE *ret_kek, CK_OBJECT_HANDLE *ret_victim,
			  struct hsm_blob *ret_blob, struct clv_err *err)
{
	CLV_TRY(hsm_require_hierarchy(session->hsm, err));
	CLV_TRY(hsm_generate(session, hsm_kind_get(HSM_ROLE_RING_KEK, 0), HSM_BORN_SESSION, NULL,
			     NULL, ret_kek, err));
	hsm_scrap_add(scrap, *ret_kek);
	CLV_TRY(hsm_generate_wrapped(session, hsm_kind_get(HSM_ROLE_VERSION, 0), *ret_kek, ret_blob,
				     NULL, err));
	CLV_TRY(hsm_unwrap(session, hsm_kind_get(HSM_ROLE_VERSION, 0), *ret_kek,
			   (struct clv_bytes){ ret_blob->bytes, ret_blob->len }, ret_victim, err));
	hsm_scrap_add(scrap, *ret_victim);
	return CLV_OK;
}

/* An attack that the token is expected to refuse. */
static void add_attack(struct clv_probe *probe, const char *name, CK_RV rv, const char *gain)
{
	if (rv == CKR_OK)
		hsm_probe_row(probe, "protects", name, CLV_PROBE_NO, "the token did it: %s", gain);
	else
		hsm_probe_row(probe, "protects", name, CLV_PROBE_YES, "refused with 0x%08lx", rv);
}

static CK_RV copy_with(struct hsm_session *session, struct hsm_scrap *scrap,
		       CK_OBJECT_HANDLE victim, CK_ATTRIBUTE_TYPE type, bool value)
{
	struct hsm_template tpl = { 0 };
	CK_OBJECT_HANDLE copy;
	CK_RV rv;

	hsm_template_bool(&tpl, type, value);
	rv = hsm_C_CopyObject(session->hsm->module, session->handle, victim, tpl.a, tpl.n, &copy);
	if (rv == CKR_OK)
		hsm_scrap_add(scrap, copy);
	return rv;
}

static CK_RV set_one(struct hsm_session *session, CK_OBJECT_HANDLE victim, CK_ATTRIBUTE_TYPE type,
		     bool value)
{
	struct hsm_template tpl = { 0 };

	hsm_template_bool(&tpl, type, value);
	return hsm_C_SetAttributeValue(session->hsm->module, session->handle, victim, tpl.a, tpl.n);
}

static CK_RV read_value(struct hsm_session *session, CK_OBJECT_HANDLE victim)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *value = NULL;
	CK_ATTRIBUTE got = { CKA_VALUE, NULL, 0 };
	struct clv_err err;

	if (clv_secret_new(64, &value, &err) != CLV_OK)
		return CKR_HOST_MEMORY;
	got.pValue = clv_secret_mutable_bytes(value);
	got.ulValueLen = 64;
	return hsm_C_GetAttributeValue(session->hsm->module, session->handle, victim, &got, 1);
}

/* Wraps the victim under a key that the attacker brings along and knows. */
static CK_RV wrap_under_known(struct hsm_session *session, struct hsm_scrap *scrap,
			      CK_OBJECT_HANDLE victim)
{
	static const CK_ATTRIBUTE_TYPE wraps[] = { CKA_WRAP, CKA_UNWRAP };
	static const uint8_t known[32] = "the attacker knows these bytes.";
	CK_MECHANISM mech = { session->hsm->caps.wrap_mech, NULL, 0 };
	uint8_t out[128];
	CK_ULONG len = sizeof out;
	CK_OBJECT_HANDLE kek;
	CK_RV rv = hsm_import_aes(session, known, sizeof known, wraps, 2, false, &kek);

	if (rv != CKR_OK)
		return rv;
	hsm_scrap_add(scrap, kek);
	return hsm_C_WrapKey(session->hsm->module, session->handle, &mech, kek, victim, out, &len);
}

/* Uses the wrapping key to decrypt a blob instead of unwrapping it (Clulow's attack). */
static CK_RV decrypt_blob(struct hsm_session *session, CK_OBJECT_HANDLE kek,
			  const struct hsm_blob *blob)
{
	uint8_t iv[16] = { 0 }, out[HSM_BLOB_MAX], in[64];
	CK_MECHANISM mech = { CKM_AES_CBC, iv, sizeof iv };
	CK_ULONG len = sizeof out;
	CK_RV rv = hsm_C_DecryptInit(session->hsm->module, session->handle, &mech, kek);

	memcpy(in, blob->bytes, 32);
	if (rv == CKR_OK)
		rv = hsm_C_Decrypt(session->hsm->module, session->handle, in, 32, out, &len);
	return rv;
}

/* Unwraps the same blob again, this time as a readable key. */
static CK_RV unwrap_readable(struct hsm_session *session, struct hsm_scrap *scrap,
			     CK_OBJECT_HANDLE kek, struct hsm_blob *blob)
{
	CK_MECHANISM mech = { session->hsm->caps.wrap_mech, NULL, 0 };
	struct hsm_template tpl = { 0 };
	CK_OBJECT_HANDLE open_key;
	CK_RV rv;

	hsm_template_ulong(&tpl, CKA_CLASS, CKO_SECRET_KEY);
	hsm_template_ulong(&tpl, CKA_KEY_TYPE, CKK_AES);
	hsm_template_bool(&tpl, CKA_TOKEN, false);
	hsm_template_bool(&tpl, CKA_SENSITIVE, false);
	hsm_template_bool(&tpl, CKA_EXTRACTABLE, true);
	rv = hsm_C_UnwrapKey(session->hsm->module, session->handle, &mech, kek, blob->bytes,
			     blob->len, tpl.a, tpl.n, &open_key);
	if (rv != CKR_OK)
		return rv;
	hsm_scrap_add(scrap, open_key);
	return read_value(session, open_key);
}

/*
 * What the holder of the PIN and of the blobs can do: unwrap a ring KEK as an extractable key (root
 * rotation needs that, so a root's template cannot forbid it), then wrap it under a key he knows.
 * Only a token whose wrapping keys must be trusted ones would refuse.
 */
static CK_RV take_ring_kek(struct hsm_session *session, struct hsm_scrap *scrap)
{
	CK_MECHANISM mech = { session->hsm->caps.wrap_mech, NULL, 0 };
	struct hsm_template tpl;
	struct hsm_blob blob;
	CK_OBJECT_HANDLE root, ring;
	CK_BBOOL extractable = CK_TRUE;
	struct clv_err err;
	CK_RV rv;

	if (hsm_generate(session, hsm_kind_get(HSM_ROLE_ROOT, 0), HSM_BORN_SESSION, NULL, NULL,
			 &root, &err) != CLV_OK)
		return CKR_FUNCTION_FAILED;
	hsm_scrap_add(scrap, root);
	if (hsm_generate_wrapped(session, hsm_kind_get(HSM_ROLE_RING_KEK, 0), root, &blob, NULL,
				 &err) != CLV_OK)
		return CKR_FUNCTION_FAILED;
	hsm_template_key(session->hsm, hsm_kind_get(HSM_ROLE_RING_KEK, 0), HSM_BORN_UNWRAPPED, NULL,
			 NULL, &tpl);
	for (CK_ULONG i = 0; i < tpl.n; i++) {
		if (tpl.a[i].type == CKA_EXTRACTABLE)
			tpl.a[i].pValue = &extractable;
	}
	rv = hsm_C_UnwrapKey(session->hsm->module, session->handle, &mech, root, blob.bytes,
			     blob.len, tpl.a, tpl.n, &ring);
	if (rv != CKR_OK)
		return rv;
	hsm_scrap_add(scrap, ring);
	return wrap_under_known(session, scrap, ring);
}

static void probe_protection(struct hsm_session *session, struct clv_probe *probe)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_OBJECT_HANDLE kek, victim;
	struct hsm_blob blob;
	struct clv_err err;

	if (make_victim(session, &scrap, &kek, &victim, &blob, &err) != CLV_OK) {
		hsm_probe_row(probe, "protects", "keys made here", CLV_PROBE_UNTRIED, "%.150s",
			      err.text);
		return;
	}
	add_attack(probe, "reading a key's value", read_value(session, victim),
		   "keys are readable");
	add_attack(probe, "wrapping a key under a known key",
		   wrap_under_known(session, &scrap, victim), "keys get out");
	add_attack(probe, "copying a key with EXTRACTABLE",
		   copy_with(session, &scrap, victim, CKA_EXTRACTABLE, true), "copies get out");
	add_attack(probe, "making a key EXTRACTABLE",
		   set_one(session, victim, CKA_EXTRACTABLE, true), "keys get out");
	add_attack(probe, "giving a key a new use (WRAP)", set_one(session, victim, CKA_WRAP, true),
		   "uses can be mixed");
	add_attack(probe, "decrypting a blob with its wrapping key",
		   decrypt_blob(session, kek, &blob), "wrapped keys are readable");
	add_attack(probe, "unwrapping a version with a readable template",
		   unwrap_readable(session, &scrap, kek, &blob), "wrapped keys are readable");
	if (take_ring_kek(session, &scrap) == CKR_OK)
		hsm_probe_row(
			probe, "trust", "PIN holder cannot read keys", CLV_PROBE_NO,
			"whoever has the PIN and the catalogue's blobs can read wrapped keys");
	else
		hsm_probe_row(probe, "trust", "PIN holder cannot read keys", CLV_PROBE_YES,
			      "an extractable unwrap is refused");
}

/* ---- what is known and was not tried ---- */

static void probe_quirks(struct hsm *hsm, struct clv_probe *probe)
{
	static const struct {
		unsigned quirk;
		const char *name;
		bool files; /* helped by looking after its files, which only its own home can */
	} rows[] = {
		{ HSM_QUIRK_SEARCH_LOCK, "search breaks creation", false },
		{ HSM_QUIRK_FRAGILE_LOGIN, "a kill during login destroys the token", true },
		{ HSM_QUIRK_FRAGILE_WRITE, "a kill during an attribute write destroys the object",
		  true },
	};
	bool home = hsm->state_dir != NULL;

	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		if ((hsm->quirks & rows[i].quirk) != 0)
			hsm_probe_row(
				probe, "quirk", rows[i].name, CLV_PROBE_DIFFERS, "%s",
				rows[i].files && hsm->uri.ours && home
					? "copies of its files are kept and put back"
				: rows[i].files ? "not guarded against here"
				: home ? "both are done one at a time by the users of this home"
				       : "both are done one at a time by the users of one home");
	}
}

struct probe_args {
	struct clv_probe *probe;
	bool full;
};

static clv_rc probe_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct probe_args *args = work->arg;
	struct clv_probe *probe = args->probe;

	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	session->dead = !hsm->pool.shared; /* failed trials leave operations open in it */
	hsm_describe(hsm, probe);
	probe_hierarchy(hsm, probe);
	probe_protection(session, probe);
	probe_quirks(hsm, probe);
	if (!args->full)
		return CLV_OK;
	probe_wrap(session, probe);
	probe_gcm(hsm, probe);
	probe_log_key(session, probe);
	hsm_probe_mechanisms(session, probe);
	return CLV_OK;
}

/* ---- what the library can do with it ---- */

static void add_check(struct clv_probe *probe, const char *topic, const char *name, clv_rc rc,
		      const struct clv_err *err)
{
	if (rc == CLV_OK)
		hsm_probe_row(probe, topic, name, CLV_PROBE_YES, "%s", "");
	else
		hsm_probe_row(probe, topic, name,
			      rc == CLV_E_UNIMPLEMENTED ? CLV_PROBE_NO : CLV_PROBE_UNTRIED,
			      "%.150s", err->text);
}

/* Versions of the kinds that differ in what they ask of a token. RSA is tried with 2048 bits. */
static void probe_versions(struct hsm *hsm, struct clv_probe *probe)
{
	static const enum clv_algorithm algorithms[] = {
		CLV_ALG_AES_256_GCM,
		CLV_ALG_AES_256_CBC,
		CLV_ALG_AES_256_CTR,
		CLV_ALG_HMAC_SHA256,
		CLV_ALG_EC_SIGN_P256_SHA256,
		CLV_ALG_EC_SIGN_P384_SHA384,
		CLV_ALG_EC_SIGN_ED25519,
		CLV_ALG_RSA_SIGN_PSS_2048_SHA256,
		CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256,
	};
	char name[64];
	struct clv_err err;

	for (size_t i = 0; i < CLV_ARRAY_LEN(algorithms); i++) {
		const char *algorithm = clv_algorithm_name(algorithms[i]);
		clv_rc rc = hsm_algorithm_check(hsm, algorithms[i], CLV_RESIDENCY_WRAPPED, &err);

		snprintf(name, sizeof name, "%s, wrapped", algorithm);
		add_check(probe, "versions", name, rc, &err);
		if (rc != CLV_E_UNIMPLEMENTED)
			continue;
		rc = hsm_algorithm_check(hsm, algorithms[i], CLV_RESIDENCY_TOKEN, &err);
		snprintf(name, sizeof name, "%s, in the token", algorithm);
		add_check(probe, "versions", name, rc, &err);
	}
}

static void probe_imports(struct hsm *hsm, struct clv_probe *probe)
{
	static const struct {
		int method;
		const char *name;
	} rows[] = { { 1, "RSA_OAEP_3072_SHA1_AES_256" },
		     { 3, "RSA_OAEP_3072_SHA256_AES_256" },
		     { 5, "RSA_OAEP_3072_SHA256" } };
	struct clv_err err;

	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++)
		add_check(probe, "import", rows[i].name,
			  hsm_import_check(hsm, rows[i].method, &err), &err);
}

clv_rc hsm_probe(struct hsm *hsm, bool full, struct clv_probe *ret_probe, struct clv_err *err)
{
	struct probe_args args = { ret_probe, full };
	struct hsm_work work = { .run = probe_run, .arg = &args };

	CLV_TRY(hsm_work_once(hsm, &work, err));
	if (full && hsm->caps.lacking[0] == '\0') {
		probe_versions(hsm, ret_probe);
		probe_imports(hsm, ret_probe);
	}
	return CLV_OK;
}

/* ---- our objects ---- */

struct check_args {
	const struct hsm_location_ids *ids;
	struct clv_probe *probe;
};

static clv_rc check_one(struct hsm_session *session, struct clv_probe *probe, const char *name,
			enum hsm_role role, const uint8_t id[HSM_ID_LEN], struct clv_err *err)
{
	const struct hsm_kind *kind = hsm_kind_get(role, 0);
	CK_OBJECT_HANDLE object;
	clv_rc rc = hsm_find(session, kind->class, id, &object, err);

	if (rc == CLV_OK && role == HSM_ROLE_LOG)
		rc = hsm_log_key_check(session, object, err);
	else if (rc == CLV_OK)
		rc = hsm_attributes_check(session, object, kind, HSM_BORN_TOKEN, CLV_E_DATA_LOSS,
					  err);
	if (rc == CLV_OK)
		hsm_probe_row(probe, "object", name, CLV_PROBE_YES, "there, as made");
	else if (err->domain == CLV_DOM_PKCS11)
		return rc; /* the token did not answer: that says nothing of the object */
	else
		hsm_probe_row(probe, "object", name, CLV_PROBE_NO, "%.150s", err->text);
	return CLV_OK;
}

static clv_rc check_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	const struct check_args *args = work->arg;
	const struct hsm_location_ids *ids = args->ids;
	const struct {
		const char *name;
		enum hsm_role role;
		const uint8_t *id;
	} rows[] = { { "root KEK", HSM_ROLE_ROOT, ids->root },
		     { "seal key", HSM_ROLE_SEAL, ids->seal },
		     { "log key", HSM_ROLE_LOG, ids->log },
		     { "anchor a", HSM_ROLE_ANCHOR, ids->anchor[0] },
		     { "anchor b", HSM_ROLE_ANCHOR, ids->anchor[1] } };

	CLV_TRY(hsm_lock_search(hsm, &lock, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++)
		CLV_TRY(check_one(session, args->probe, rows[i].name, rows[i].role, rows[i].id,
				  err));
	return CLV_OK;
}

clv_rc hsm_location_check(struct hsm *hsm, const struct hsm_location_ids *ids,
			  struct clv_probe *probe, struct clv_err *err)
{
	struct check_args args = { ids, probe };
	struct hsm_work work = { .run = check_run, .arg = &args };

	return hsm_work_once(hsm, &work, err);
}

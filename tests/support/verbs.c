/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "tests/support/verbs.h"

static struct clv_buf prepared; /* a ciphertext for decrypt */
static struct clv_buf brought;  /* a key wrapped for the import job */

static void wrap_a_key(struct home_world *w)
{
	struct clv_secret *key = NULL;
	struct clv_import_job job;

	assert_ok(w, clv_import_job_get(w->ctx, NULL, JOB("j"), &job, &w->err));
	assert_ok(w, clv_secret_new(32, &key, &w->err));
	memcpy(clv_secret_mutable_bytes(key), VERB_MARKER, 32);
	assert_ok(w, clv_import_wrap(job.public_key_pem, job.method, key, &brought, &w->err));
	clv_secret_free(key);
}

void verb_prepare(struct home_world *w, const char *key)
{
	verb_done();
	assert_ok(w, world_encrypt(w, key, VERB_MARKER, &prepared));
	wrap_a_key(w);
}

void verb_done(void)
{
	clv_buf_done(&prepared);
	clv_buf_done(&brought);
}

static clv_rc ring_create(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_key_ring ring;

	return clv_key_ring_create(w->ctx, who, resource, &ring, &w->err);
}

static clv_rc ring_get(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_key_ring ring;

	return clv_key_ring_get(w->ctx, who, resource, &ring, &w->err);
}

static clv_rc ring_list(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_key_ring *rings = NULL;
	size_t n;
	clv_rc rc = clv_key_ring_list(w->ctx, who, resource, NULL, 10, &rings, &n, &w->err);

	clv_page_free(rings);
	return rc;
}

static clv_rc key_create(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_key_options options = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT };
	struct clv_key key;

	return clv_key_create(w->ctx, who, resource, &options, &key, &w->err);
}

static clv_rc key_get(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_key key;

	return clv_key_get(w->ctx, who, resource, &key, &w->err);
}

static clv_rc key_list(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_key *keys = NULL;
	size_t n;
	clv_rc rc = clv_key_list(w->ctx, who, resource, NULL, 10, &keys, &n, &w->err);

	clv_page_free(keys);
	return rc;
}

static clv_rc key_update(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	const struct clv_key_changes changes = { .update_labels = "verb=called" };
	struct clv_key key;

	return clv_key_update(w->ctx, who, resource, &changes, &key, &w->err);
}

static clv_rc version_get(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_version version;

	return clv_version_get(w->ctx, who, resource, &version, &w->err);
}

static clv_rc version_list(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_version *versions = NULL;
	size_t n;
	clv_rc rc = clv_version_list(w->ctx, who, resource, 0, 10, &versions, &n, &w->err);

	clv_page_free(versions);
	return rc;
}

static clv_rc disable(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_switch_report report;

	return clv_version_disable(w->ctx, who, resource, "a reason", &report, &w->err);
}

static clv_rc enable(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_switch_report report;

	return clv_version_enable(w->ctx, who, resource, "a reason", &report, &w->err);
}

static clv_rc version_create(struct home_world *w, const struct clv_caller *who,
			     const char *resource)
{
	struct clv_version version;

	return clv_version_create(w->ctx, who, resource, &version, &w->err);
}

static clv_rc set_primary(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_key key;

	return clv_key_set_primary(w->ctx, who, resource, 1, &key, &w->err);
}

static clv_rc destroy(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_switch_report report;

	return clv_version_destroy(w->ctx, who, resource, "a reason", &report, &w->err);
}

static clv_rc restore(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_switch_report report;

	return clv_version_restore(w->ctx, who, resource, "a reason", &report, &w->err);
}

static clv_rc catalogue_verify(struct home_world *w, const struct clv_caller *who,
			       const char *resource)
{
	struct clv_catalogue_report report;

	(void) resource;
	return clv_catalogue_verify(w->ctx, who, &report, &w->err);
}

/* Nothing is due in these tests. */
static clv_rc maintain(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_maintain_report report;

	(void) resource;
	return clv_maintain(w->ctx, who, &report, &w->err);
}

static clv_rc maintain_due(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_maintain_due due;
	struct clv_version *versions = NULL;
	size_t n;
	clv_rc rc = clv_maintain_due(w->ctx, who, 1, &due, &versions, &n, &w->err);

	(void) resource;
	clv_page_free(versions);
	return rc;
}

static clv_rc encrypt(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_bytes text = { (const uint8_t *) VERB_MARKER, strlen(VERB_MARKER) };
	struct clv_buf out = { 0 };
	clv_rc rc = clv_encrypt(w->ctx, who, resource, text, (struct clv_bytes){ 0 }, &out, NULL,
				&w->err);

	if (rc != CLV_OK)
		assert_int_equal(out.len, 0);
	clv_buf_done(&out);
	return rc;
}

static clv_rc decrypt(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_secret *plaintext = NULL;
	clv_rc rc = clv_decrypt(w->ctx, who, resource, clv_buf_view(&prepared),
				(struct clv_bytes){ 0 }, &plaintext, NULL, &w->err);

	if (rc != CLV_OK)
		assert_null(plaintext);
	clv_secret_free(plaintext);
	return rc;
}

static clv_rc dek_generate(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_secret *dek = NULL;
	struct clv_buf out = { 0 };
	clv_rc rc = clv_dek_generate(w->ctx, who, resource, NULL, &out, &dek, NULL, &w->err);

	assert_true((rc == CLV_OK) == (out.len > 0) && (rc == CLV_OK) == (dek != NULL));
	clv_secret_free(dek);
	clv_buf_done(&out);
	return rc;
}

static clv_rc dek_unwrap(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_secret *dek = NULL;
	clv_rc rc = clv_dek_unwrap(w->ctx, who, resource, clv_buf_view(&prepared),
				   (struct clv_bytes){ 0 }, &dek, NULL, &w->err);

	if (rc != CLV_OK)
		assert_null(dek);
	clv_secret_free(dek);
	return rc;
}

static clv_rc dek_rewrap(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_dek_rewrapped report = { .from = "untouched" };
	struct clv_buf out = { 0 };
	clv_rc rc = clv_dek_rewrap(w->ctx, who, resource, clv_buf_view(&prepared),
				   (struct clv_bytes){ 0 }, &out, &report, &w->err);

	if (rc != CLV_OK)
		assert_true(out.len == 0 && strcmp(report.from, "untouched") == 0);
	clv_buf_done(&out);
	return rc;
}

static clv_rc random_bytes(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_secret *bytes = NULL;
	clv_rc rc = clv_random_bytes(w->ctx, who, resource, 32, &bytes, &w->err);

	if (rc != CLV_OK)
		assert_null(bytes);
	clv_secret_free(bytes);
	return rc;
}

static clv_rc import_job_create(struct home_world *w, const struct clv_caller *who,
				const char *resource)
{
	const struct clv_import_job_options options = {
		.method = CLV_IMPORT_RSA_OAEP_3072_SHA1_AES_256,
		.protection = CLV_PROTECTION_SOFTWARE,
	};
	struct clv_import_job job;

	return clv_import_job_create(w->ctx, who, resource, &options, &job, &w->err);
}

static clv_rc import_job_get(struct home_world *w, const struct clv_caller *who,
			     const char *resource)
{
	struct clv_import_job job;

	return clv_import_job_get(w->ctx, who, resource, &job, &w->err);
}

static clv_rc import_job_list(struct home_world *w, const struct clv_caller *who,
			      const char *resource)
{
	struct clv_import_job *jobs = NULL;
	size_t n;
	clv_rc rc = clv_import_job_list(w->ctx, who, resource, NULL, 10, &jobs, &n, &w->err);

	clv_page_free(jobs);
	return rc;
}

/* Of a key that verb_prepare() wrapped. */
static clv_rc version_import(struct home_world *w, const struct clv_caller *who,
			     const char *resource)
{
	const struct clv_import import = { .job = JOB("j"), .wrapped = clv_buf_view(&brought) };
	struct clv_version version;

	return clv_version_import(w->ctx, who, resource, &import, &version, &w->err);
}

static clv_rc location_create(struct home_world *w, const struct clv_caller *who,
			      const char *resource)
{
	struct clv_location location;

	return clv_location_create(w->ctx, who, resource,
				   "pkcs11:token=none?module-path=" CLV_SOFTHSM_MODULE
				   "&pin-source=pins/none&x-softhsm2-conf=softhsm/softhsm2.conf",
				   &location, &w->err);
}

static clv_rc location_create_softhsm(struct home_world *w, const struct clv_caller *who,
				      const char *resource)
{
	struct clv_location location;

	return clv_location_create_softhsm(w->ctx, who, resource, NULL, &location, &w->err);
}

static clv_rc location_get(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_location location;

	return clv_location_get(w->ctx, who, resource, &location, &w->err);
}

static clv_rc location_list(struct home_world *w, const struct clv_caller *who,
			    const char *resource)
{
	struct clv_location *locations = NULL;
	size_t n;
	clv_rc rc = clv_location_list(w->ctx, who, resource, NULL, 10, &locations, &n, &w->err);

	clv_page_free(locations);
	return rc;
}

static clv_rc token_list(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_token *tokens = NULL;
	size_t n;
	clv_rc rc = clv_token_list(w->ctx, who, resource, &tokens, &n, &w->err);

	clv_page_free(tokens);
	return rc;
}

/* NULL: the tokens of all locations. */
static clv_rc token_list_all(struct home_world *w, const struct clv_caller *who,
			     const char *resource)
{
	(void) resource;
	return token_list(w, who, NULL);
}

static clv_rc token_status(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	static _Thread_local struct clv_probe probe; /* large */

	return clv_token_status(w->ctx, who, resource, &probe, &w->err);
}

static clv_rc status_get(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_status status = { 0 };
	clv_rc rc = clv_status_get(w->ctx, who, &status, &w->err);

	(void) resource;
	clv_status_done(&status);
	return rc;
}

/* ---- keys of other purposes: a fresh home has none, so these are about who may and what is there
 */

static clv_rc asymmetric_sign(struct home_world *w, const struct clv_caller *who,
			      const char *resource)
{
	struct clv_input data = { .bytes = { (const uint8_t *) VERB_MARKER, sizeof VERB_MARKER } };
	struct clv_buf out = { 0 };
	clv_rc rc = clv_asymmetric_sign(w->ctx, who, resource, &data, NULL, &out, NULL, &w->err);

	clv_buf_done(&out);
	return rc;
}

static clv_rc asymmetric_decrypt(struct home_world *w, const struct clv_caller *who,
				 const char *resource)
{
	struct clv_input ciphertext = { .bytes = { NULL, 0 } };
	struct clv_secret *plaintext = NULL;
	clv_rc rc = clv_asymmetric_decrypt(w->ctx, who, resource, &ciphertext, &plaintext, NULL,
					   &w->err);

	clv_secret_free(plaintext);
	return rc;
}

static clv_rc public_key_get(struct home_world *w, const struct clv_caller *who,
			     const char *resource)
{
	struct clv_buf out = { 0 };
	clv_rc rc =
		clv_public_key_get(w->ctx, who, resource, CLV_PUBLIC_KEY_PEM, &out, NULL, &w->err);

	clv_buf_done(&out);
	return rc;
}

static clv_rc mac_sign(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_input data = { .bytes = { (const uint8_t *) VERB_MARKER, sizeof VERB_MARKER } };
	struct clv_buf out = { 0 };
	clv_rc rc = clv_mac_sign(w->ctx, who, resource, &data, &out, NULL, &w->err);

	clv_buf_done(&out);
	return rc;
}

static clv_rc mac_verify(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_input data = { .bytes = { (const uint8_t *) VERB_MARKER, sizeof VERB_MARKER } };
	struct clv_input mac = { .bytes = { NULL, 0 } };
	bool valid;

	return clv_mac_verify(w->ctx, who, resource, &data, &mac, &valid, NULL, &w->err);
}

static clv_rc raw_encrypt(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_raw in = { .text.bytes = { (const uint8_t *) VERB_MARKER, sizeof VERB_MARKER } };
	struct clv_buf out = { 0 };
	struct clv_raw_iv iv;
	clv_rc rc = clv_raw_encrypt(w->ctx, who, resource, &in, &out, &iv, NULL, &w->err);

	clv_buf_done(&out);
	return rc;
}

static clv_rc raw_decrypt(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_raw in = { .iv.bytes = { NULL, 0 } };
	struct clv_secret *plaintext = NULL;
	clv_rc rc = clv_raw_decrypt(w->ctx, who, resource, &in, &plaintext, NULL, &w->err);

	clv_secret_free(plaintext);
	return rc;
}

#define NO_LOCATION PROJECT "/locations/none"
#define NO_RING LOCATION "/keyRings/none"
#define NO_KEY KEY("none")
#define NO_JOB JOB("none")

/* ---- policies and other documents */

static struct clv_bytes bytes_of(const char *text)
{
	return (struct clv_bytes){ (const uint8_t *) text, strlen(text) };
}

static clv_rc iam_get(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_buf out = { 0 };
	clv_rc rc = clv_iam_get(w->ctx, who, resource, &out, &w->err);

	clv_buf_done(&out);
	return rc;
}

static clv_rc iam_set(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_buf out = { 0 };
	clv_rc rc =
		clv_iam_set(w->ctx, who, resource, bytes_of("{\"bindings\":[]}"), &out, &w->err);

	clv_buf_done(&out);
	return rc;
}

static const struct clv_document_id groups = { CLV_DOCUMENT_GROUPS, NULL };

static clv_rc document_get(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_buf out = { 0 };
	clv_rc rc = clv_document_get(w->ctx, who, &groups, &out, &w->err);

	(void) resource;
	clv_buf_done(&out);
	return rc;
}

static clv_rc document_set(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_buf out = { 0 };
	clv_rc rc = clv_document_set(w->ctx, who, &groups, CLV_DOCUMENT_PUT,
				     bytes_of("{\"groups\":[]}"), &out, &w->err);

	(void) resource;
	clv_buf_done(&out);
	return rc;
}

static clv_rc document_remove(struct home_world *w, const struct clv_caller *who,
			      const char *resource)
{
	(void) resource;
	return clv_document_remove(w->ctx, who, &groups, NULL, &w->err);
}

/* Of a key, and of a project: what can be named by what it is of. */
static struct clv_document_id constraint_of(const char *resource, char name[512])
{
	snprintf(name, 512, "%s/policies/claviger.callerLocations", resource);
	return (struct clv_document_id){ CLV_DOCUMENT_CONSTRAINT, name };
}

static struct clv_document_id role_of(const char *resource, char name[512])
{
	snprintf(name, 512, "%s/roles/reader", resource);
	return (struct clv_document_id){ CLV_DOCUMENT_ROLE, name };
}

static clv_rc get_document(struct home_world *w, const struct clv_caller *who,
			   struct clv_document_id id)
{
	struct clv_buf out = { 0 };
	clv_rc rc = clv_document_get(w->ctx, who, &id, &out, &w->err);

	clv_buf_done(&out);
	return rc;
}

static clv_rc constraint_get(struct home_world *w, const struct clv_caller *who,
			     const char *resource)
{
	char name[512];

	return get_document(w, who, constraint_of(resource, name));
}

static clv_rc constraint_set(struct home_world *w, const struct clv_caller *who,
			     const char *resource)
{
	struct clv_buf out = { 0 };
	char name[512], text[1024];
	const struct clv_document_id id = constraint_of(resource, name);
	clv_rc rc;

	snprintf(text, sizeof text, "{\"name\":\"%s\",\"spec\":{\"rules\":[{\"allowAll\":true}]}}",
		 name);
	rc = clv_document_set(w->ctx, who, &id, CLV_DOCUMENT_PUT, bytes_of(text), &out, &w->err);
	clv_buf_done(&out);
	return rc;
}

static clv_rc constraint_remove(struct home_world *w, const struct clv_caller *who,
				const char *resource)
{
	char name[512];
	const struct clv_document_id id = constraint_of(resource, name);

	return clv_document_remove(w->ctx, who, &id, NULL, &w->err);
}

static clv_rc list_documents(struct home_world *w, const struct clv_caller *who,
			     enum clv_document kind, const char *resource)
{
	struct clv_buf out = { 0 };
	clv_rc rc = clv_document_list(w->ctx, who, kind, resource, &out, &w->err);

	clv_buf_done(&out);
	return rc;
}

static clv_rc constraint_list(struct home_world *w, const struct clv_caller *who,
			      const char *resource)
{
	return list_documents(w, who, CLV_DOCUMENT_CONSTRAINT, resource);
}

static clv_rc role_list(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	return list_documents(w, who, CLV_DOCUMENT_ROLE, resource);
}

static clv_rc role_get(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	char name[512];

	return get_document(w, who, role_of(resource, name));
}

static clv_rc set_role(struct home_world *w, const struct clv_caller *who, const char *resource,
		       enum clv_document_mode mode)
{
	struct clv_buf out = { 0 };
	char name[512], text[1024];
	const struct clv_document_id id = role_of(resource, name);
	clv_rc rc;

	snprintf(text, sizeof text,
		 "{\"name\":\"%s\",\"title\":\"reader\",\"stage\":\"GA\","
		 "\"includedPermissions\":[\"cloudkms.keyRings.get\"]}",
		 name);
	rc = clv_document_set(w->ctx, who, &id, mode, bytes_of(text), &out, &w->err);
	clv_buf_done(&out);
	return rc;
}

static clv_rc role_create(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	return set_role(w, who, resource, CLV_DOCUMENT_CREATE);
}

static clv_rc role_update(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	return set_role(w, who, resource, CLV_DOCUMENT_UPDATE);
}

static clv_rc role_remove(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	char name[512];
	const struct clv_document_id id = role_of(resource, name);

	return clv_document_remove(w->ctx, who, &id, NULL, &w->err);
}

static clv_rc policy_explain(struct home_world *w, const struct clv_caller *who,
			     const char *resource)
{
	const struct clv_policy_question question = { .principal = "user:mallory",
						      .action = "decrypt",
						      .resource = resource };
	struct clv_buf out = { 0 };
	clv_rc rc = clv_policy_explain(w->ctx, who, &question, &out, &w->err);

	clv_buf_done(&out);
	return rc;
}

static clv_rc policy_lint(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_buf out = { 0 };
	clv_rc rc = clv_policy_lint(w->ctx, who, &out, &w->err);

	(void) resource;
	clv_buf_done(&out);
	return rc;
}

static clv_rc policy_test(struct home_world *w, const struct clv_caller *who, const char *resource)
{
	struct clv_buf out = { 0 };
	clv_rc rc = clv_policy_test(w->ctx, who, bytes_of("{\"cases\":[]}"), &out, &w->err);

	(void) resource;
	clv_buf_done(&out);
	return rc;
}

const struct verb verbs[] = {
	{ "key_ring_create", "cloudkms.keyRings.create", ring_create, RING, NO_RING },
	{ "key_ring_get", "cloudkms.keyRings.get", ring_get, RING, NO_RING },
	{ "key_ring_list", "cloudkms.keyRings.list", ring_list, LOCATION, NO_LOCATION },
	{ "key_create", "cloudkms.cryptoKeys.create", key_create, WRAPPED, NO_KEY },
	{ "key_get", "cloudkms.cryptoKeys.get", key_get, WRAPPED, NO_KEY },
	{ "key_list", "cloudkms.cryptoKeys.list", key_list, RING, NO_RING },
	{ "key_update", "cloudkms.cryptoKeys.update", key_update, WRAPPED, NO_KEY },
	{ "version_get", "cloudkms.cryptoKeyVersions.get", version_get, VERSION(WRAPPED),
	  VERSION(NO_KEY) },
	{ "version_list", "cloudkms.cryptoKeyVersions.list", version_list, WRAPPED, NO_KEY },
	{ "version_create", "cloudkms.cryptoKeyVersions.create", version_create, WRAPPED, NO_KEY },
	{ "key_set_primary", "cloudkms.cryptoKeys.update", set_primary, WRAPPED, NO_KEY },
	{ "version_disable", "cloudkms.cryptoKeyVersions.update", disable, VERSION(WRAPPED),
	  VERSION(NO_KEY) },
	{ "version_destroy", "cloudkms.cryptoKeyVersions.destroy", destroy, VERSION(WRAPPED),
	  VERSION(NO_KEY) },
	{ "version_restore", "cloudkms.cryptoKeyVersions.restore", restore, VERSION(WRAPPED),
	  VERSION(NO_KEY) },
	{ "version_enable", "cloudkms.cryptoKeyVersions.update", enable, VERSION(WRAPPED),
	  VERSION(NO_KEY) },
	{ "import_job_create", "cloudkms.importJobs.create", import_job_create, JOB("j"), NO_JOB },
	{ "import_job_get", "cloudkms.importJobs.get", import_job_get, JOB("j"), NO_JOB },
	{ "import_job_list", "cloudkms.importJobs.list", import_job_list, RING, NO_RING },
	{ "version_import", "cloudkms.cryptoKeyVersions.create", version_import, WRAPPED, NO_KEY },
	{ "encrypt", "cloudkms.cryptoKeyVersions.useToEncrypt", encrypt, WRAPPED, NO_KEY },
	{ "decrypt", "cloudkms.cryptoKeyVersions.useToDecrypt", decrypt, WRAPPED, NO_KEY },
	{ "dek_generate", "cloudkms.cryptoKeyVersions.useToEncrypt", dek_generate, WRAPPED,
	  NO_KEY },
	{ "dek_unwrap", "cloudkms.cryptoKeyVersions.useToDecrypt", dek_unwrap, WRAPPED, NO_KEY },
	{ "dek_rewrap", "cloudkms.cryptoKeyVersions.useToDecrypt", dek_rewrap, WRAPPED, NO_KEY },
	{ "asymmetric_sign", "cloudkms.cryptoKeyVersions.useToSign", asymmetric_sign,
	  VERSION(WRAPPED), VERSION(NO_KEY) },
	{ "asymmetric_decrypt", "cloudkms.cryptoKeyVersions.useToDecrypt", asymmetric_decrypt,
	  VERSION(WRAPPED), VERSION(NO_KEY) },
	{ "public_key_get", "cloudkms.cryptoKeyVersions.viewPublicKey", public_key_get,
	  VERSION(WRAPPED), VERSION(NO_KEY) },
	{ "mac_sign", "cloudkms.cryptoKeyVersions.useToSign", mac_sign, VERSION(WRAPPED),
	  VERSION(NO_KEY) },
	{ "mac_verify", "cloudkms.cryptoKeyVersions.useToVerify", mac_verify, VERSION(WRAPPED),
	  VERSION(NO_KEY) },
	{ "raw_encrypt", "cloudkms.cryptoKeyVersions.useToEncrypt", raw_encrypt, VERSION(WRAPPED),
	  VERSION(NO_KEY) },
	{ "raw_decrypt", "cloudkms.cryptoKeyVersions.useToDecrypt", raw_decrypt, VERSION(WRAPPED),
	  VERSION(NO_KEY) },
	{ "iam_get_project", "resourcemanager.projects.getIamPolicy", iam_get, PROJECT,
	  "projects/none" },
	{ "iam_set_project", "resourcemanager.projects.setIamPolicy", iam_set, PROJECT,
	  "projects/none" },
	{ "iam_get_ring", "cloudkms.keyRings.getIamPolicy", iam_get, RING, NO_RING },
	{ "iam_set_ring", "cloudkms.keyRings.setIamPolicy", iam_set, RING, NO_RING },
	{ "iam_get_key", "cloudkms.cryptoKeys.getIamPolicy", iam_get, WRAPPED, NO_KEY },
	{ "iam_set_key", "cloudkms.cryptoKeys.setIamPolicy", iam_set, WRAPPED, NO_KEY },
	{ "iam_get_job", "cloudkms.importJobs.getIamPolicy", iam_get, JOB("j"), NO_JOB },
	{ "iam_set_job", "cloudkms.importJobs.setIamPolicy", iam_set, JOB("j"), NO_JOB },
	{ "document_get", "claviger.policies.get", document_get, PROJECT, NULL },
	{ "document_set", "claviger.policies.set", document_set, PROJECT, NULL },
	{ "document_remove", "claviger.policies.set", document_remove, PROJECT, NULL },
	{ "constraint_get", "claviger.policies.get", constraint_get, WRAPPED, NO_KEY },
	{ "constraint_set", "claviger.policies.set", constraint_set, WRAPPED, NO_KEY },
	{ "constraint_remove", "claviger.policies.set", constraint_remove, WRAPPED, NO_KEY },
	{ "constraint_list", "claviger.policies.get", constraint_list, PROJECT, "projects/none" },
	{ "role_get", "claviger.roles.get", role_get, PROJECT, "projects/none" },
	{ "role_create", "claviger.roles.create", role_create, PROJECT, "projects/none" },
	{ "role_update", "claviger.roles.update", role_update, PROJECT, "projects/none" },
	{ "role_remove", "claviger.roles.delete", role_remove, PROJECT, "projects/none" },
	{ "role_list", "claviger.roles.list", role_list, PROJECT, "projects/none" },
	{ "policy_explain", "claviger.policies.get", policy_explain, WRAPPED, NO_KEY },
	{ "policy_lint", "claviger.policies.get", policy_lint, PROJECT, NULL },
	{ "policy_test", "claviger.policies.get", policy_test, PROJECT, NULL },
	{ "random_bytes", "cloudkms.locations.generateRandomBytes", random_bytes, LOCATION,
	  NO_LOCATION },
	{ "location_create", "claviger.locations.create", location_create, LOCATION, NO_LOCATION },
	{ "location_create_softhsm", "claviger.locations.create", location_create_softhsm, LOCATION,
	  NO_LOCATION },
	{ "location_get", "cloudkms.locations.get", location_get, LOCATION, NO_LOCATION },
	{ "location_list", "cloudkms.locations.list", location_list, PROJECT, "projects/none" },
	{ "token_list", "claviger.tokens.list", token_list, LOCATION, NO_LOCATION },
	{ "token_list_all", "claviger.tokens.list", token_list_all, PROJECT, NULL },
	{ "token_status", "claviger.tokens.get", token_status, LOCATION, NO_LOCATION },
	{ "maintain", "claviger.homes.maintain", maintain, PROJECT, NULL },
	{ "maintain_due", "claviger.homes.maintain", maintain_due, PROJECT, NULL },
	{ "catalogue_verify", "claviger.catalogue.verify", catalogue_verify, PROJECT, NULL },
	{ "status_get", "claviger.homes.get", status_get, PROJECT, NULL },
};
const size_t n_verbs = CLV_ARRAY_LEN(verbs);

const struct verb *verb_named(const char *name)
{
	for (size_t i = 0; i < n_verbs; i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	fail_msg("no verb %s", name);
	return NULL;
}

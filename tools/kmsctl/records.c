/* SPDX-License-Identifier: Apache-2.0 */
/* Library types as JSON, with Cloud KMS's field names where it has one. No I/O. */
#include <stdio.h>
#include <string.h>

#include "tools/kmsctl/kmsctl.h"

static const char *last_part(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash != NULL ? slash + 1 : name;
}

/* Fields that are empty are left out, as Cloud KMS does. */
static void put_if(json_t **rec, const char *key, const char *text)
{
	if (text[0] != '\0')
		kms_put_text(rec, key, text);
}

json_t *kms_record_location(const void *p)
{
	const struct clv_location *location = p;
	json_t *rec = json_object();

	kms_put_text(&rec, "name", location->name);
	kms_put_text(&rec, "locationId", last_part(location->name));
	kms_put_time(&rec, "createTime", location->create_time);
	kms_put_number(&rec, "tokenCount", location->n_tokens);
	return rec;
}

json_t *kms_record_key_ring(const void *p)
{
	const struct clv_key_ring *ring = p;
	json_t *rec = json_object();

	kms_put_text(&rec, "name", ring->name);
	kms_put_time(&rec, "createTime", ring->create_time);
	return rec;
}

/* "key=value,key=value" as a map; the library has checked what stands in it. */
static json_t *labels_of(const char *labels)
{
	json_t *rec = json_object();

	while (*labels != '\0') {
		size_t len = strcspn(labels, ","), key_len = strcspn(labels, "=");
		char key[64], value[64];

		snprintf(key, sizeof key, "%.*s", (int) key_len, labels);
		snprintf(value, sizeof value, "%.*s", (int) (len - key_len - 1),
			 labels + key_len + 1);
		kms_put_text(&rec, key, value);
		labels += len + (labels[len] == ',');
	}
	return rec;
}

/* When it gets a new primary by itself. */
static void put_schedule(json_t **rec, const struct clv_key *key)
{
	char period[CLV_DURATION_TEXT_MAX];

	if (key->rotation_period != 0)
		kms_put_text(rec, "rotationPeriod",
			     clv_duration_format(key->rotation_period, period));
	if (key->next_rotation_time != 0)
		kms_put_time(rec, "nextRotationTime", key->next_rotation_time);
}

json_t *kms_record_key(const void *p)
{
	const struct clv_key *key = p;
	json_t *rec = json_object();
	json_t *template = json_object();
	char delay[CLV_DURATION_TEXT_MAX];

	kms_put_text(&rec, "name", key->name);
	kms_put_text(&rec, "purpose", clv_purpose_name(key->purpose));
	kms_put_time(&rec, "createTime", key->create_time);
	kms_put_text(&template, "algorithm", clv_algorithm_name(key->algorithm));
	kms_put_text(&template, "protectionLevel", clv_protection_name(key->protection));
	kms_put(&rec, "versionTemplate", template);
	if (key->primary != 0)
		kms_put(&rec, "primary", kms_record_version(&key->primary_version));
	put_schedule(&rec, key);
	if (key->labels[0] != '\0')
		kms_put(&rec, "labels", labels_of(key->labels));
	if (key->import_only)
		kms_put(&rec, "importOnly", json_true());
	kms_put_text(&rec, "destroyScheduledDuration",
		     clv_duration_format(key->destroy_delay, delay));
	kms_put_text(&rec, "residency", clv_residency_name(key->residency));
	return rec;
}

/* Where a version came from, and whether the same key may come again. */
static void put_import(json_t **rec, const struct clv_version *version)
{
	struct clv_name name = { .kind = CLV_NAME_PROJECT };
	struct clv_err ignored;
	char job[CLV_NAME_MAX];

	if (clv_name_parse(version->name, &name, &ignored) != CLV_OK)
		return; /* the library wrote it */
	name.kind = CLV_NAME_IMPORT_JOB;
	memcpy(name.import_job, version->import_job, sizeof name.import_job);
	kms_put_text(rec, "importJob", clv_name_format(&name, CLV_NAME_IMPORT_JOB, job));
	kms_put_time(rec, "importTime", version->import_time);
	kms_put(rec, "reimportEligible",
		json_boolean(version->state == CLV_STATE_DESTROYED ||
			     version->state == CLV_STATE_IMPORT_FAILED));
}

json_t *kms_record_version(const void *p)
{
	const struct clv_version *version = p;
	json_t *rec = json_object();
	char uid[CLV_UID_LEN * 2 + 1];

	for (size_t i = 0; i < CLV_UID_LEN; i++)
		snprintf(uid + 2 * i, 3, "%02x", version->uid[i]);
	kms_put_text(&rec, "name", version->name);
	kms_put_text(&rec, "state", clv_state_name(version->state));
	kms_put_text(&rec, "protectionLevel", clv_protection_name(version->protection));
	kms_put_text(&rec, "algorithm", clv_algorithm_name(version->algorithm));
	kms_put_time(&rec, "createTime", version->create_time);
	if (version->generate_time != 0)
		kms_put_time(&rec, "generateTime", version->generate_time);
	if (version->import_time != 0)
		put_import(&rec, version);
	if (version->state == CLV_STATE_DESTROY_SCHEDULED)
		kms_put_time(&rec, "destroyTime", version->destroy_time);
	if (version->state == CLV_STATE_DESTROYED)
		kms_put_time(&rec, "destroyEventTime", version->destroy_event_time);
	kms_put_text(&rec, "residency", clv_residency_name(version->residency));
	kms_put_text(&rec, "uid", uid);
	kms_put_time(&rec, "stateTime", version->state_time);
	put_if(&rec, "statePrincipal", version->state_principal);
	put_if(&rec, "stateReason", version->state_reason);
	return rec;
}

json_t *kms_record_used(const struct clv_used *used)
{
	json_t *rec = json_object();

	kms_put_text(&rec, "name", used->version);
	kms_put_text(&rec, "algorithm", clv_algorithm_name(used->algorithm));
	kms_put_text(&rec, "protectionLevel", clv_protection_name(used->protection));
	return rec;
}

json_t *kms_record_version_nist(const void *p)
{
	const struct clv_version *version = p;
	json_t *rec = kms_record_version(p);

	kms_put_text(&rec, "nistState", clv_state_nist_name(version->state));
	return rec;
}

json_t *kms_record_import_job(const void *p)
{
	const struct clv_import_job *job = p;
	json_t *rec = json_object();

	kms_put_text(&rec, "name", job->name);
	kms_put_text(&rec, "state", clv_import_state_name(job->state));
	kms_put_text(&rec, "importMethod", clv_import_method_name(job->method));
	kms_put_text(&rec, "protectionLevel", clv_protection_name(job->protection));
	kms_put_time(&rec, "createTime", job->create_time);
	kms_put_time(&rec, "generateTime", job->generate_time);
	kms_put_time(&rec, "expireTime", job->expire_time);
	if (job->expire_event_time != 0)
		kms_put_time(&rec, "expireEventTime", job->expire_event_time);
	if (job->public_key_pem[0] != '\0') {
		json_t *public_key = json_object();

		kms_put_text(&public_key, "pem", job->public_key_pem);
		kms_put(&rec, "publicKey", public_key);
	}
	return rec;
}

json_t *kms_record_catalogue(const struct clv_catalogue_report *report)
{
	json_t *rec = json_object();

	kms_put_number(&rec, "rows", report->n_rows);
	kms_put_number(&rec, "locations", report->n_locations);
	return rec;
}

json_t *kms_record_restoration(const struct clv_restoration *restoration)
{
	json_t *rec = json_object();

	kms_put_number(&rec, "epoch", restoration->epoch);
	kms_put_number(&rec, "newestEpoch", restoration->newest);
	kms_put_number(&rec, "versionsDisabled", restoration->n_disabled);
	return rec;
}

json_t *kms_record_maintain(const struct clv_maintain_report *report)
{
	json_t *rec = json_object();

	kms_put_number(&rec, "versionsDestroyed", report->destroyed);
	kms_put_number(&rec, "keysRotated", report->rotated);
	kms_put_number(&rec, "importJobsExpired", report->import_jobs_expired);
	return rec;
}

json_t *kms_record_switch(const struct clv_switch_report *report)
{
	json_t *rec = kms_record_version(&report->version);
	json_t *change = json_object();
	char waited[CLV_DURATION_TEXT_MAX];

	clv_duration_format(report->waited_ns, waited);
	kms_put(&change, "changed", json_boolean(report->changed));
	kms_put_text(&change, "waited", waited);
	kms_put_number(&change, "holders", report->holders);
	kms_put(&change, "tokenPending", json_boolean(report->token_pending));
	if (report->token_pending)
		put_if(&change, "tokenPendingWhy", report->token_pending_why);
	kms_put(&rec, "switch", change);
	return rec;
}

json_t *kms_record_token(const void *p)
{
	const struct clv_token *token = p;
	json_t *rec = json_object();

	kms_put_text(&rec, "location", token->location);
	kms_put_text(&rec, "label", token->label);
	kms_put_text(&rec, "serial", token->serial);
	kms_put_text(&rec, "manufacturer", token->manufacturer);
	kms_put_text(&rec, "model", token->model);
	kms_put_text(&rec, "uri", token->uri);
	kms_put_time(&rec, "attachTime", token->attach_time);
	put_if(&rec, "logKeyPem", token->log_key_pem);
	return rec;
}

/* ---- probes */

static json_t *rows_of(const struct clv_probe *probe)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < probe->n_rows; i++) {
		const struct clv_probe_row *row = &probe->rows[i];
		json_t *rec = json_object();

		kms_put_text(&rec, "topic", row->topic);
		kms_put_text(&rec, "name", row->name);
		kms_put_text(&rec, "result", clv_probe_result_name(row->result));
		put_if(&rec, "note", row->note);
		kms_append(&rows, rec);
	}
	return rows;
}

json_t *kms_record_probe(const struct clv_probe *probe)
{
	json_t *rec = json_object();

	kms_put_text(&rec, "label", probe->label);
	kms_put_text(&rec, "serial", probe->serial);
	kms_put_text(&rec, "manufacturer", probe->manufacturer);
	kms_put_text(&rec, "model", probe->model);
	put_if(&rec, "hardwareVersion", probe->hardware_version);
	put_if(&rec, "firmwareVersion", probe->firmware_version);
	kms_put_text(&rec, "module", probe->module_path);
	put_if(&rec, "library", probe->library);
	put_if(&rec, "libraryVersion", probe->library_version);
	put_if(&rec, "cryptokiVersion", probe->cryptoki_version);
	kms_put(&rec, "validatedModule", json_boolean(probe->validated_module));
	put_if(&rec, "validationNote", probe->validation_note);
	kms_put_number(&rec, "maxSessions", probe->max_sessions);
	kms_put_number(&rec, "openSessions", probe->open_sessions);
	kms_put_number(&rec, "minPinLength", probe->min_pin);
	kms_put_number(&rec, "maxPinLength", probe->max_pin);
	kms_put(&rec, "capabilities", rows_of(probe));
	return rec;
}

/* ---- status */

static json_t *status_location(const struct clv_status_location *location)
{
	json_t *rec = json_object();

	kms_put_text(&rec, "locationId", location->id);
	kms_put_text(&rec, "tokenLabel", location->token_label);
	kms_put_text(&rec, "tokenSerial", location->token_serial);
	kms_put_number(&rec, "tokenCount", location->n_tokens);
	kms_put_text(&rec, "tokenStatus", clv_rc_name(location->token_rc));
	if (location->token_rc != CLV_OK)
		put_if(&rec, "tokenMessage", location->token_text);
	kms_put_number(&rec, "keyRings", location->n_key_rings);
	kms_put_number(&rec, "keys", location->n_keys);
	kms_put_number(&rec, "versionsEnabled", location->n_versions_enabled);
	kms_put_number(&rec, "versionsDisabled", location->n_versions_disabled);
	kms_put_number(&rec, "versionsScheduled", location->n_versions_scheduled);
	kms_put_number(&rec, "versionsDestroyed", location->n_versions_destroyed);
	kms_put_number(&rec, "tokenPending", location->n_token_pending);
	kms_put_number(&rec, "sealEpoch", location->seal_epoch);
	kms_put_number(&rec, "sealPending", location->n_seal_pending);
	return rec;
}

json_t *kms_record_status(const struct clv_status *status)
{
	json_t *rec = json_object();
	json_t *locations = json_array();

	kms_put_text(&rec, "home", status->home);
	kms_put_text(&rec, "project", status->project);
	kms_put_text(&rec, "owner", status->owner);
	kms_put(&rec, "schema", json_integer(status->schema));
	kms_put_number(&rec, "generation", status->generation);
	kms_put_number(&rec, "auditBytes", status->audit_bytes);
	kms_put_number(&rec, "reserveBytes", status->reserve_bytes);
	kms_put(&rec, "reserveFull", json_boolean(status->reserve_full));
	for (size_t i = 0; i < status->n_locations; i++)
		kms_append(&locations, status_location(&status->locations[i]));
	kms_put(&rec, "locations", locations);
	return rec;
}

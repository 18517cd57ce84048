/* SPDX-License-Identifier: Apache-2.0 */
/* Locations, the tokens that serve them, and what a token can do. */
#ifndef CLAVIGER_TOKEN_H
#define CLAVIGER_TOKEN_H

#include <claviger/key.h>

#define CLV_URI_MAX 1024 /* bytes of a PKCS#11 URI (RFC 7512), with the final NUL */
#define CLV_PEM_MAX 1024 /* bytes, with the final NUL */
#define CLV_PROBE_ROWS_MAX 128

/* Plain data, no ownership. */
struct clv_location {
	char name[CLV_NAME_MAX]; /* projects/P/locations/L */
	char id[CLV_ID_MAX];
	int64_t create_time; /* ns since 1970 */
	unsigned n_tokens;
};

/* A token attached to a location. Plain data; strings are trimmed of PKCS#11's blank padding. */
struct clv_token {
	char location[CLV_ID_MAX];
	char uri[CLV_URI_MAX]; /* as attached; names the PIN's source, never the PIN */
	char serial[17];
	char label[33];
	char manufacturer[33];
	char model[17];
	char log_key_pem[CLV_PEM_MAX]; /* public half of the location's log key
					  (SubjectPublicKeyInfo) */
	int64_t attach_time;           /* ns since 1970 */
};

/*
 * Makes a location served by an already initialised token, found by the serial number or label in
 * `uri`. Makes the location's root KEK, seal key, log key and anchors in it. Never initialises a
 * token and never sets a PIN.
 * Errors: CLV_E_ALREADY_EXISTS; CLV_E_INVALID_ARGUMENT a bad URI; CLV_E_NOT_FOUND no such token;
 * CLV_E_FAILED_PRECONDITION the token serves another location, or has no user PIN yet;
 * CLV_E_UNIMPLEMENTED the token cannot wrap and unwrap inside (the text says what is missing);
 * CLV_E_UNAVAILABLE.
 */
CLV_MUST_USE clv_rc clv_location_create(struct clv_ctx *ctx, const struct clv_caller *who,
					const char *location_name, const char *uri,
					struct clv_location *ret_location, struct clv_err *err);

/*
 * Initialises a new SoftHSM token in the home, with random PINs in files of mode 0600, and makes a
 * location served by it. For tests and demonstrations: SoftHSM is not a validated module.
 * `module` is SoftHSM's library, NULL for the one found at build time.
 */
CLV_MUST_USE clv_rc clv_location_create_softhsm(struct clv_ctx *ctx, const struct clv_caller *who,
						const char *location_name, const char *module,
						struct clv_location *ret_location,
						struct clv_err *err);

/* Errors: CLV_E_NOT_FOUND. */
CLV_MUST_USE clv_rc clv_location_get(struct clv_ctx *ctx, const struct clv_caller *who,
				     const char *location_name, struct clv_location *ret_location,
				     struct clv_err *err);

/* One page of the home's locations: as clv_key_ring_list(). */
CLV_MUST_USE clv_rc clv_location_list(struct clv_ctx *ctx, const struct clv_caller *who,
				      const char *project_name, const char *after, size_t limit,
				      struct clv_location **ret_locations, size_t *ret_n,
				      struct clv_err *err);

/* The tokens attached to a location, or to all (NULL), as the catalogue has them: asks no token.
 * *ret_tokens is ended with clv_page_free(). */
CLV_MUST_USE clv_rc clv_token_list(struct clv_ctx *ctx, const struct clv_caller *who,
				   const char *location_name, struct clv_token **ret_tokens,
				   size_t *ret_n, struct clv_err *err);

/* What trying something on a token gave. */
enum clv_probe_result {
	CLV_PROBE_YES,     /* tried, works as the standard says */
	CLV_PROBE_NO,      /* tried, does not work */
	CLV_PROBE_DIFFERS, /* tried, works in another way: see the note */
	CLV_PROBE_UNTRIED, /* could not be tried here: see the note */
};
const char *
clv_probe_result_name(enum clv_probe_result result); /* "yes" "no" "differs" "untried" */

struct clv_probe_row {
	char topic[16]; /* "wrap", "gcm", "oaep", "keys", "protects", "limits", "mechanism",
			   "versions", "import", "object" ... */
	char name[64];
	enum clv_probe_result result;
	char note[160]; /* may be empty */
};

/* What a token is and what it can do, as tried, not as it says of itself. Plain data, large. */
struct clv_probe {
	char module_path[256];
	char library[33];         /* description of the PKCS#11 library */
	char library_version[8];  /* e.g. "2.6" */
	char cryptoki_version[8]; /* e.g. "2.40" */
	char label[33], manufacturer[33], model[17], serial[17];
	char firmware_version[8], hardware_version[8];
	bool validated_module; /* false: known not to be (SoftHSM), or not known */
	char validation_note[128];
	unsigned long max_sessions, open_sessions; /* 0: unlimited or not said */
	unsigned long min_pin, max_pin;            /* characters */
	struct clv_probe_row rows[CLV_PROBE_ROWS_MAX];
	size_t n_rows;
};

/*
 * Tries what the token that `uri` names can do, with session objects only: nothing stays on it.
 * Needs no home and leaves no audit entry; relative file names in the URI are relative to the
 * working directory. Calls clv_secret_setup() with `allow_unlocked_memory`.
 * Errors: CLV_E_INVALID_ARGUMENT; CLV_E_NOT_FOUND; CLV_E_UNAVAILABLE (PIN refused, token away ...).
 */
CLV_MUST_USE clv_rc clv_token_probe(const char *uri, bool allow_unlocked_memory,
				    struct clv_probe *ret_probe, struct clv_err *err);

/*
 * Opens the token of a location and looks at our objects on it: root, seal key, log key, anchors
 * (topic "object"), what the token enforces ("protects") and what it cannot stop ("trust").
 */
CLV_MUST_USE clv_rc clv_token_status(struct clv_ctx *ctx, const struct clv_caller *who,
				     const char *location_name, struct clv_probe *ret_probe,
				     struct clv_err *err);

/* One location in a status report. Plain data. */
struct clv_status_location {
	char id[CLV_ID_MAX];
	char token_label[33];
	char token_serial[17];
	unsigned n_tokens;
	clv_rc token_rc;      /* CLV_OK: the token answers and the root is there */
	char token_text[160]; /* why not, otherwise */
	uint64_t n_key_rings, n_keys, n_versions_enabled, n_versions_disabled;
	uint64_t n_versions_scheduled, n_versions_destroyed;
	uint64_t seal_epoch;      /* of the catalogue's head; 0: not sealed yet */
	uint64_t n_seal_pending;  /* rows that were lowered while no token was there to seal them */
	uint64_t n_token_pending; /* versions whose flags in the token do not follow their state yet
				   */
};

/* The state of a home. Plain data; `locations` is owned, end the whole with clv_status_done(). */
struct clv_status {
	char home[256];
	char project[CLV_ID_MAX];
	char owner[CLV_PRINCIPAL_MAX];
	int schema;          /* catalogue schema number */
	uint64_t generation; /* of the gate file: grows when rows may have changed */
	uint64_t audit_bytes;
	uint64_t reserve_bytes; /* kept so that versions can be switched off on a full disk */
	bool reserve_full;      /* it holds as much as it should */
	struct clv_status_location *locations;
	size_t n_locations;
};
CLV_MUST_USE clv_rc clv_status_get(struct clv_ctx *ctx, const struct clv_caller *who,
				   struct clv_status *ret_status, struct clv_err *err);
void clv_status_done(struct clv_status *status);

#endif

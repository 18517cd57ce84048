/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done with a version in which state. Pure; design section 3. */
#ifndef MODEL_STATE_H
#define MODEL_STATE_H

#include <stdbool.h>

#include <claviger/key.h>

enum model_verb {
	MODEL_VERB_ENABLE,
	MODEL_VERB_DISABLE,
	MODEL_VERB_DESTROY, /* the order; the material stays till it is due */
	MODEL_VERB_RESTORE,
	MODEL_VERB_EXPIRE, /* destroy_time has come */
	MODEL_VERB_USE,
	MODEL_VERB_GENERATED,     /* the token has made it */
	MODEL_VERB_NOT_GENERATED, /* the token could not make it */
	MODEL_VERB_IMPORTED,
	MODEL_VERB_NOT_IMPORTED,
	MODEL_VERB_REIMPORT, /* the same material again; that it is the same is for others to see */
	MODEL_VERB_COUNT
};

enum model_effect {
	MODEL_REFUSED,   /* FAILED_PRECONDITION */
	MODEL_NO_CHANGE, /* allowed, and the state stays */
	MODEL_CHANGES,   /* allowed, and the state becomes `next` */
};

struct model_transition {
	enum model_effect effect;
	enum clv_state
		next; /* the state afterwards; the present one unless effect is MODEL_CHANGES */
};

struct model_transition model_state_transition(enum clv_state state, enum model_verb verb);

/*
 * The refusal that Cloud KMS gives for using a version that is not enabled, word for word:
 * "NAME is not enabled, current state is: DISABLED." Always returns CLV_E_FAILED_PRECONDITION.
 */
CLV_MUST_USE clv_rc model_state_refuse(const char *version_name, enum clv_state state,
				       struct clv_err *err);

/* The refusal of another verb, e.g. "NAME cannot be restored, current state is: ENABLED." */
CLV_MUST_USE clv_rc model_state_refuse_verb(const char *version_name, enum clv_state state,
					    enum model_verb verb, struct clv_err *err);

#endif

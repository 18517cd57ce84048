/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions, explained and compared with what was expected; as JSON text. */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include <claviger/buf.h>

#include "lib/policy/policy.h"

/*
 * Appends what policy_decide() and policy_decide_facts() say to `ask` and why:
 *   {"decision":"allow"|"deny","rule":...,"why":...,"principal":...,"place":...,"permission":...,
 *    "resource":...,"bindings":[{"resource","role","member","condition","gives"}],
 *    "constraints":[{"of","constraint","result"}],"wouldChange":[...]}
 * ask->name must be there. Errors: CLV_E_RESOURCE_EXHAUSTED.
 */
CLV_MUST_USE clv_rc policy_explain(const struct policy *policy, const struct policy_ask *ask,
				   const struct policy_facts *facts, struct clv_buf *out,
				   struct clv_err *err);

/*
 * Decides each case of {"cases":[{"as","from","action","resource","time","expect","rule"}]} at
 * `now` where it says no time, and appends {"passed":N,"failed":N,"cases":[...]}.
 * Errors: CLV_E_INVALID_ARGUMENT, naming the case.
 */
CLV_MUST_USE clv_rc policy_test(const struct policy *policy, struct clv_bytes cases, int64_t now,
				struct clv_buf *out, struct clv_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One line of JSON lines in which one member is looked at and replaced, and no other byte moves. */
#ifndef TOOLS_KMSCTL_JSON_LINE_H
#define TOOLS_KMSCTL_JSON_LINE_H

#include <claviger/buf.h>

#include "tools/common/auto.h"

#define JSON_LINE_MAX (1u << 20) /* bytes of a line */

/* A line taken apart. `object` is owned and ended by json_line_done(), the rest borrowed. */
struct json_line {
	json_t *object;
	const char *value;              /* of the member, unescaped; NUL-terminated */
	struct clv_bytes before, after; /* the line around the value and its quotes */
};

/*
 * Finds the member `name`, a string, of the JSON object that `line` is; it may end with a newline.
 * *ret_line is empty on failure.
 * Errors: CLV_E_INVALID_ARGUMENT, saying what the line is instead, without its number and without
 * quoting it.
 */
CLV_MUST_USE clv_rc json_line_parse(struct clv_bytes line, const char *name,
				    struct json_line *ret_line, struct clv_err *err);
void json_line_done(struct json_line *line);

/* Appends the line with `value` (letters that need no escape) in the place of the old one. */
CLV_MUST_USE clv_rc json_line_replace(const struct json_line *line, struct clv_bytes value,
				      struct clv_buf *out, struct clv_err *err);

#endif

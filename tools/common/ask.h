/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to whoever sits at the terminal, before something is done that cannot be undone. Never
 * where nobody sits there: what asks has to go on without an answer then.
 */
#ifndef TOOLS_COMMON_ASK_H
#define TOOLS_COMMON_ASK_H

#include <stdbool.h>

#include "tools/common/out.h"

/* Standard input and standard error are terminals, and neither --quiet nor --yes was given. */
bool kms_can_ask(const struct kms_out *out);

/* A line that leads to the question, to standard error, in whatever format the result will be. */
void kms_ask_line(const char *fmt, ...) CLV_PRINTF(1, 2);

/* Asks for the word, and waits. Whether it is "yes" that was typed, and nothing else. */
bool kms_ask_yes(void);

#endif

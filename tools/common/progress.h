/* SPDX-License-Identifier: Apache-2.0 */
/* How far a long command is: a bar where standard error is a terminal, now and then a line where
 * it is not. Not for results. */
#ifndef TOOLS_COMMON_PROGRESS_H
#define TOOLS_COMMON_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tools/common/out.h"

/* Plain data. */
struct kms_progress {
	FILE *to; /* NULL: nothing is shown */
	bool bar;
	bool drawn;      /* the bar is on the terminal now */
	int64_t next_ns; /* CLOCK_MONOTONIC: nothing is shown before */
};

/* With --quiet, and in JSON mode, nothing will be shown. */
void kms_progress_init(struct kms_progress *progress, const struct kms_out *out);

/* `done` of `total` are done; `text` says more. Shows it when it is time to. */
void kms_progress_show(struct kms_progress *progress, uint64_t done, uint64_t total,
		       const char *text);

/* Takes the bar away, for something else to be printed and at the end. */
void kms_progress_clear(struct kms_progress *progress);

/* One bar, without control characters: "[#####-----]  50%  text", at most `width` characters. */
void kms_progress_bar(char *to, size_t size, unsigned width, uint64_t done, uint64_t total,
		      const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Asking at the terminal. Not for what a verb prints (out.c). */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "tools/common/ask.h"

#define LINE_MAX_BYTES 1024 /* of one line of a question, with the final NUL */

bool kms_can_ask(const struct kms_out *out)
{
	return !out->quiet && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

void kms_ask_line(const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	kms_show(stderr, line);
	fputc('\n', stderr);
}

bool kms_ask_yes(void)
{
	char answer[64] = "";

	fputs("Type yes to go on: ", stderr);
	fflush(stderr);
	if (fgets(answer, sizeof answer, stdin) == NULL)
		fputc('\n', stderr); /* the end of a file leaves the cursor behind the question */
	return strcmp(answer, "yes\n") == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bar is drawn over itself ten times a second at most, so that it costs next to nothing and
 * nobody has to say how large a step is. A file or a pipe gets a line every ten seconds.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <claviger/time.h>

#include "tools/common/progress.h"

#define BAR_NS (100 * CLV_NS_PER_MS)
#define LINE_NS (10 * CLV_NS_PER_S)
#define BAR_CELLS 20
#define WIDTH_DEFAULT 80 /* of a terminal that does not say */
#define WIDTH_MAX 160

static int64_t mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * CLV_NS_PER_S + now.tv_nsec;
}

static unsigned width_of(FILE *terminal)
{
	struct winsize size = { 0 };

	if (ioctl(fileno(terminal), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return WIDTH_DEFAULT;
	return size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
}

void kms_progress_init(struct kms_progress *progress, const struct kms_out *out)
{
	*progress = (struct kms_progress){ 0 };
	if (out->quiet || out->json)
		return;
	progress->to = stderr;
	progress->bar = isatty(STDERR_FILENO);
	progress->next_ns = mono_ns() + (progress->bar ? BAR_NS : LINE_NS);
}

void kms_progress_bar(char *to, size_t size, unsigned width, uint64_t done, uint64_t total,
		      const char *text)
{
	unsigned percent = 100;
	char cells[BAR_CELLS + 1];

	if (total > 0 && done < total)
		percent = (unsigned) ((double) done * 100 / (double) total);
	memset(cells, '-', BAR_CELLS);
	memset(cells, '#', percent * BAR_CELLS / 100);
	cells[BAR_CELLS] = '\0';
	snprintf(to, size < width + 1 ? size : width + 1, "[%s] %3u%%  %s", cells, percent, text);
}

void kms_progress_show(struct kms_progress *progress, uint64_t done, uint64_t total,
		       const char *text)
{
	char line[WIDTH_MAX + 1];
	int64_t now;

	if (progress->to == NULL || (now = mono_ns()) < progress->next_ns)
		return;
	progress->next_ns = now + (progress->bar ? BAR_NS : LINE_NS);
	if (progress->bar) {
		/* One column is left free: a full line would scroll on some terminals. */
		kms_progress_bar(line, sizeof line, width_of(progress->to) - 1, done, total, text);
		fprintf(progress->to, "\r\033[K%s", line);
		progress->drawn = true;
	} else {
		fprintf(progress->to, "%s\n", text);
	}
	fflush(progress->to);
}

void kms_progress_clear(struct kms_progress *progress)
{
	if (!progress->drawn)
		return;
	fputs("\r\033[K", progress->to);
	fflush(progress->to);
	progress->drawn = false;
}

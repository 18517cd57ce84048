/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round is several short slices of each side in turns, so that what else the machine does falls
 * on both. The ratio is the median of the rounds' ratios, each rate the median of its rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bare.h"
#include "tests/bench/measure.h"

static struct {
	bool quick, of_cpu;
	FILE *json;
	bool rows; /* there is one in `json` already */
} gl;

static const char json_end[] = "\n]\n";

bool measure_quick(void)
{
	return gl.quick;
}

bool measure_wants(const char *group)
{
	const char *only = getenv("BENCH_ONLY");

	return only == NULL || strcmp(only, group) == 0;
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL && strcmp(value, "1") == 0;
}

static bool begin_json(const char *path)
{
	gl.json = fopen(path, "w");
	if (gl.json == NULL)
		perror(path);
	else
		fprintf(gl.json, "[");
	return gl.json != NULL;
}

bool measure_begin(void)
{
	const char *path = getenv("BENCH_JSON");

	gl.quick = is_set("BENCH_QUICK");
	gl.of_cpu = is_set("BENCH_CPU");
	if (path == NULL)
		return true;
	gl.json = fopen(path, "r+");
	if (gl.json == NULL)
		return begin_json(path);
	/* Another program's rows: ours take the place of its end. */
	gl.rows = true;
	if (fseek(gl.json, -(long) (sizeof json_end - 1), SEEK_END) == 0)
		return true;
	perror(path);
	return false;
}

bool measure_end(void)
{
	if (gl.json == NULL)
		return true;
	fprintf(gl.json, "%s", json_end);
	return fclose(gl.json) == 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

static double median(const double values[MEASURE_ROUNDS])
{
	double sorted[MEASURE_ROUNDS];

	memcpy(sorted, values, sizeof sorted);
	qsort(sorted, MEASURE_ROUNDS, sizeof sorted[0], by_size);
	return sorted[MEASURE_ROUNDS / 2];
}

/* One slice, added to *sum. */
static bool slice(const struct measure_side *side, unsigned threads, double *sum)
{
	double rate = 0;

	if (side->step != NULL)
		rate = bare_spin(threads, gl.quick ? 25 : 60, gl.of_cpu, side->step, side->arg);
	*sum += rate;
	return rate >= 0;
}

static bool run_round(const struct measure_row *row, double *ret_ours, double *ret_base)
{
	unsigned slices = gl.quick ? 2 : 6;
	double ours = 0, base = 0;

	for (unsigned i = 0; i < slices; i++) { /* who comes first changes as well */
		bool ours_first = i % 2 == 0;

		if (!slice(ours_first ? &row->ours : &row->base, row->threads,
			   ours_first ? &ours : &base) ||
		    !slice(ours_first ? &row->base : &row->ours, row->threads,
			   ours_first ? &base : &ours))
			return false;
	}
	*ret_ours = ours / slices;
	*ret_base = base / slices;
	return true;
}

struct result {
	double ours, base, ratio;
	const char *verdict;
};

static void print_row(const struct measure_row *row, const struct result *result)
{
	char base[32] = "-", ratio[32] = "-", target[32] = "-";

	if (row->base.step != NULL) {
		snprintf(base, sizeof base, "%.0f/s", result->base);
		snprintf(ratio, sizeof ratio, "%.2f", result->ratio);
	}
	if (row->target > 0)
		snprintf(target, sizeof target, "%.2f", row->target);
	printf("bench %s ours=%.0f/s base=%s ratio=%s target=%s %s threads=%u rounds=%d%s%s\n",
	       row->name, result->ours, base, ratio, target, result->verdict, row->threads,
	       MEASURE_ROUNDS, gl.quick ? " quick=1" : "", gl.of_cpu ? " cpu=1" : "");
	fflush(stdout);
}

static void begin_json_row(const char *name, double ours)
{
	fprintf(gl.json, "%s\n{\"name\":\"%s\",\"ours\":%.1f", gl.rows ? "," : "", name, ours);
	gl.rows = true;
}

static void print_json(const struct measure_row *row, const struct result *result)
{
	if (gl.json == NULL)
		return;
	begin_json_row(row->name, result->ours);
	if (row->base.step != NULL)
		fprintf(gl.json, ",\"base\":%.1f,\"ratio\":%.4f", result->base, result->ratio);
	if (row->target > 0)
		fprintf(gl.json, ",\"target\":%.2f", row->target);
	fprintf(gl.json,
		",\"verdict\":\"%s\",\"threads\":%u,\"rounds\":%d,\"quick\":%s,\"cpu\":%s}",
		result->verdict, row->threads, MEASURE_ROUNDS, gl.quick ? "true" : "false",
		gl.of_cpu ? "true" : "false");
}

void measure_limit(const char *name, const char *unit, double ours, double most)
{
	const char *verdict = ours <= most ? "met" : "short";

	printf("bench %s ours=%.1f%s base=- ratio=- target=<%.1f%s %s threads=1 rounds=1%s\n", name,
	       ours, unit, most, unit, verdict, gl.quick ? " quick=1" : "");
	fflush(stdout);
	if (gl.json == NULL)
		return;
	begin_json_row(name, ours);
	fprintf(gl.json,
		",\"unit\":\"%s\",\"most\":%.1f,\"verdict\":\"%s\",\"threads\":1,\"rounds\":1,"
		"\"quick\":%s}",
		unit, most, verdict, gl.quick ? "true" : "false");
}

bool measure_row(const struct measure_row *row)
{
	double ours[MEASURE_ROUNDS], base[MEASURE_ROUNDS], ratio[MEASURE_ROUNDS], warm_up = 0;
	struct result result = { .verdict = "printed" };

	if (!slice(&row->ours, row->threads, &warm_up) ||
	    !slice(&row->base, row->threads, &warm_up)) {
		fprintf(stderr, "bench %s: a step failed\n", row->name);
		return false;
	}
	for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
		if (!run_round(row, &ours[i], &base[i])) {
			fprintf(stderr, "bench %s: a step failed\n", row->name);
			return false;
		}
		ratio[i] = base[i] > 0 ? ours[i] / base[i] : 0;
	}
	result.ours = median(ours);
	result.base = median(base);
	result.ratio = median(ratio);
	if (row->target > 0)
		result.verdict = result.ratio >= row->target ? "met" : "short";
	print_row(row, &result);
	print_json(row, &result);
	return true;
}

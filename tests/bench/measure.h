/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measuring two sides against each other, and the lines that come of it. Not for anything that is
 * the same on every run: that is a test.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>

#define MEASURE_ROUNDS 5

/* What is repeated: in T threads at once, `thread` counting from 0. False: it failed. */
struct measure_side {
	bool (*step)(void *arg, unsigned thread);
	void *arg;
};

struct measure_row {
	char name[32];
	struct measure_side ours, base; /* base.step NULL: there is nothing to compare with */
	double target;                  /* least ratio; 0: none, only printed */
	unsigned threads;
};

/* Opens what BENCH_JSON names, to add to it; BENCH_QUICK=1 asks for short rounds. False: said on
 * stderr. */
bool measure_begin(void);
bool measure_quick(void);

/* Are the rows of this group asked for? BENCH_ONLY names one group; without it all are. */
bool measure_wants(const char *group);

/* Runs the rounds and prints the row. False: a step failed. A ratio that is short is no failure. */
bool measure_row(const struct measure_row *row);

/* Prints a quantity that is not a rate, and the most that it should be. */
void measure_limit(const char *name, const char *unit, double ours, double most);
bool measure_end(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small numbers for threads, so that what threads share can be laid out with a place for each: two
 * that write to one cache line wait for each other as if it were a lock. A number is a hint where
 * to look first, and never a claim: with many threads several have the same place.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#define CLV_CACHE_LINE 64 /* bytes */
#define CLV_THREAD_PLACES 16

/* The calling thread's place, below CLV_THREAD_PLACES: the same each time it asks. */
unsigned clv_thread_place(void);

#endif

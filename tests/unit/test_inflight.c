/* SPDX-License-Identifier: Apache-2.0 */
/* The in-flight guard: who is inside which version, across threads and processes. No token. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <claviger/time.h>

#include "lib/api/inflight.h"
#include "tests/support/home_world.h"

#define ROW 7
#define N_SEATS_IN_FILE 1000

/* ---- a gate of one test */

static const char *gate_path(const struct home_world *w)
{
	static char path[300];

	snprintf(path, sizeof path, "%s/gate", w->dir);
	return path;
}

static struct inflight *gate_open(struct home_world *w)
{
	struct inflight *gate = NULL;

	assert_ok(w, inflight_open(gate_path(w), &gate, &w->err));
	return gate;
}

static struct inflight *gate_new(struct home_world *w)
{
	assert_ok(w, inflight_create(gate_path(w), &w->err));
	return gate_open(w);
}

static struct inflight_seat *seat_new(struct home_world *w, struct inflight *gate)
{
	struct inflight_seat *seat = NULL;

	assert_ok(w, inflight_seat_new(gate, &seat, &w->err));
	return seat;
}

static struct clv_deadline in(unsigned ms)
{
	return clv_deadline_in(ms);
}

static void enter(struct home_world *w, struct inflight_seat *seat, int64_t row)
{
	assert_ok(w, inflight_enter(seat, row, in(1000), &w->err));
}

/* ---- another process */

/* Is inside `row` for `ms` milliseconds, or for ever when 0; says through the pipe that it is in.
 */
struct guest {
	int64_t row;
	unsigned ms;
	int told[2];
	pid_t pid;
};

static void be_inside(struct home_world *w, void *arg)
{
	const struct guest *guest = arg;
	struct inflight *gate = gate_open(w);
	struct inflight_seat *seat = seat_new(w, gate);

	enter(w, seat, guest->row);
	assert_int_equal(write(guest->told[1], "x", 1), 1);
	if (guest->ms == 0)
		pause();
	usleep(guest->ms * 1000);
	inflight_leave(seat, guest->row);
	inflight_seat_free(seat);
	inflight_close(gate);
}

static struct guest invite(struct home_world *w, int64_t row, unsigned ms)
{
	struct guest guest = { .row = row, .ms = ms };
	char byte;

	assert_int_equal(pipe2(guest.told, O_CLOEXEC), 0);
	guest.pid = world_fork(w, be_inside, &guest);
	assert_int_equal(read(guest.told[0], &byte, 1), 1);
	close(guest.told[0]);
	close(guest.told[1]);
	return guest;
}

/* ---- enter, leave, drain */

static void drain_of_an_empty_version_returns_at_once(struct home_world *w)
{
	struct inflight *gate = gate_new(w);
	struct inflight_seat *seat = seat_new(w, gate);
	struct inflight_wait wait = { 0 };

	enter(w, seat, ROW);
	inflight_leave(seat, ROW);
	assert_ok(w, inflight_drain(seat, ROW, in(1000), &wait, &w->err));
	assert_int_equal(wait.holders, 0);
	assert_true(wait.waited_ns >= 0 && wait.waited_ns < 200 * CLV_NS_PER_MS);
	inflight_seat_free(seat);
	inflight_close(gate);
}

static void drain_waits_for_another_process_and_tells_how_long(struct home_world *w)
{
	struct inflight *gate = gate_new(w);
	struct guest guests[2] = { invite(w, ROW, 150), invite(w, ROW, 200) };
	struct inflight_seat *seat = seat_new(w, gate);
	struct inflight_wait wait = { 0 };

	assert_ok(w, inflight_drain(seat, ROW, in(10000), &wait, &w->err));
	assert_int_equal(wait.holders, 2);
	assert_in_range(wait.waited_ns / CLV_NS_PER_MS, 50, 9000);
	for (size_t i = 0; i < 2; i++)
		world_wait(guests[i].pid);
	inflight_seat_free(seat);
	inflight_close(gate);
}

static void drain_does_not_wait_for_other_versions(struct home_world *w)
{
	struct inflight *gate = gate_new(w);
	struct guest guest = invite(w, ROW + 1, 0);
	struct inflight_seat *seat = seat_new(w, gate);
	struct inflight_wait wait = { 0 };

	assert_ok(w, inflight_drain(seat, ROW, in(1000), &wait, &w->err));
	assert_int_equal(wait.holders, 0);
	world_kill(guest.pid);
	inflight_seat_free(seat);
	inflight_close(gate);
}

static void drain_past_its_deadline_names_the_process_inside(struct home_world *w)
{
	struct inflight *gate = gate_new(w);
	struct guest guest = invite(w, ROW, 0);
	struct inflight_seat *seat = seat_new(w, gate);
	struct inflight_wait wait = { .holders = 99, .waited_ns = 99 };
	int64_t begun = clv_mono_ns();
	char text[64];

	snprintf(text, sizeof text, "process %d is still inside", (int) guest.pid);
	assert_refused(w, inflight_drain(seat, ROW, in(100), &wait, &w->err),
		       CLV_E_DEADLINE_EXCEEDED, text);
	assert_in_range((clv_mono_ns() - begun) / CLV_NS_PER_MS, 90, 5000);
	assert_int_equal(wait.holders, 99); /* outputs are untouched */
	assert_int_equal(wait.waited_ns, 99);
	world_kill(guest.pid);
	assert_ok(w, inflight_drain(seat, ROW, in(1000), &wait, &w->err)); /* the dead are out */
	inflight_seat_free(seat);
	inflight_close(gate);
}

static void *kill_soon(void *arg)
{
	usleep(100000);
	kill(*(pid_t *) arg, SIGKILL);
	return NULL;
}

static void killed_holder_frees_a_drain_that_waits(struct home_world *w)
{
	struct inflight *gate = gate_new(w);
	struct guest guest = invite(w, ROW, 0);
	struct inflight_seat *seat = seat_new(w, gate);
	struct inflight_wait wait;
	pthread_t killer;

	assert_int_equal(pthread_create(&killer, NULL, kill_soon, &guest.pid), 0);
	assert_ok(w, inflight_drain(seat, ROW, in(10000), &wait, &w->err));
	assert_int_equal(wait.holders, 1);
	pthread_join(killer, NULL);
	world_kill(guest.pid);
	inflight_seat_free(seat);
	inflight_close(gate);
}

/* ---- threads */

struct thread_guest {
	struct home_world *w;
	struct inflight *gate;
	pthread_barrier_t *in;
	unsigned ms;
};

static void *be_inside_as_thread(void *arg)
{
	struct thread_guest *guest = arg;
	struct inflight_seat *seat = seat_new(guest->w, guest->gate);

	enter(guest->w, seat, ROW);
	pthread_barrier_wait(guest->in);
	usleep(guest->ms * 1000);
	inflight_leave(seat, ROW);
	inflight_seat_free(seat);
	return NULL;
}

static void threads_of_a_process_are_inside_each_for_itself(struct home_world *w)
{
	struct inflight *gate = gate_new(w);
	struct inflight_seat *seat = seat_new(w, gate);
	struct inflight_wait wait;
	pthread_barrier_t barrier;
	pthread_t threads[4];
	struct thread_guest guests[4];

	pthread_barrier_init(&barrier, NULL, 5);
	for (unsigned i = 0; i < 4; i++) {
		guests[i] = (struct thread_guest){ w, gate, &barrier, 50 * (i + 1) };
		assert_int_equal(pthread_create(&threads[i], NULL, be_inside_as_thread, &guests[i]),
				 0);
	}
	pthread_barrier_wait(&barrier);
	assert_ok(w, inflight_drain(seat, ROW, in(10000), &wait, &w->err));
	assert_true(wait.waited_ns >= 100 * CLV_NS_PER_MS); /* for the last of them */
	assert_int_equal(wait.holders, 1);                  /* processes, not threads */
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	inflight_seat_free(seat);
	inflight_close(gate);
}

/* Goes in and out without a pause, so that hardly a look finds it outside. */
struct restless {
	struct home_world *w;
	struct inflight *gate;
	_Atomic bool inside_once, enough;
};

static void *go_in_and_out(void *arg)
{
	struct restless *restless = arg;
	struct inflight_seat *seat = seat_new(restless->w, restless->gate);

	while (!atomic_load(&restless->enough)) {
		enter(restless->w, seat, ROW);
		atomic_store(&restless->inside_once, true);
		inflight_leave(seat, ROW);
		enter(restless->w, seat, ROW);
		for (volatile unsigned i = 0; i < 1000; i++)
			;
		inflight_leave(seat, ROW);
	}
	inflight_seat_free(seat);
	return NULL;
}

static void users_who_come_again_do_not_keep_a_drain_waiting(struct home_world *w)
{
	struct restless restless = { .w = w, .gate = gate_new(w) };
	struct inflight_seat *seat = seat_new(w, restless.gate);
	struct inflight_wait wait;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, go_in_and_out, &restless), 0);
	while (!atomic_load(&restless.inside_once))
		usleep(100);
	for (unsigned i = 0; i < 200; i++)
		assert_ok(w, inflight_drain(seat, ROW, in(2000), &wait, &w->err));
	atomic_store(&restless.enough, true);
	pthread_join(thread, NULL);
	inflight_seat_free(seat);
	inflight_close(restless.gate);
}

/* ---- generation and pending */

static void what_was_read_is_good_until_a_change_begins(struct home_world *w)
{
	struct inflight *gate = gate_new(w), *other = gate_open(w);
	uint64_t seen = inflight_generation(gate);

	assert_true(inflight_unchanged(gate, seen));
	inflight_change_begin(other);
	assert_false(inflight_unchanged(gate, seen)); /* not while it is under way */
	inflight_change_end(other);
	assert_false(inflight_unchanged(gate, seen));
	assert_true(inflight_generation(gate) > seen);
	assert_true(inflight_unchanged(gate, inflight_generation(gate)));
	inflight_close(other);
	inflight_close(gate);
}

static void begin_a_change_and_die(struct home_world *w, void *arg)
{
	struct inflight *gate = gate_open(w);

	(void) arg;
	inflight_change_begin(gate);
	inflight_close(gate);
}

static void after_a_crash_in_a_change_all_reread_until_the_next(struct home_world *w)
{
	struct inflight *gate = gate_new(w);

	world_in_child(w, begin_a_change_and_die, NULL);
	for (unsigned i = 0; i < 3; i++)
		assert_false(inflight_unchanged(gate, inflight_generation(gate)));
	inflight_change_begin(gate);
	inflight_change_end(gate);
	assert_true(inflight_unchanged(gate, inflight_generation(gate)));
	inflight_close(gate);
}

static void *change_often(void *arg)
{
	for (unsigned i = 0; i < 1000; i++) {
		inflight_change_begin(arg);
		inflight_change_end(arg);
	}
	return NULL;
}

static void every_change_counts_for_all_who_have_the_file_open(struct home_world *w)
{
	struct inflight *gate = gate_new(w), *other = gate_open(w);
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, change_often, i % 2 == 0 ? gate : other),
			0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(inflight_generation(gate), 4000);
	assert_int_equal(inflight_generation(other), 4000);
	inflight_close(other);
	inflight_close(gate);
}

/* ---- seats */

/* Each seat is an open file. */
static void allow_many_files(void)
{
	struct rlimit files;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_cur < 4096 && files.rlim_max >= 4096) {
		files.rlim_cur = 4096;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	}
}

/* Takes all seats and ends without giving one back. */
static void take_all_seats(struct home_world *w, void *arg)
{
	struct inflight *gate = gate_open(w);

	(void) arg;
	allow_many_files();
	for (unsigned i = 0; i < N_SEATS_IN_FILE; i++)
		(void) seat_new(w, gate);
	raise(SIGKILL);
}

static void seats_of_dead_processes_are_used_again(struct home_world *w)
{
	struct inflight *gate = gate_new(w);
	struct guest guest;
	struct inflight_seat *seat;
	struct inflight_wait wait;
	int status = 0;
	char text[64];

	waitpid(world_fork(w, take_all_seats, NULL), &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	guest = invite(w, ROW, 0); /* has a seat only if one of the dead's was free */
	seat = seat_new(w, gate);
	snprintf(text, sizeof text, "process %d is still inside", (int) guest.pid);
	assert_refused(w, inflight_drain(seat, ROW, in(20), &wait, &w->err),
		       CLV_E_DEADLINE_EXCEEDED, text);
	world_kill(guest.pid);
	inflight_seat_free(seat);
	inflight_close(gate);
}

/* Ends what it inherited from its parent, who is inside. */
static void end_the_seat(struct home_world *w, void *arg)
{
	(void) w;
	inflight_seat_free(arg);
}

static void child_that_ends_its_inherited_seat_leaves_its_parent_inside(struct home_world *w)
{
	struct inflight *gate = gate_new(w);
	struct inflight_seat *inside = seat_new(w, gate), *seat = seat_new(w, gate);
	struct inflight_wait wait;
	char text[64];

	enter(w, inside, ROW);
	world_in_child(w, end_the_seat, inside);
	snprintf(text, sizeof text, "process %d is still inside", (int) getpid());
	assert_refused(w, inflight_drain(seat, ROW, in(20), &wait, &w->err),
		       CLV_E_DEADLINE_EXCEEDED, text);
	inflight_leave(inside, ROW);
	assert_ok(w, inflight_drain(seat, ROW, in(1000), &wait, &w->err));
	inflight_seat_free(seat);
	inflight_seat_free(inside);
	inflight_close(gate);
}

static void beyond_the_last_seat_the_locks_still_decide(struct home_world *w)
{
	struct inflight *gate = gate_new(w);
	struct inflight_seat *seats[N_SEATS_IN_FILE + 2];
	struct inflight_wait wait;
	const size_t n = CLV_ARRAY_LEN(seats);

	allow_many_files();
	for (size_t i = 0; i < n; i++)
		seats[i] = seat_new(w, gate);
	enter(w, seats[n - 1], ROW); /* one that has no place in the table */
	assert_refused(w, inflight_drain(seats[n - 2], ROW, in(20), &wait, &w->err),
		       CLV_E_DEADLINE_EXCEEDED, "another process is still inside");
	inflight_leave(seats[n - 1], ROW);
	assert_ok(w, inflight_drain(seats[n - 2], ROW, in(1000), &wait, &w->err));
	for (size_t i = 0; i < n; i++)
		inflight_seat_free(seats[i]);
	inflight_close(gate);
}

/* ---- the file */

static void gate_file_is_its_owners_only_and_never_made_twice(struct home_world *w)
{
	struct stat st;

	assert_ok(w, inflight_create(gate_path(w), &w->err));
	assert_int_equal(stat(gate_path(w), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_refused(w, inflight_create(gate_path(w), &w->err), CLV_E_UNAVAILABLE, "gate");
}

static void what_is_no_gate_file_is_data_loss(struct home_world *w)
{
	static const struct {
		size_t len;
		unsigned char byte;
	} files[] = { { 0, 0 }, { 1, 'c' }, { 8, 'x' }, { 20000, 0 }, { 20000, 0xff } };
	struct inflight *gate = NULL;
	char bytes[20000];

	for (size_t i = 0; i < CLV_ARRAY_LEN(files); i++) {
		FILE *file = fopen(gate_path(w), "we");

		assert_non_null(file);
		memset(bytes, files[i].byte, sizeof bytes);
		assert_int_equal(fwrite(bytes, 1, files[i].len, file), files[i].len);
		fclose(file);
		assert_refused(w, inflight_open(gate_path(w), &gate, &w->err), CLV_E_DATA_LOSS,
			       "is not a gate file");
		assert_null(gate);
	}
}

static void no_gate_file_is_unavailable(struct home_world *w)
{
	struct inflight *gate = NULL;

	assert_refused(w, inflight_open(gate_path(w), &gate, &w->err), CLV_E_UNAVAILABLE,
		       "No such file");
	assert_null(gate);
}

/* ---- locks of other kinds */

static void lock_and_wait(struct home_world *w, void *arg)
{
	const struct guest *guest = arg;
	struct inflight *gate = gate_open(w);
	struct inflight_seat *seat = seat_new(w, gate);

	assert_ok(w, inflight_lock(seat, (enum inflight_lock) guest->row, 5, NULL, &w->err));
	assert_int_equal(write(guest->told[1], "x", 1), 1);
	pause();
}

static void lock_of_a_kind_excludes_and_dies_with_its_process(struct home_world *w, int64_t kind)
{
	struct inflight *gate = gate_open(w);
	struct inflight_seat *seat = seat_new(w, gate);
	struct guest guest = { .row = kind };
	enum inflight_lock lock = (enum inflight_lock) kind;
	struct clv_deadline soon;
	char byte;

	assert_int_equal(pipe2(guest.told, O_CLOEXEC), 0);
	guest.pid = world_fork(w, lock_and_wait, &guest);
	assert_int_equal(read(guest.told[0], &byte, 1), 1);
	soon = in(50);
	assert_int_equal(inflight_lock(seat, lock, 5, NULL, &w->err), CLV_E_DEADLINE_EXCEEDED);
	assert_int_equal(inflight_lock(seat, lock, 5, &soon, &w->err), CLV_E_DEADLINE_EXCEEDED);
	assert_ok(w, inflight_lock(seat, lock, 6, NULL, &w->err)); /* another number */
	world_kill(guest.pid);
	assert_ok(w, inflight_lock(seat, lock, 5, NULL, &w->err));
	inflight_unlock(seat, lock, 5);
	inflight_seat_free(seat);
	inflight_close(gate);
}

static void switch_locks_exclude_and_die_with_their_process(struct home_world *w)
{
	inflight_close(gate_new(w));
	lock_of_a_kind_excludes_and_dies_with_its_process(w, INFLIGHT_SWITCH);
}

static void intent_locks_exclude_and_die_with_their_process(struct home_world *w)
{
	inflight_close(gate_new(w));
	lock_of_a_kind_excludes_and_dies_with_its_process(w, INFLIGHT_INTENT);
}

static void locks_of_different_kinds_do_not_meet(struct home_world *w)
{
	struct inflight *gate = gate_new(w);
	struct inflight_seat *a = seat_new(w, gate), *b = seat_new(w, gate);
	struct inflight_wait wait;

	assert_ok(w, inflight_lock(a, INFLIGHT_SWITCH, ROW, NULL, &w->err));
	assert_ok(w, inflight_lock(b, INFLIGHT_INTENT, ROW, NULL, &w->err));
	enter(w, a, ROW);
	inflight_leave(a, ROW);
	assert_ok(w, inflight_drain(b, ROW, in(100), &wait, &w->err));
	inflight_seat_free(a); /* the end of a seat is the end of its locks */
	assert_ok(w, inflight_lock(b, INFLIGHT_SWITCH, ROW, NULL, &w->err));
	inflight_seat_free(b);
	inflight_close(gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(drain_of_an_empty_version_returns_at_once),
		home_test(drain_waits_for_another_process_and_tells_how_long),
		home_test(drain_does_not_wait_for_other_versions),
		home_test(drain_past_its_deadline_names_the_process_inside),
		home_test(killed_holder_frees_a_drain_that_waits),
		home_test(threads_of_a_process_are_inside_each_for_itself),
		home_test(users_who_come_again_do_not_keep_a_drain_waiting),
		home_test(what_was_read_is_good_until_a_change_begins),
		home_test(after_a_crash_in_a_change_all_reread_until_the_next),
		home_test(every_change_counts_for_all_who_have_the_file_open),
		home_test(seats_of_dead_processes_are_used_again),
		home_test(child_that_ends_its_inherited_seat_leaves_its_parent_inside),
		home_test(beyond_the_last_seat_the_locks_still_decide),
		home_test(gate_file_is_its_owners_only_and_never_made_twice),
		home_test(what_is_no_gate_file_is_data_loss),
		home_test(no_gate_file_is_unavailable),
		home_test(switch_locks_exclude_and_die_with_their_process),
		home_test(intent_locks_exclude_and_die_with_their_process),
		home_test(locks_of_different_kinds_do_not_meet),
	};
	return cmocka_run_group_tests_name("inflight", tests, home_group_set_up_empty,
					   home_group_tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays every file of the folders given as arguments, by default the target's seeds below
 * $srcdir, and prints TAP. An input that breaks something ends the process, so that the plan at
 * the end is missing.
 */
#include <dirent.h>
#include <stdbool.h>

#include "config.h"
#include "tests/support/fuzz.h"

static struct {
	unsigned n; /* of the last test */
	bool failed;
} tap;

static void say(bool ok, const char *what, const char *name)
{
	printf("%s %u - %s %s\n", ok ? "ok" : "not ok", ++tap.n, what, name);
	fflush(stdout);
	tap.failed = tap.failed || !ok;
}

/* The whole file in memory of its own size, so that a sanitizer sees a read behind its end. */
static uint8_t *file_read(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = NULL;
	long len;

	if (file == NULL)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (len = ftell(file)) >= 0) {
		rewind(file);
		bytes = malloc(len == 0 ? 1 : (size_t) len);
		*ret_len = bytes == NULL ? 0 : fread(bytes, 1, (size_t) len, file);
	}
	fclose(file);
	return bytes;
}

static void replay_file(const char *folder, const char *name)
{
	char path[4096];
	uint8_t *bytes = NULL;
	size_t len = 0;

	if ((size_t) snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path)
		bytes = file_read(path, &len);
	if (bytes != NULL)
		LLVMFuzzerTestOneInput(bytes, len);
	say(bytes != NULL, fuzz_seeds, name);
	free(bytes);
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay_folder(const char *folder)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, not_hidden, alphasort);

	if (n <= 0) /* no seeds is a failure: the test would prove nothing */
		say(false, "there are files in", folder);
	for (int i = 0; i < n; i++) {
		replay_file(folder, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static int replay(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	char folder[4096];

	for (int i = 1; i < argc; i++)
		replay_folder(argv[i]);
	if (argc < 2) {
		snprintf(folder, sizeof folder, "%s/tests/fuzz/seeds/%s",
			 srcdir == NULL ? "." : srcdir, fuzz_seeds);
		replay_folder(folder);
	}
	printf("1..%u\n", tap.n);
	return tap.failed ? 1 : 0;
}

#ifdef CLV_FUZZING

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* libFuzzer calls this first. Without arguments it would fuzz for ever, also in `make check`. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (*argc < 2)
		exit(replay(*argc, *argv));
	return 0;
}

#else

int main(int argc, char **argv)
{
	return replay(argc, argv);
}

#endif

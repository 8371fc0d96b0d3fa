/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the harnesses share. Each feeds one parser: it must not crash, hang or leak, and what it accepts must keep
 * the promises that the rest of the program counts on. */
#ifndef FUZZ_H
#define FUZZ_H

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libbind/pvebind.h"

/* libFuzzer's: what it calls with each input, and what it has to mutate with. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* A broken promise ends the program as a crash does, so that libFuzzer keeps the input. */
static inline void promise(bool kept, const char *what)
{
	if (kept)
		return;
	fprintf(stderr, "promise broken: %s\n", what);
	abort();
}

/* A failure has its own code in err, and a sentence. */
static inline void promise_sentence(int r, const struct pvb_err *err)
{
	promise(r <= 0, "0 or -errno");
	promise(r == 0 || (err->code == r && *err->text && !strchr(err->text, '\n')), "a failure has a sentence of one line");
}

/* A malloced copy with a NUL behind it, as pvb_read_file() gives a file. */
static inline char *text_new(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	promise(text, "memory for the input");
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* An almost empty machine below $TMPDIR, made at the first call: its /run/pvebind is what the input is written to. */
static inline struct pvb_ctx *machine(void)
{
	static struct pvb_ctx *ctx;
	char path[PATH_MAX], run[PATH_MAX + 16];
	const char *tmp = getenv("TMPDIR");
	struct pvb_err err;

	if (ctx)
		return ctx;
	snprintf(path, sizeof(path), "%s/pvebind-fuzz.XXXXXX", tmp ? tmp : "/tmp");
	promise(mkdtemp(path), "a folder in $TMPDIR");
	snprintf(run, sizeof(run), "%s/run", path);
	promise(mkdir(run, 0700) == 0, "run");
	snprintf(run, sizeof(run), "%s/run/pvebind", path);
	promise(mkdir(run, 0700) == 0, "run/pvebind");
	promise(pvb_ctx_new(&ctx, path, &err) == 0, "a context");
	return ctx;
}

/* Make path below the machine's run/pvebind this input. */
static inline void machine_put(struct pvb_ctx *ctx, const char *name, const uint8_t *data, size_t size)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/run/pvebind/%s", pvb_ctx_root(ctx), name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	promise(fd >= 0 && write(fd, data, size) == (ssize_t)size, "the input written");
	close(fd);
}

#endif

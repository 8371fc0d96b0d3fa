/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How lines of state ("CRC verb key=value …") are mutated: random changes never get the checksum right, so that the
 * parser behind it would not be reached. Seven times in eight the checksums are therefore taken off, what is left is
 * mutated (bytes; or a whole line goes, comes twice), and new ones are put on. The corpus stays plain journals.
 */
#ifndef FUZZ_LINES_H
#define FUZZ_LINES_H

#include "../../libbind/lend.h"
#include "fuzz.h"

#define LINES_MAX 65536
#define SUM_SIZE 9 /* "0123abcd " */

struct lines {
	uint8_t text[LINES_MAX];
	size_t size;
};

static inline void lines_append(struct lines *lines, const void *text, size_t size)
{
	if (size > sizeof(lines->text) - lines->size)
		return;
	memcpy(lines->text + lines->size, text, size);
	lines->size += size;
}

/* The length of the line that text begins with, its newline included. */
static inline size_t line_size(const uint8_t *text, size_t left)
{
	const uint8_t *end = memchr(text, '\n', left);

	return end ? (size_t)(end - text) + 1 : left;
}

static inline void sums_strip(struct lines *out, const uint8_t *text, size_t size)
{
	for (size_t at = 0, n; at < size; at += n) {
		size_t skip;

		n = line_size(text + at, size - at);
		skip = n > SUM_SIZE && text[at + SUM_SIZE - 1] == ' ' ? SUM_SIZE : 0;
		lines_append(out, text + at + skip, n - skip);
	}
}

/* One line with its checksum; without a newline it stays torn. */
static inline void line_sign(struct lines *out, const uint8_t *body, size_t size)
{
	char buf[PVB_LINE_MAX] = "00000000 ";
	struct pvb_line line = { .text = buf, .room = sizeof(buf) };

	if (!size || body[size - 1] != '\n' || size + SUM_SIZE >= sizeof(buf)) {
		lines_append(out, body, size);
		return;
	}
	memcpy(line.text + SUM_SIZE, body, size - 1);
	line.size = SUM_SIZE + size - 1;
	promise(pvb_line_finish(&line) == 0, "a line that fits is finished");
	lines_append(out, line.text, line.size);
}

static inline void sums_put(struct lines *out, const uint8_t *text, size_t size)
{
	for (size_t at = 0, n; at < size; at += n) {
		n = line_size(text + at, size - at);
		line_sign(out, text + at, n);
	}
}

/* A line, chosen by seed, goes or comes once more at the end. */
static inline void line_move(struct lines *lines, unsigned seed, bool twice)
{
	size_t at = 0, n = line_size(lines->text, lines->size);

	for (unsigned skip = seed % 32; skip && at + n < lines->size; skip--) {
		at += n;
		n = line_size(lines->text + at, lines->size - at);
	}
	if (twice) {
		lines_append(lines, lines->text + at, n);
		return;
	}
	memmove(lines->text + at, lines->text + at + n, lines->size - at - n);
	lines->size -= n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	static struct lines bare, whole;
	unsigned how = seed % 8;

	if (how == 0 || size > LINES_MAX / 2)
		return LLVMFuzzerMutate(data, size, max);
	bare.size = whole.size = 0;
	sums_strip(&bare, data, size);
	if (how <= 2 && bare.size)
		line_move(&bare, seed / 8, how == 1);
	else
		bare.size = LLVMFuzzerMutate(bare.text, bare.size, max < LINES_MAX / 2 ? max : LINES_MAX / 2);
	sums_put(&whole, bare.text, bare.size);
	size = whole.size < max ? whole.size : max;
	memcpy(data, whole.text, size);
	return size;
}

#endif

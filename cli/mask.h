/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mask: takes out of a text what tells one person's machine from another's. The same value has the same mask all through
 * ("MAC-1"), so that the text can still be followed.
 *
 * Known by their form, wherever they stand: MAC addresses (in interface names, too), UUIDs, IP addresses but those of every
 * machine (127.0.0.1, ::1), e-mail addresses, WWNs, names in /dev/disk/by-id, by-uuid, by-label and /home, what follows serial= or
 * password=. Everything else, names above all, only when it was learned.
 */
#ifndef PVEBIND_MASK_H
#define PVEBIND_MASK_H

#include <stdbool.h>
#include <stddef.h>

struct mask_entry;
struct mask {
	struct mask_entry *list; /* malloced */
	size_t n;
};

enum mask_where {
	MASK_WORDS,    /* wherever it stands as a word of its own; a "HOST" of some length in other words, too: "zeus2" */
	MASK_ENCLOSED, /* only in brackets or quotation marks: a VM may be called "windows" */
};
/* Mask this value as one of a kind ("HOST") from now on, in any case of letters. What names nobody ("pve", "localhost", "Default
 * string") or is too short to be told from other words is not learned. Memory that runs out ends the program. */
void mask_learn(struct mask *mask, const char *kind, const char *text, enum mask_where where);
/* The text with masks: malloced. Control characters but newlines and tabs become '?'. */
char *mask_text(struct mask *mask, const char *text);
void mask_clear(struct mask *mask);

/* ---- maskform.c, for mask.c -------------------------------------------------------- */

/* Found in a text: what stays in front of it, its length, and what it is. */
struct mask_found {
	size_t keep, n;
	const char *kind;
};
/* Whether something that is known by its form begins at at, which is in text. */
bool mask_form(const char *text, const char *at, struct mask_found *found);
/* A letter or a digit, or of a character that is not ASCII's. */
bool mask_is_word(char c);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sentences of the kernel that tell what is wrong with a device, or with passing devices at all. */
#ifndef PVEBIND_CHECK_SENTENCES_H
#define PVEBIND_CHECK_SENTENCES_H

#include "check.h"

enum sentence_about {
	SENTENCE_DEVICE, /* names the function it is about */
	SENTENCE_LINK,   /* names the function, or a bridge above it */
	SENTENCE_GROUP,  /* names the IOMMU group: "group 15" */
	SENTENCE_HOST,   /* concerns every device */
};

struct sentence {
	const char *id;       /* of the check that tells of it */
	const char *part;     /* what it has in it, … */
	const char *also;     /* … and behind that; or NULL */
	enum sentence_about about;
	enum check_verdict verdict;
	const char *meaning;  /* "another part of the host holds its memory" */
	const char *advice;
	const char *command;  /* or NULL */
	unsigned few;         /* up to so many times since boot it is nothing to speak of: ok */
};

/* In order: the first that a line has is the one it is. Ended by an empty row. */
extern const struct sentence sentences[];

#endif

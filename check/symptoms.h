/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people see when passing a device goes wrong, and the checks that decide what it is. */
#ifndef PVEBIND_CHECK_SYMPTOMS_H
#define PVEBIND_CHECK_SYMPTOMS_H

struct symptom {
	const char *title;   /* "The VM shows a black screen" */
	const char *text;    /* a sentence: what it mostly is */
	const char *checks;  /* ids, blank-separated, the likeliest first */
};

/* The i-th; NULL behind the last. Chapter 14 of the guide has the first ones. */
const struct symptom *symptom_get(unsigned i);

#endif

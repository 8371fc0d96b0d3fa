/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The script that is run inside the VM, and the table of advice in it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "guest.h"

const char guest_script[] =
#include "guestscript.inc" /* made of guest/pvebind-guest-check by the Makefile */
	;

const char *guest_word(const char *kind, const char *name, char *buf, size_t size)
{
	char line[64];
	const char *found;

	*buf = '\0';
	snprintf(line, sizeof(line), "\n%s_%.40s='", kind, name);
	for (char *c = line + 1; c[2]; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
	found = strstr(guest_script, line);
	if (found) {
		found += strlen(line);
		snprintf(buf, size, "%.*s", (int)strcspn(found, "'\n"), found);
	}
	return buf;
}

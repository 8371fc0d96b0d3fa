/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An error is a code and one sentence, made in one line where it happens. */
#include <ctype.h>
#include <stdarg.h>

#include "internal.h"

int pvb_err_set(struct pvb_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	/* What it quotes is somebody else's (a file, an argument), and must not make two lines of it, or colour the log. */
	for (char *c = err->text; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	return code;
}

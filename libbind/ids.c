/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.ids, searched in place. libpci makes an entry of each of its 40,000 lines before it answers the first question, which
 * takes 20 ms.
 *
 *	8086  Intel Corporation
 *		10d3  82574L Gigabit Network Connection
 *			103c 3250  a subsystem
 *	C 03  Display controller
 *		00  VGA compatible controller
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "ids.h"

#define CLASSES_MAX 65536 /* bytes of the file's end that have the classes */

/* n hex digits and two blanks, as all ids are written; -1: it is something else. */
static int id_parse(const char *p, const char *end, unsigned n)
{
	int value = 0;

	if (end - p < (ptrdiff_t)n + 2 || p[n] != ' ' || p[n + 1] != ' ')
		return -1;
	for (unsigned i = 0; i < n; i++) {
		const char *digits = "0123456789abcdef", *digit = p[i] ? strchr(digits, p[i]) : NULL;

		if (!digit)
			return -1;
		value = value << 4 | (int)(digit - digits);
	}
	return value;
}

/* Behind the line that p is in. */
static const char *line_next(const char *p, const char *end)
{
	const char *newline = memchr(p, '\n', (size_t)(end - p));

	return newline ? newline + 1 : end;
}

/* libpci's own way: "pci.ids.gz" where there is one, else without the suffix. */
static int plain_open(const char *path)
{
	size_t n = strlen(path);
	char plain[PVB_PATH_MAX];

	if (n < 3 || strcmp(path + n - 3, ".gz") != 0)
		return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (access(path, F_OK) == 0)
		return -1;
	if (pvb_format(plain, sizeof(plain), "%.*s", (int)n - 3, path) < 0)
		return -1;
	return open(plain, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

int pvb_ids_open(struct pvb_ids *ids, const char *path)
{
	_cleanup_close_ int fd = plain_open(path);
	struct stat st;

	memset(ids, 0, sizeof(*ids));
	if (fd < 0 || fstat(fd, &st) < 0)
		return -ENOENT;
	if (!S_ISREG(st.st_mode) || st.st_size < 16 || st.st_size > UINT32_MAX)
		return -EINVAL;
	ids->text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (ids->text == MAP_FAILED)
		return -ENOMEM;
	ids->size = (size_t)st.st_size;
	return 0;
}

void pvb_ids_close(struct pvb_ids *ids)
{
	if (ids->size)
		munmap((char *)(uintptr_t)ids->text, ids->size);
	memset(ids, 0, sizeof(*ids));
}

/* Vendors come in order; where they do not, one may be missed, and libpci is asked. */
static const char *vendor_find(const struct pvb_ids *ids, int vendor)
{
	const char *end = ids->text + ids->size, *low = ids->text, *high = end;

	while (low < high) {
		const char *middle = low + (high - low) / 2, *p = middle > ids->text ? line_next(middle - 1, end) : middle;
		int id = -1;

		while (p < high && (id = id_parse(p, end, 4)) < 0)
			p = line_next(p, end);
		if (p < high && id == vendor)
			return p;
		if (p < high && id < vendor)
			low = line_next(p, end);
		else
			high = middle;
	}
	return NULL;
}

/* Classes are at the end of the file, "C 03  Display controller". */
static const char *class_find(const struct pvb_ids *ids, unsigned base)
{
	size_t from = ids->size > CLASSES_MAX ? ids->size - CLASSES_MAX : 0;
	char head[8];
	const char *line;

	snprintf(head, sizeof(head), "\nC %02x  ", base);
	line = ids->size ? memmem(ids->text + from, ids->size - from, head, strlen(head)) : NULL;
	return line ? line + 1 : NULL;
}

/* Append what stands behind an id; false when it does not fit. */
static bool name_add(char *buf, size_t size, const char *p, const char *end)
{
	size_t have = strlen(buf), n = (size_t)(line_next(p, end) - p);

	while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r' || p[n - 1] == ' '))
		n--;
	return pvb_format(buf + have, size - have, "%s%.*s", have ? " " : "", (int)n, p) == 0;
}

/* Below the entry at p: the line "\tID  name"; NULL when there is none. */
static const char *child_find(const char *p, const char *end, int id, unsigned digits)
{
	for (p = line_next(p, end); p < end && (*p == '\t' || *p == '#' || *p == '\n'); p = line_next(p, end))
		if (*p == '\t' && id_parse(p + 1, end, digits) == id)
			return p + 1;
	return NULL;
}

bool pvb_ids_device(const struct pvb_ids *ids, uint16_t vendor, uint16_t device, char *buf, size_t size)
{
	const char *end = ids->text + ids->size, *at = vendor_find(ids, vendor), *line = at ? child_find(at, end, device, 4) : NULL;

	*buf = '\0';
	return line && name_add(buf, size, at + 6, end) && name_add(buf, size, line + 6, end);
}

bool pvb_ids_class(const struct pvb_ids *ids, uint32_t class_code, char *buf, size_t size)
{
	const char *end = ids->text + ids->size, *at = class_find(ids, class_code >> 16 & 0xff);
	const char *line = at ? child_find(at, end, class_code >> 8 & 0xff, 2) : NULL;

	*buf = '\0';
	return line && name_add(buf, size, line + 4, end);
}

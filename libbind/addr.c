/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI addresses: domain:bus:device.function, or a slot without its function. */
#include <ctype.h>

#include "internal.h"

/* Exactly min to max hex digits at *p; moves *p past them. */
static bool hex_take(const char **p, int min, int max, uint32_t *value)
{
	int n = 0;

	*value = 0;
	while (n < max && isxdigit((unsigned char)**p)) {
		int c = tolower((unsigned char)*(*p)++);

		*value = *value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
		n++;
	}
	return n >= min;
}

static bool char_take(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* "bus:dev[.fn]" up to the end of the text. */
static bool slot_parse(const char *p, struct pvb_addr *addr)
{
	uint32_t bus, dev, fn = PVB_FN_ALL;

	if (!hex_take(&p, 2, 2, &bus) || !char_take(&p, ':') || !hex_take(&p, 2, 2, &dev) || dev > 0x1f)
		return false;
	if (char_take(&p, '.') && (!hex_take(&p, 1, 1, &fn) || fn > 7))
		return false;
	if (*p)
		return false;
	addr->bus = (uint8_t)bus;
	addr->dev = (uint8_t)dev;
	addr->fn = (uint8_t)fn;
	return true;
}

int pvb_addr_parse(const char *text, struct pvb_addr *addr, struct pvb_err *err)
{
	const char *p = text;
	uint32_t domain;
	struct pvb_addr parsed = { .domain = 0 };

	/* A domain has 4 digits or more, a bus has 2: the first colon tells which it is. */
	if (hex_take(&p, 4, 8, &domain) && char_take(&p, ':'))
		parsed.domain = domain;
	else
		p = text;
	if (!slot_parse(p, &parsed))
		return !err ? -EINVAL : pvb_err_set(err, -EINVAL,
				   "'%.40s' is no PCI address: write it like 0000:01:00.0, or 01:00 for a whole slot (lspci -D shows them)",
				   text);
	*addr = parsed;
	return 0;
}

static char *hex_put(char *p, uint32_t value, int digits)
{
	while (digits-- > 0)
		*p++ = "0123456789abcdef"[value >> 4 * digits & 0xf];
	return p;
}

/* By hand: it is called some three times for each function of the host, and snprintf() took a twentieth of what that takes. */
const char *pvb_addr_format(const struct pvb_addr *addr, char buf[PVB_ADDR_MAX])
{
	int digits = 4;
	char *p;

	while (digits < 8 && addr->domain >> 4 * digits)
		digits++;
	p = hex_put(buf, addr->domain, digits);
	*p++ = ':';
	p = hex_put(p, addr->bus, 2);
	*p++ = ':';
	p = hex_put(p, addr->dev, 2);
	if (addr->fn != PVB_FN_ALL) {
		*p++ = '.';
		p = hex_put(p, addr->fn & 7u, 1);
	}
	*p = '\0';
	return buf;
}

int pvb_addr_compare(const struct pvb_addr *a, const struct pvb_addr *b)
{
	if (a->domain != b->domain)
		return a->domain < b->domain ? -1 : 1;
	if (a->bus != b->bus)
		return a->bus - b->bus;
	if (a->dev != b->dev)
		return a->dev - b->dev;
	return a->fn - b->fn;
}

bool pvb_addr_matches(const struct pvb_addr *pattern, const struct pvb_addr *fn)
{
	return pattern->domain == fn->domain && pattern->bus == fn->bus && pattern->dev == fn->dev &&
	       (pattern->fn == PVB_FN_ALL || pattern->fn == fn->fn);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Masks for what tells one person's machine from another's. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mask.h"

/* A value that has a mask: met already, or learned. */
struct mask_entry {
	const char *kind;
	char *text;       /* malloced; lower case, a MAC without what parts its digits */
	unsigned number;  /* of its kind; 0: learned, and not met yet */
	bool learned;
	enum mask_where where;
};

/* Found in a text: what stays in front of it, its length, and what it is. */
struct found {
	size_t keep, n;
	const char *kind;
};
typedef bool match_fn(const char *at, struct found *found);

#define DELIMITERS " \t\r\n,;'\"()[]{}<>|"

static void *memory_check(void *p)
{
	if (p)
		return p;
	fputs("pvebind: error: out of memory\n", stderr);
	exit(1);
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool is_hex(char c)
{
	return isxdigit((unsigned char)c);
}

static size_t hex_length(const char *at)
{
	return strspn(at, "0123456789abcdefABCDEF");
}

/* ---- known by their form ---- */

static bool uuid_match(const char *at, struct found *found)
{
	static const size_t groups[] = { 8, 4, 4, 4, 12 };
	const char *p = at;

	for (int i = 0; i < 5; i++) {
		if (hex_length(p) != groups[i] || (i < 4 && p[groups[i]] != '-'))
			return false;
		p += groups[i] + (i < 4);
	}
	*found = (struct found){ .n = (size_t)(p - at), .kind = "UUID" };
	return !is_word(*p);
}

/* Six pairs or more (InfiniBand has 20). */
static bool mac_match(const char *at, struct found *found)
{
	char part = hex_length(at) == 2 ? at[2] : '\0';
	size_t pairs = 0;
	const char *p = at;

	if (part != ':' && part != '-')
		return false;
	for (; hex_length(p) == 2; p += 3) {
		pairs++;
		if (p[2] != part)
			break;
	}
	*found = (struct found){ .n = pairs * 3 - 1, .kind = "MAC" };
	return pairs >= 6 && !is_word(at[found->n]);
}

/* "enx0c37961f2b8c": a network interface named by its address. */
static bool interface_match(const char *at, struct found *found)
{
	*found = (struct found){ .keep = 3, .n = 12, .kind = "MAC" };
	return strncasecmp(at, "enx", 3) == 0 && hex_length(at + 3) == 12 && !is_word(at[15]);
}

static bool mail_match(const char *at, struct found *found)
{
	static const char *const units[] = { "service", "socket", "timer", "mount", "slice", "target", "scope", "device" };
	size_t user = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-");
	const char *domain = at + user + 1, *top;
	size_t n;

	if (!user || at[user] != '@')
		return false;
	n = strspn(domain, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
	while (n && !is_word(domain[n - 1]))
		n--;
	top = memrchr(domain, '.', n);
	if (!top)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strlen(units[i]) == (size_t)(domain + n - top - 1) && !strncmp(top + 1, units[i], strlen(units[i])))
			return false;
	*found = (struct found){ .n = user + 1 + n, .kind = "MAIL" };
	return true;
}

static bool ipv4_match(const char *at, struct found *found)
{
	unsigned part[4];
	int n = 0;

	if (!isdigit((unsigned char)*at) || sscanf(at, "%3u.%3u.%3u.%3u%n", &part[0], &part[1], &part[2], &part[3], &n) != 4 || !n)
		return false;
	*found = (struct found){ .n = (size_t)n, .kind = "IP" };
	for (int i = 0; i < 4; i++)
		if (part[i] > 255)
			return false;
	return !is_word(at[n]) && !(at[n] == '.' && isdigit((unsigned char)at[n + 1])) && strspn(at, "0123456789.") >= (size_t)n &&
	       part[0] != 127 && part[0] != 0 && part[0] != 255;
}

/* Eight groups, or "::" among them; a PCI address has three. */
static bool ipv6_match(const char *at, struct found *found)
{
	size_t n = strspn(at, "0123456789abcdefABCDEF:"), colons = 0, group = 0;
	bool gap = false, digits = false;

	while (n && at[n - 1] == ':' && !(n > 1 && at[n - 2] == ':'))
		n--;
	for (size_t i = 0; i < n; i++) {
		colons += at[i] == ':';
		group = at[i] == ':' ? 0 : group + 1;
		gap |= i + 1 < n && at[i] == ':' && at[i + 1] == ':';
		digits |= at[i] != ':' && !(at[i] == '1' && n == 3);
		if (group > 4)
			return false;
	}
	*found = (struct found){ .n = n, .kind = "IP" };
	return digits && !is_word(at[n]) && (colons == 7 || (gap && colons < 8));
}

/* Of 16 digits only WWNs begin with these: no machine has memory there. "naa.", "eui." say so themselves. */
static bool wwn_match(const char *at, struct found *found)
{
	static const char *const heads[] = { "naa.", "eui.", "nvme.", "t10.", "wwn-0x" };

	if (!strncasecmp(at, "0x", 2) && hex_length(at + 2) == 16 && at[2] && strchr("12356cC", at[2])) {
		*found = (struct found){ .n = 18, .kind = "WWN" };
		return !is_word(at[18]);
	}
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		size_t keep = strlen(heads[i]), n = 0;

		if (strncasecmp(at, heads[i], keep) != 0)
			continue;
		n = strcspn(at + keep, DELIMITERS "/:");
		*found = (struct found){ .keep = keep, .n = n, .kind = "WWN" };
		/* A word of the kernel's ("eui.c") is none. */
		return n >= 8 && strcspn(at + keep, "0123456789") < n;
	}
	return false;
}

/* What stands behind these words, up to the next delimiter. */
static bool behind_match(const char *at, struct found *found)
{
	static const struct { const char *word, *kind; } words[] = {
		{ "by-id/", "DISK" }, { "/home/", "USER" }, { "serial=", "SERIAL" }, { "wwn=", "WWN" }, { "UUID=", "UUID" },
		{ "PARTUUID=", "UUID" }, { "password=", "SECRET" }, { "passwd=", "SECRET" }, { "passphrase=", "SECRET" },
		{ "secret=", "SECRET" }, { "token=", "SECRET" }, { "psk=", "SECRET" }, { "osk=", "SECRET" }, { "data=", "SECRET" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t keep = strlen(words[i].word), n;
		const char *part;

		if (strncasecmp(at, words[i].word, keep) != 0)
			continue;
		keep += at[keep] == '"' || at[keep] == '\'';
		n = strcspn(at + keep, at[0] == '/' ? DELIMITERS "/" : DELIMITERS);
		if (!strcmp(words[i].kind, "UUID"))
			n = strspn(at + keep, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
		*found = (struct found){ .keep = keep, .n = n, .kind = words[i].kind };
		/* "…-part2" tells nothing of anybody. */
		part = memmem(at + keep, n, "-part", 5);
		if (part && !strcmp(words[i].kind, "DISK"))
			found->n = (size_t)(part - at) - keep;
		return found->n > 0;
	}
	return false;
}

/* ---- learned ---- */

static bool names_nobody(const char *text)
{
	static const char *const words[] = {
		"pve", "proxmox", "localhost", "localdomain", "local", "local-lvm", "local-zfs", "debian", "host", "server", "node",
		"home", "lan", "internal", "vm", "vms", "gpu", "pci", "usb", "kernel", "storage", "backup", "backups", "data", "disk",
		"disks", "iso", "images", "snippets", "nvme", "ssd", "hdd", "none", "unknown", "default", "default string",
		"to be filled by o.e.m.", "system serial number", "base board serial number", "chassis serial number",
		"not specified", "not applicable", "not available", "standard", "empty", "0123456789", "123456789", "invalid", "n/a",
	};

	if (strlen(text) < 3)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(text, words[i]))
			return true;
	return false;
}

static char *canonical(const char *kind, const char *text, size_t n)
{
	char *to = memory_check(malloc(n + 1));
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (strcmp(kind, "MAC") != 0 || is_hex(text[i]))
			to[k++] = (char)tolower((unsigned char)text[i]);
	to[k] = '\0';
	return to;
}

static struct mask_entry *entry_add(struct mask *mask, const char *kind, char *text)
{
	mask->list = memory_check(realloc(mask->list, (mask->n + 1) * sizeof(*mask->list)));
	mask->list[mask->n] = (struct mask_entry){ .kind = kind, .text = text };
	return &mask->list[mask->n++];
}

static struct mask_entry *entry_find(const struct mask *mask, const char *kind, const char *text)
{
	for (size_t i = 0; i < mask->n; i++)
		if (!strcmp(mask->list[i].kind, kind) && !strcmp(mask->list[i].text, text))
			return &mask->list[i];
	return NULL;
}

void mask_learn(struct mask *mask, const char *kind, const char *text, enum mask_where where)
{
	char *value = canonical(kind, text, strlen(text));
	struct mask_entry *entry;

	if (!*value || (where == MASK_WORDS && names_nobody(value)) || entry_find(mask, kind, value)) {
		free(value);
		return;
	}
	entry = entry_add(mask, kind, value);
	entry->learned = true;
	entry->where = where;
}

static bool is_enclosed(const char *text, const char *at, size_t n)
{
	return at > text && strchr("(\"'", at[-1]) && at[n] && strchr(")\"'", at[n]);
}

/* The longest of the learned ones that stands here. */
static bool learned_match(const struct mask *mask, const char *text, const char *at, struct found *found)
{
	*found = (struct found){ .n = 0 };
	for (size_t i = 0; i < mask->n; i++) {
		const struct mask_entry *entry = &mask->list[i];
		size_t n = strlen(entry->text);

		if (!entry->learned || n <= found->n || strncasecmp(at, entry->text, n) != 0 || is_word(at[n]) ||
		    (entry->where == MASK_ENCLOSED && !is_enclosed(text, at, n)))
			continue;
		*found = (struct found){ .n = n, .kind = entry->kind };
	}
	return found->n > 0;
}

/* ---- a text ---- */

static unsigned number_of(struct mask *mask, const char *kind, const char *text, size_t n)
{
	char *value = canonical(kind, text, n);
	struct mask_entry *entry = entry_find(mask, kind, value);
	unsigned last = 0;

	for (size_t i = 0; i < mask->n; i++)
		if (!strcmp(mask->list[i].kind, kind) && mask->list[i].number > last)
			last = mask->list[i].number;
	if (!entry)
		entry = entry_add(mask, kind, value);
	else
		free(value);
	if (!entry->number)
		entry->number = last + 1;
	return entry->number;
}

static bool anything_match(const struct mask *mask, const char *text, const char *at, struct found *found)
{
	static match_fn *const forms[] = { behind_match, uuid_match, mac_match, interface_match, mail_match, wwn_match, ipv4_match,
					   ipv6_match };

	bool amid = at > text + 1 && at[-1] == '.' && isdigit((unsigned char)at[-2]); /* a version of five parts */

	/* Within a word nothing begins. */
	if (at > text && is_word(at[-1]))
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (!(amid && forms[i] == ipv4_match) && forms[i](at, found))
			return true;
	return learned_match(mask, text, at, found);
}

char *mask_text(struct mask *mask, const char *text)
{
	struct found found;
	char *masked = NULL;
	size_t size = 0;
	FILE *out = memory_check(open_memstream(&masked, &size));

	for (const char *at = text; *at;) {
		if (anything_match(mask, text, at, &found)) {
			fprintf(out, "%.*s%s-%u", (int)found.keep, at, found.kind,
				number_of(mask, found.kind, at + found.keep, found.n));
			at += found.keep + found.n;
			continue;
		}
		fputc(((unsigned char)*at < ' ' && *at != '\n' && *at != '\t') || *at == 0x7f ? '?' : *at, out);
		at++;
	}
	if (fclose(out) != 0)
		memory_check(NULL);
	return masked;
}

void mask_clear(struct mask *mask)
{
	for (size_t i = 0; i < mask->n; i++)
		free(mask->list[i].text);
	free(mask->list);
	*mask = (struct mask){ .n = 0 };
}

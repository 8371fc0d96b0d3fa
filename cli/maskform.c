/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known by its form, wherever it stands: addresses, UUIDs, and what follows a word that says what it is. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mask.h"

typedef bool match_fn(const char *at, struct mask_found *found);

#define DELIMITERS " \t\r\n,;'\"()[]{}<>|"
#define DIGITS "0123456789"
#define HEX DIGITS "abcdefABCDEF"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

bool mask_is_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static size_t hex_length(const char *at)
{
	return strspn(at, HEX);
}

/* Groups of so many characters of a set, up to a 0, with one between them: their length; 0: it is something else. */
static size_t groups_length(const char *at, const size_t *sizes, const char *set, char part)
{
	const char *p = at;

	for (; *sizes; sizes++) {
		if (strspn(p, set) != *sizes || (sizes[1] && p[*sizes] != part))
			return 0;
		p += *sizes + (sizes[1] != 0);
	}
	return mask_is_word(*p) ? 0 : (size_t)(p - at);
}

/* Those of EFI variables are the same on every machine: the specification's, and systemd's boot loader interface. */
static bool uuid_common(const char *at, size_t n)
{
	static const char *const common[] = { "8be4df61-93ca-11d2-aa0d-00e098032b8c", "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f" };

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (n == strlen(common[i]) && !strncasecmp(at, common[i], n))
			return true;
	return false;
}

/* A UUID; as mdadm writes it; as LVM does. */
static bool uuid_match(const char *at, struct mask_found *found)
{
	static const size_t plain[] = { 8, 4, 4, 4, 12, 0 }, md[] = { 8, 8, 8, 8, 0 }, lvm[] = { 6, 4, 4, 4, 4, 4, 6, 0 };
	size_t n = groups_length(at, plain, HEX, '-');

	if (!n)
		n = groups_length(at, md, HEX, ':');
	if (!n)
		n = groups_length(at, lvm, LETTERS DIGITS, '-');
	*found = (struct mask_found){ .n = n, .kind = "UUID" };
	return n > 0 && !uuid_common(at, n);
}

/* Six pairs or more (InfiniBand has 20). */
static bool mac_match(const char *at, struct mask_found *found)
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
	*found = (struct mask_found){ .n = pairs * 3 - 1, .kind = "MAC" };
	return pairs >= 6 && !mask_is_word(at[found->n]);
}

/* "enx0c37961f2b8c": a network interface named by its address (systemd.net-naming-scheme(7)). */
static bool interface_match(const char *at, struct mask_found *found)
{
	static const char *const heads[] = { "enx", "wlx", "wwx", "ibx", "slx" };

	*found = (struct mask_found){ .keep = 3, .n = 12, .kind = "MAC" };
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (!strncasecmp(at, heads[i], 3))
			return hex_length(at + 3) == 12 && !mask_is_word(at[15]);
	return false;
}

static bool mail_match(const char *at, struct mask_found *found)
{
	static const char *const units[] = { "service", "socket", "timer", "mount", "slice", "target", "scope", "device" };
	size_t user = strspn(at, LETTERS DIGITS "._%+-");
	const char *domain = at + user + 1, *top;
	size_t n;

	if (!user || at[user] != '@')
		return false;
	n = strspn(domain, LETTERS DIGITS ".-");
	while (n && !mask_is_word(domain[n - 1]))
		n--;
	top = memrchr(domain, '.', n);
	if (!top)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strlen(units[i]) == (size_t)(domain + n - top - 1) && !strncmp(top + 1, units[i], strlen(units[i])))
			return false;
	*found = (struct mask_found){ .n = user + 1 + n, .kind = "MAIL" };
	return true;
}

static bool ipv4_match(const char *at, struct mask_found *found)
{
	unsigned part[4];
	int n = 0;

	if (!isdigit((unsigned char)*at) || sscanf(at, "%3u.%3u.%3u.%3u%n", &part[0], &part[1], &part[2], &part[3], &n) != 4 || !n)
		return false;
	*found = (struct mask_found){ .n = (size_t)n, .kind = "IP" };
	for (int i = 0; i < 4; i++)
		if (part[i] > 255)
			return false;
	return !mask_is_word(at[n]) && !(at[n] == '.' && isdigit((unsigned char)at[n + 1])) && strspn(at, DIGITS ".") >= (size_t)n &&
	       part[0] != 127 && part[0] != 0 && part[0] != 255;
}

/* Eight groups, or "::" among them; a PCI address has three. The last two may be written as IPv4. */
static bool ipv6_match(const char *at, struct mask_found *found)
{
	size_t n = strspn(at, HEX ":"), colons = 0, group = 0;
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
	if (group && at[n] == '.' && isdigit((unsigned char)at[n + 1])) {
		n -= group;
		n += strspn(at + n, DIGITS ".");
		colons++;
	}
	while (n && at[n - 1] == '.')
		n--;
	*found = (struct mask_found){ .n = n, .kind = "IP" };
	return digits && !mask_is_word(at[n]) && (colons == 7 || (gap && colons < 8));
}

/* Of 16 digits only WWNs begin with these: no machine has memory there. "naa.", "eui." say so themselves. */
static bool wwn_match(const char *at, struct mask_found *found)
{
	static const char *const heads[] = { "naa.", "eui.", "nvme.", "t10.", "wwn-0x" };

	if (!strncasecmp(at, "0x", 2) && hex_length(at + 2) == 16 && at[2] && strchr("12356cC", at[2])) {
		*found = (struct mask_found){ .n = 18, .kind = "WWN" };
		return !mask_is_word(at[18]);
	}
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		size_t keep = strlen(heads[i]), n = 0;

		if (strncasecmp(at, heads[i], keep) != 0)
			continue;
		n = strcspn(at + keep, DELIMITERS "/:");
		*found = (struct mask_found){ .keep = keep, .n = n, .kind = "WWN" };
		/* A word of the kernel's ("eui.c") is none. */
		return n >= 8 && strcspn(at + keep, DIGITS) < n;
	}
	return false;
}

/* How long what stands behind a word is. Names in paths end where they do. */
static size_t behind_length(const char *at, const char *kind)
{
	bool name = !strcmp(kind, "USER") || !strcmp(kind, "LABEL");
	size_t n = strcspn(at, name ? DELIMITERS "/" : DELIMITERS);
	const char *part;

	/* "UUID=1A2B-3C4D:crypt", but the one of mdadm has colons of its own. */
	if (!strcmp(kind, "UUID")) {
		n = strspn(at, LETTERS DIGITS "-");
		while (n >= 8 && at[n] == ':' && hex_length(at + n + 1) == 8)
			n += 9;
	}
	/* "…-part2" tells nothing of anybody. */
	part = memmem(at, n, "-part", 5);
	return part && !strcmp(kind, "DISK") ? (size_t)(part - at) : n;
}

/* What stands behind these words, up to the next delimiter. */
static bool behind_match(const char *at, struct mask_found *found)
{
	static const struct { const char *word, *kind; } words[] = {
		{ "by-id/", "DISK" }, { "by-uuid/", "UUID" }, { "by-partuuid/", "UUID" }, { "by-label/", "LABEL" },
		{ "by-partlabel/", "LABEL" }, { "/home/", "USER" }, { "serial=", "SERIAL" }, { "wwn=", "WWN" },
		{ "UUID=", "UUID" }, { "PARTUUID=", "UUID" }, { "LABEL=", "LABEL" }, { "PARTLABEL=", "LABEL" },
		{ "password=", "SECRET" }, { "passwd=", "SECRET" }, { "passphrase=", "SECRET" }, { "secret=", "SECRET" },
		{ "token=", "SECRET" }, { "psk=", "SECRET" }, { "osk=", "SECRET" }, { "data=", "SECRET" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t keep = strlen(words[i].word);

		if (strncasecmp(at, words[i].word, keep) != 0)
			continue;
		keep += at[keep] == '"' || at[keep] == '\'';
		*found = (struct mask_found){ .keep = keep, .kind = words[i].kind,
					 .n = behind_length(at + keep, words[i].kind) };
		return found->n > 0;
	}
	return false;
}

bool mask_form(const char *text, const char *at, struct mask_found *found)
{
	static match_fn *const forms[] = {
		behind_match, uuid_match, mac_match, interface_match, mail_match, wwn_match, ipv4_match, ipv6_match,
	};
	bool amid = at > text + 1 && at[-1] == '.' && isdigit((unsigned char)at[-2]); /* a version of five parts */

	if (at > text && mask_is_word(at[-1]))
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (!(amid && forms[i] == ipv4_match) && forms[i](at, found))
			return true;
	return false;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of devices and classes from pci.ids. The only file that includes libpci. */
#include <pci/pci.h>
#include <setjmp.h>
#include <string.h>

#include "ids.h"

/* libpci's error callback has no argument of its own and must not return, nor exit: it jumps
 * back to the call that led into libpci, which then knows no name. */
static __thread jmp_buf way_out;

static void __attribute__((noreturn, format(printf, 1, 2))) pci_fail(char *msg, ...)
{
	(void)msg;
	longjmp(way_out, 1);
}

static void __attribute__((format(printf, 1, 2))) pci_ignore(char *msg, ...)
{
	(void)msg;
}

struct names {
	struct pci_access *access; /* loads all names at the first question */
	struct pvb_ids ids;        /* … which most need not be asked for */
};

static void names_free(struct pvb_ctx *ctx)
{
	struct names *names = ctx->pci;

	ctx->pci = NULL;
	if (!names)
		return;
	if (!setjmp(way_out))
		pci_cleanup(names->access);
	pvb_ids_close(&names->ids);
	free(names);
}

/* Only names are asked for, so the machine is never scanned (no pci_init): with no root to mind, the
 * ids are the real machine's under a test's root as well. */
static struct pci_access *access_new(void)
{
	struct pci_access *pci = pci_alloc();

	if (!pci)
		return NULL;
	pci->error = pci_fail;
	pci->warning = pci_ignore;
	pci->debug = pci_ignore;
	pci->id_lookup_mode = 0; /* no cache of looked-up names in somebody's home */
	return pci;
}

static struct names *names_get(struct pvb_ctx *ctx)
{
	struct names *names = ctx->pci ? ctx->pci : calloc(1, sizeof(*names));

	if (!names || names == ctx->pci)
		return names;
	names->access = access_new();
	if (!names->access) {
		free(names);
		return NULL;
	}
	if (pvb_ids_open(&names->ids, names->access->id_file_name) < 0)
		memset(&names->ids, 0, sizeof(names->ids));
	ctx->pci = names;
	ctx->pci_free = names_free;
	return names;
}

/* pci_lookup_name() with two ids; "" when it knows no name. */
static void name_look_up(struct pvb_ctx *ctx, char *buf, size_t size, int what, int a, int b)
{
	struct names *names;

	*buf = '\0';
	if (setjmp(way_out)) {
		*buf = '\0';
		return;
	}
	names = names_get(ctx);
	/* It returns NULL when unknown, or a text of its own when the buffer is too small. */
	if (!names || pci_lookup_name(names->access, buf, (int)size, what | PCI_LOOKUP_NO_NUMBERS, a, b) != buf)
		*buf = '\0';
}

const char *pvb_name(struct pvb_ctx *ctx, const struct pvb_function *fn, char *buf, size_t size)
{
	struct names *names = names_get(ctx);
	char vendor[128];

	if (names && pvb_ids_device(&names->ids, fn->vendor, fn->device, buf, size))
		return buf;
	name_look_up(ctx, buf, size, PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, fn->vendor, fn->device);
	if (*buf)
		return buf;
	/* A device newer than pci.ids: its vendor and number, as lspci does. */
	name_look_up(ctx, vendor, sizeof(vendor), PCI_LOOKUP_VENDOR, fn->vendor, 0);
	if (*vendor)
		snprintf(buf, size, "%s Device %04x", vendor, fn->device);
	return buf;
}

void pvb_class_name(struct pvb_ctx *ctx, const struct pvb_function *fn, char *buf, size_t size)
{
	struct names *names = names_get(ctx);

	if (!names || !pvb_ids_class(&names->ids, fn->class_code, buf, size))
		name_look_up(ctx, buf, size, PCI_LOOKUP_CLASS, (int)(fn->class_code >> 8), 0);
}

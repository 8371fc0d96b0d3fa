/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of devices and classes from pci.ids. The only file that includes libpci. */
#include <pci/pci.h>
#include <setjmp.h>
#include <string.h>

#include "internal.h"

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

static void access_free(struct pvb_ctx *ctx)
{
	if (ctx->pci && !setjmp(way_out))
		pci_cleanup(ctx->pci);
	ctx->pci = NULL;
}

/* Only names are asked for, so the machine is never scanned (no pci_init): with no root to mind, the
 * ids are the real machine's under a test's root as well. */
static struct pci_access *access_get(struct pvb_ctx *ctx)
{
	struct pci_access *pci = ctx->pci;

	if (pci)
		return pci;
	pci = pci_alloc();
	if (!pci)
		return NULL;
	pci->error = pci_fail;
	pci->warning = pci_ignore;
	pci->debug = pci_ignore;
	pci->id_lookup_mode = 0; /* no cache of looked-up names in somebody's home */
	ctx->pci = pci;
	ctx->pci_free = access_free;
	return pci;
}

/* pci_lookup_name() with two ids; "" when it knows no name. */
static void name_look_up(struct pvb_ctx *ctx, char *buf, size_t size, int what, int a, int b)
{
	struct pci_access *pci;

	*buf = '\0';
	if (setjmp(way_out)) {
		*buf = '\0';
		return;
	}
	pci = access_get(ctx);
	/* It returns NULL when unknown, or a text of its own when the buffer is too small. */
	if (!pci || pci_lookup_name(pci, buf, (int)size, what | PCI_LOOKUP_NO_NUMBERS, a, b) != buf)
		*buf = '\0';
}

const char *pvb_name(struct pvb_ctx *ctx, const struct pvb_function *fn, char *buf, size_t size)
{
	char vendor[128];

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
	name_look_up(ctx, buf, size, PCI_LOOKUP_CLASS, (int)(fn->class_code >> 8), 0);
}

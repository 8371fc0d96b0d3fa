/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small words: PCI addresses, ids, VM numbers. What is accepted is written back so that it means the same. */
#include "../../conf/conf.h"
#include "fuzz.h"

static void addr_try(const char *text)
{
	struct pvb_addr addr, again;
	struct pvb_err err;
	char *buf = malloc(PVB_ADDR_MAX); /* malloced, so that a byte too many is seen */
	int r = pvb_addr_parse(text, &addr, &err);

	promise_sentence(r, &err);
	if (r == 0) {
		promise(addr.dev <= 0x1f && (addr.fn <= 7 || addr.fn == PVB_FN_ALL), "device and function are in range");
		promise(pvb_addr_format(&addr, buf) == buf && strlen(buf) < PVB_ADDR_MAX, "it fits");
		promise(pvb_addr_parse(buf, &again, &err) == 0, "what is written can be read");
		promise(pvb_addr_compare(&addr, &again) == 0, "… and is the same");
		promise(pvb_addr_matches(&addr, &again) || addr.fn == PVB_FN_ALL, "… and matches itself");
	}
	free(buf);
}

static void id_try(const char *text)
{
	struct conf_id id, again;
	char *buf = malloc(CONF_ID_MAX);

	if (conf_id_parse(text, &id)) {
		promise(conf_id_parse(conf_id_format(&id, buf), &again), "what is written can be read");
		promise(id.vendor == again.vendor && id.device == again.device && id.has_sub == again.has_sub,
			"… and is the same");
		promise(id.subvendor == again.subvendor && id.subdevice == again.subdevice, "… with its subsystem");
	}
	free(buf);
}

static void vmid_try(const char *text)
{
	unsigned vmid;
	struct pvb_err err;
	char buf[16];
	int r = conf_vmid_parse(text, &vmid, &err);

	promise_sentence(r, &err);
	if (r == 0) {
		snprintf(buf, sizeof(buf), "%u", vmid);
		promise(!strcmp(buf, text) && vmid >= 100 && vmid <= 999999999, "a VM's number has one spelling");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_new(data, size);

	addr_try(text);
	id_try(text);
	vmid_try(text);
	free(text);
	return 0;
}

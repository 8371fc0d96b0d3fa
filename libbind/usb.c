/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB devices, and the PCI function each hangs on. */
#include <string.h>

#include "critical.h"
#include "ids.h"

#define DEVICES_DIR "sys/bus/usb/devices"
#define SILENCE_NS 1000000000

/* Interface classes (usb.org, defined class codes), and a subclass of communication: modems, and the sticks of home automation. */
#define CLASS_HUB 0x09
#define CLASS_COMM 0x02
#define COMM_ACM 0x02

static const struct {
	unsigned code, kind;
} kinds[] = {
	{ 0x01, PVB_USB_AUDIO }, { 0x03, PVB_USB_INPUT }, { 0x07, PVB_USB_PRINTER }, { 0x08, PVB_USB_STORAGE },
	{ 0x0e, PVB_USB_VIDEO }, { CLASS_COMM, PVB_USB_NETWORK }, { 0xe0, PVB_USB_WIRELESS }, { 0x0b, PVB_USB_SMARTCARD },
};

/* ---- one device ---- */

/* -1: there is none, or it is no such number. */
static int number_read(struct pvb_ctx *ctx, const char *dir, const char *attr, int base)
{
	char path[PVB_PATH_MAX], text[32], *end;
	long value;

	if (pvb_format(path, sizeof(path), "%s/%s", dir, attr) < 0 || pvb_sysfs_read(ctx, path, text, sizeof(text)) < 0)
		return -1;
	value = strtol(text, &end, base);
	return end == text || value < 0 || value > INT32_MAX ? -1 : (int)value;
}

/* "../../../devices/pci0000:00/0000:00:14.0/usb1/1-2": the last function is its controller. */
static void controller_find(struct pvb_ctx *ctx, const char *dir, struct pvb_usb *usb)
{
	char target[PVB_PATH_MAX], *save = NULL;

	if (pvb_sysfs_link_target(ctx, dir, target, sizeof(target)) < 0)
		return;
	for (char *part = strtok_r(target, "/", &save); part; part = strtok_r(NULL, "/", &save))
		if (strchr(part, '.') && pvb_addr_parse(part, &usb->controller, NULL) == 0)
			usb->has_controller = true;
}

static unsigned kind_of(int code, int subclass)
{
	if (code == CLASS_COMM && subclass == COMM_ACM)
		return PVB_USB_SERIAL;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (code == (int)kinds[i].code)
			return kinds[i].kind;
	return 0;
}

/* Its interfaces are "1-2:1.0" below it. */
static int interfaces_look(struct pvb_ctx *ctx, const char *dir, struct pvb_usb *usb)
{
	_cleanup_strv_ char **names = NULL;
	size_t length = strlen(usb->name);
	int r = pvb_sysfs_list(ctx, dir, &names);

	for (char **name = names; r == 0 && *name; name++) {
		char path[PVB_PATH_MAX];
		int code;

		if (strncmp(*name, usb->name, length) != 0 || (*name)[length] != ':' ||
		    pvb_format(path, sizeof(path), "%s/%s", dir, *name) < 0)
			continue;
		code = number_read(ctx, path, "bInterfaceClass", 16);
		usb->kinds |= kind_of(code, code == CLASS_COMM ? number_read(ctx, path, "bInterfaceSubClass", 16) : -1);
	}
	return r == -ENOMEM ? r : 0;
}

/* 1: it is one; 0: a hub, or gone. */
static int device_read(struct pvb_ctx *ctx, const char *name, struct pvb_usb *usb)
{
	char dir[PVB_PATH_MAX];
	int vendor, product;

	memset(usb, 0, sizeof(*usb));
	if (pvb_format(usb->name, sizeof(usb->name), "%s", name) < 0 || pvb_format(dir, sizeof(dir), DEVICES_DIR "/%s", name) < 0)
		return 0;
	vendor = number_read(ctx, dir, "idVendor", 16);
	product = number_read(ctx, dir, "idProduct", 16);
	if (vendor < 0 || product < 0 || number_read(ctx, dir, "bDeviceClass", 16) == CLASS_HUB)
		return 0;
	usb->vendor = (uint16_t)vendor;
	usb->product = (uint16_t)product;
	usb->speed = number_read(ctx, dir, "speed", 10);
	controller_find(ctx, dir, usb);
	return interfaces_look(ctx, dir, usb) < 0 ? -ENOMEM : 1;
}

static int devices_read(struct pvb_ctx *ctx, struct pvb_usbs *usbs)
{
	_cleanup_strv_ char **names = NULL;
	size_t n = 0;
	int r = pvb_sysfs_list(ctx, DEVICES_DIR, &names);

	if (r < 0)
		return r;
	while (names[n])
		n++;
	usbs->list = calloc(n + 1, sizeof(*usbs->list));
	if (!usbs->list)
		return -ENOMEM;
	for (char **name = names; r >= 0 && *name; name++) {
		if (strchr(*name, ':') || !strncmp(*name, "usb", 3)) /* interfaces, root hubs */
			continue;
		r = device_read(ctx, *name, &usbs->list[usbs->n]);
		usbs->n += r > 0;
	}
	/* What is behind the last has no name: the child's end. */
	memset(&usbs->list[usbs->n], 0, sizeof(*usbs->list));
	return r < 0 ? r : 0;
}

/* ---- names ---- */

struct strings {
	char manufacturer[64], product[64];
};

/* In the child: the kernel takes the USB device's lock to show these. */
static void strings_answer(struct pvb_ctx *ctx, void *data, int fd)
{
	for (const struct pvb_usb *usb = data; *usb->name; usb++) {
		struct strings strings = { .product = "" };
		char path[PVB_PATH_MAX];

		snprintf(path, sizeof(path), DEVICES_DIR "/%s/manufacturer", usb->name);
		if (pvb_sysfs_read(ctx, path, strings.manufacturer, sizeof(strings.manufacturer)) < 0)
			*strings.manufacturer = '\0';
		snprintf(path, sizeof(path), DEVICES_DIR "/%s/product", usb->name);
		if (pvb_sysfs_read(ctx, path, strings.product, sizeof(strings.product)) < 0)
			*strings.product = '\0';
		if (write(fd, &strings, sizeof(strings)) != (ssize_t)sizeof(strings))
			_exit(1);
	}
}

static void name_make(struct pvb_usb *usb, const struct strings *strings, const struct pvb_ids *ids)
{
	const char *by = strings->manufacturer, *what = strings->product;
	bool twice = !strncmp(what, by, strlen(by));

	if (*what)
		snprintf(usb->text, sizeof(usb->text), "%s%s%s", twice ? "" : by, twice || !*by ? "" : " ", what);
	else if (!pvb_ids_device(ids, usb->vendor, usb->product, usb->text, sizeof(usb->text)))
		snprintf(usb->text, sizeof(usb->text), "%s", by);
}

/* Where one hangs, a new child goes on behind it. */
static int names_make(struct pvb_ctx *ctx, struct pvb_usbs *usbs, const struct pvb_ids *ids)
{
	for (size_t i = 0; i < usbs->n;) {
		_cleanup_free_ char *text = NULL;
		size_t size = 0, got;
		int r = pvb_ask(ctx, strings_answer, &usbs->list[i], SILENCE_NS, &text, &size);

		if (r < 0 && r != -ETIMEDOUT && r != -EIO)
			return r;
		got = text ? size / sizeof(struct strings) : 0;
		for (size_t k = 0; k < got && i < usbs->n; k++, i++) {
			struct strings strings;

			memcpy(&strings, text + k * sizeof(strings), sizeof(strings));
			name_make(&usbs->list[i], &strings, ids);
		}
		if (i < usbs->n)
			name_make(&usbs->list[i++], &(struct strings){ .product = "" }, ids);
	}
	return 0;
}

/* ---- what the host uses ---- */

static int uses_find(struct pvb_ctx *ctx, struct pvb_usbs *usbs)
{
	const struct pvb_function nobody = { .bridge = false };
	struct pvb_tables tables = { .mounts = NULL };
	int r = 0;

	for (size_t i = 0; r == 0 && i < usbs->n; i++) {
		struct pvb_uses disks = { .left_off = 0 }, nics = { .left_off = 0 };
		struct pvb_usb *usb = &usbs->list[i];
		char dir[PVB_PATH_MAX];

		snprintf(dir, sizeof(dir), DEVICES_DIR "/%s", usb->name);
		r = pvb_critical_below(ctx, &tables, &nobody, dir, &disks, &nics);
		snprintf(usb->host_use, sizeof(usb->host_use), "%s%s%s", disks.text, *disks.text && *nics.text ? ", " : "",
			 nics.text);
	}
	pvb_tables_clear(&tables);
	return r;
}

int pvb_usbs_find(struct pvb_ctx *ctx, struct pvb_usbs *usbs, struct pvb_err *err)
{
	static const char *const files[] = { "/usr/share/misc/usb.ids", "/usr/share/hwdata/usb.ids", "/var/lib/usbutils/usb.ids" };
	struct pvb_ids ids = { .size = 0 };
	int r;

	memset(usbs, 0, sizeof(*usbs));
	for (size_t i = 0; !ids.size && i < ARRAY_SIZE(files); i++)
		if (pvb_ids_open(&ids, files[i]) < 0)
			ids.size = 0;
	r = devices_read(ctx, usbs);
	if (r == 0)
		r = names_make(ctx, usbs, &ids);
	if (r == 0)
		r = uses_find(ctx, usbs);
	pvb_ids_close(&ids);
	return r < 0 ? pvb_err_set(err, r, "cannot look at the USB devices: %s", strerror(-r)) : 0;
}

void pvb_usbs_clear(struct pvb_usbs *usbs)
{
	free(usbs->list);
	memset(usbs, 0, sizeof(*usbs));
}

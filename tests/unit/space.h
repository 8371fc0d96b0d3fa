/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions with a configuration space of one's own, for the tests of what is read from it. */
#ifndef TESTS_SPACE_H
#define TESTS_SPACE_H

#include "host.h"
#include "machineparts.h"

#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define PORT "0000:00:02.0"

static inline const char *path_of(struct host *h, const char *bdf, const char *attr)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", ft_device_path(h->t, bdf), attr);
	return path;
}

/* Its first size bytes; 0: all there are. */
static inline void config_put(struct host *h, const char *bdf, const struct machine_config *c, size_t size)
{
	unsigned char bytes[4096];
	size_t n = machine_config_make(c, bytes);

	ft_put(h->t, path_of(h, bdf, "config"), bytes, size ? size : n);
}

static inline struct pvb_details details_of(struct host *h, const char *bdf)
{
	struct pvb_addr addr = addr_of(bdf);
	struct pvb_details d;

	assert_int_equal(pvb_details_read(h->ctx, &addr, &d, &h->err), 0);
	return d;
}

static inline struct machine_config endpoint(void)
{
	return (struct machine_config){ .vendor = 0x10de, .device = 0x2484, .class_code = 0x030000, .pcie = true, .type = 0,
					.speed = 1, .width = 8, .max_speed = 4, .max_width = 16, .acs = -1 };
}

static inline struct machine_config port(int acs)
{
	return (struct machine_config){ .vendor = 0x8086, .device = 0x1901, .class_code = 0x060400, .pcie = true, .type = 4,
					.secondary = 1, .subordinate = 1, .acs = acs };
}

static inline int gpu_setup(void **state)
{
	host_setup(state);
	ft_preset_gpu(((struct host *)*state)->t);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, gpu_setup, host_teardown)

#endif

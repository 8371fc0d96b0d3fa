// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvidia_drm - with modeset=1 it uses every card from inside the kernel until it is unloaded; with fbdev=1 too (which
 * counts with modeset=1 only, as in the real one) it gives the console a frame buffer, and then the console holds the
 * module until its vtconsole is unbound. No DRM device is made: who has one open holds the module, which says it all.
 */
#include <linux/fb.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vmalloc.h>

#include "nvidia_family.h"

static bool modeset, fbdev;
module_param(modeset, bool, 0444);
module_param(fbdev, bool, 0444);

#define WIDTH 640
#define HEIGHT 480

/* It shows nothing: that it is open is all that counts. */
static void fill(struct fb_info *info, const struct fb_fillrect *rect) { }
static void copy(struct fb_info *info, const struct fb_copyarea *area) { }
static void blit(struct fb_info *info, const struct fb_image *image) { }

static const struct fb_ops fb_ops = {
	.owner = THIS_MODULE,
	.fb_fillrect = fill,
	.fb_copyarea = copy,
	.fb_imageblit = blit,
};
static struct fb_info *fb;

static int fb_add(struct pci_dev *dev)
{
	int r;

	fb = framebuffer_alloc(0, &dev->dev);
	if (!fb)
		return -ENOMEM;
	strscpy(fb->fix.id, "nvidia-drmdrmfb", sizeof(fb->fix.id));
	fb->fix.type = FB_TYPE_PACKED_PIXELS;
	fb->fix.visual = FB_VISUAL_TRUECOLOR;
	fb->fix.line_length = WIDTH * 4;
	fb->fix.smem_len = WIDTH * HEIGHT * 4;
	fb->var = (struct fb_var_screeninfo){
		.xres = WIDTH, .yres = HEIGHT, .xres_virtual = WIDTH, .yres_virtual = HEIGHT, .bits_per_pixel = 32,
		.red = { 16, 8 }, .green = { 8, 8 }, .blue = { 0, 8 }, .activate = FB_ACTIVATE_NOW,
	};
	fb->fbops = &fb_ops;
	fb->screen_base = (char __iomem __force *)vzalloc(WIDTH * HEIGHT * 4);
	if (!fb->screen_base) {
		framebuffer_release(fb);
		return -ENOMEM;
	}
	r = register_framebuffer(fb);
	if (r == 0)
		return 0;
	vfree((void __force *)fb->screen_base);
	framebuffer_release(fb);
	fb = NULL;
	return r;
}

static void fb_remove(void)
{
	if (!fb)
		return;
	unregister_framebuffer(fb);
	vfree((void __force *)fb->screen_base);
	framebuffer_release(fb);
}

static int __init drm_init(void)
{
	int r = 0;

	if (!modeset)
		return 0;
	nvkms_use_all();
	if (fbdev && nvkms_first())
		r = fb_add(nvkms_first());
	if (r)
		nvkms_unuse_all();
	return r;
}

static void __exit drm_exit(void)
{
	fb_remove();
	if (modeset)
		nvkms_unuse_all();
}

module_init(drm_init);
module_exit(drm_exit);
MODULE_DESCRIPTION("Uses cards from inside the kernel, as NVIDIA's driver does");
MODULE_LICENSE("GPL");

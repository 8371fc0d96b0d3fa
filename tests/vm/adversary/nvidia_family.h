/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nvidia gives to its family. */
#ifndef NVIDIA_FAMILY_H
#define NVIDIA_FAMILY_H

/* Character devices, as the real ones number them: /dev/nvidiaN is minor N. */
#define NV_MAJOR 195
#define NV_MINOR_MODESET 254
#define NV_MINOR_CTL 255
#define NV_CARDS_MAX 8

struct pci_dev;

/* Use every card from inside the kernel, so that remove() of each waits; and end that. Takes no module reference. */
void nvidia_use_all(void);
void nvidia_unuse_all(void);
/* The first card, or NULL. */
struct pci_dev *nvidia_first(void);

/* nvidia_modeset's, for nvidia_drm: the same through one more module. */
void nvkms_use_all(void);
void nvkms_unuse_all(void);
struct pci_dev *nvkms_first(void);

#endif

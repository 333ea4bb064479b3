/* SPDX-License-Identifier: MIT */
/*
 * fake_vulkan.h: gives the fake device vkd3d-proton's interop interfaces, and a Vulkan below it that
 * can dispatch the decoder of tiles, and nothing else.
 *
 * It decodes with the codec of the DLL under test, and says of each tile whether that worked. Calls
 * out of place, tables that name other memory, and functions of Vulkan that it does not have end
 * the test. Programs find it as vulkan-1.dll: see fake_vulkan_dll.c.
 */
#ifndef TESTS_WINE_FAKE_VULKAN_H
#define TESTS_WINE_FAKE_VULKAN_H

#include "win.h"

/* Before the device is made. */
void fake_vulkan_install(void);

/* Whether the device below is a CPU; and whether it can decode. */
void fake_vulkan_be_software(bool is_software);
void fake_vulkan_lack_features(bool lacks);

/* Tiles decoded, or found damaged, so far. */
unsigned int fake_vulkan_tiles(void);

#endif /* TESTS_WINE_FAKE_VULKAN_H */

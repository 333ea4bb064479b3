/* SPDX-License-Identifier: MIT */
/* fake_no_vulkan.c: stands for fake_vulkan.c in builds that have no headers of Vulkan. */
#include "fake_vulkan.h"

void fake_vulkan_install(void)
{
	skip("built without Vulkan");
}

void fake_vulkan_be_software(bool is_software)
{
	(void)is_software;
}

void fake_vulkan_lack_features(bool lacks)
{
	(void)lacks;
}

unsigned int fake_vulkan_tiles(void)
{
	return 0;
}

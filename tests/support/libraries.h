/* SPDX-License-Identifier: MIT */
/* libraries.h: shared libraries that stay. */
#ifndef TESTS_SUPPORT_LIBRARIES_H
#define TESTS_SUPPORT_LIBRARIES_H

/*
 * Those that are loaded now are not unloaded any more, but for the one of that file name (or NULL). Vulkan's loader unloads
 * layers and drivers with their last instance; what these keep for the next time would then be a leak, of nobody knows whom.
 */
void libraries_keep(const char *but);

#endif /* TESTS_SUPPORT_LIBRARIES_H */

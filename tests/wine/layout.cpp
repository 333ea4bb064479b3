// SPDX-License-Identifier: MIT
// layout.cpp: the same as test_layout.c for the compiler of C++, which declares classes. Compiled,
// not run.
#include "dstorage/include/dstorage.h"

#include <cstddef>

#define LAYOUT_SIZE(type, size) static_assert(sizeof(type) == (size), #type);
#define LAYOUT_WIDTH(type, size) LAYOUT_SIZE(type, size)
#define LAYOUT_FIELD(type, field, place) static_assert(offsetof(type, field) == (place), #field);
#define LAYOUT_VALUE(name, value) static_assert((name) == (value), #name);
#include "layout.h"

/* SPDX-License-Identifier: MIT */
/* codecs.h: the codecs that every backend has. */
#ifndef DS_BACKEND_CODECS_H
#define DS_BACKEND_CODECS_H

#include "core/codec.h"

/* NULL-terminated. */
extern const struct ds_codec *const ds_codecs[];

#endif /* DS_BACKEND_CODECS_H */

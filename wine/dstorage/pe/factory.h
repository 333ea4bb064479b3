/* SPDX-License-Identifier: MIT */
/* factory.h: the factory. */
#ifndef DSTORAGE_FACTORY_H
#define DSTORAGE_FACTORY_H

#include "dstorage/include/dstorage.h"

HRESULT factory_get(REFIID riid, void **ppv);

#endif /* DSTORAGE_FACTORY_H */

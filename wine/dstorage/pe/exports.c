/* SPDX-License-Identifier: MIT */
/* exports.c: DllMain and what dstorage.dll exports. */
#include <string.h>

#include "codec.h"
#include "core.h"
#include "factory.h"
#include "log.h"
#include "unixlib.h"

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved);

/* Nothing but this: the loader's lock is held, and other threads may be dead. */
BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved)
{
	(void)reserved;
	if (reason == DLL_PROCESS_ATTACH) {
		unixlib_instance = instance;
		DisableThreadLibraryCalls(instance);
	}
	return TRUE;
}

HRESULT WINAPI DStorageGetFactory(REFIID riid, void **ppv)
{
	HRESULT hr = riid ? factory_get(riid, ppv) : E_INVALIDARG;

	log_trace("-> %08lx\n", hr);
	return hr;
}

HRESULT WINAPI DStorageCreateCompressionCodec(DSTORAGE_COMPRESSION_FORMAT format,
					      UINT32 num_threads, REFIID riid, void **ppv)
{
	log_trace("(%u, %u)\n", format, num_threads);
	return riid ? codec_create(format, num_threads, riid, ppv) : E_INVALIDARG;
}

/* Each configuration is the beginning of the next one. */
static HRESULT configure(const void *configuration, size_t nbytes)
{
	DSTORAGE_CONFIGURATION2 cfg;
	HRESULT hr;

	if (!configuration)
		return E_INVALIDARG;
	memset(&cfg, 0, sizeof(cfg));
	memcpy(&cfg, configuration, nbytes);
	hr = core_set_configuration(&cfg);
	log_trace("(%u, %d, %d, %d, %d) -> %08lx\n", cfg.NumSubmitThreads,
		  cfg.NumBuiltInCpuDecompressionThreads, cfg.DisableBypassIO,
		  cfg.DisableGpuDecompression, cfg.ForceFileBuffering, hr);
	return hr;
}

HRESULT WINAPI DStorageSetConfiguration(const DSTORAGE_CONFIGURATION *configuration)
{
	return configure(configuration, sizeof(*configuration));
}

HRESULT WINAPI DStorageSetConfiguration1(const DSTORAGE_CONFIGURATION1 *configuration)
{
	return configure(configuration, sizeof(*configuration));
}

HRESULT WINAPI DStorageSetConfiguration2(const DSTORAGE_CONFIGURATION2 *configuration)
{
	return configure(configuration, sizeof(*configuration));
}

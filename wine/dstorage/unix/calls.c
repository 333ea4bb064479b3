/* SPDX-License-Identifier: MIT */
/* calls.c: the call table, and the calls that belong nowhere else. */
#include "unix.h"

#include <stddef.h>
#include <unistd.h>

static int32_t unix_init(void *args)
{
	struct dsw_init *a = args;

	if (a->version != DSW_VERSION)
		return DS_ERR_UNSUPPORTED;
	a->has_zstd = DS_HAVE_ZSTD;
	return DS_OK;
}

static int32_t unix_print(void *args)
{
	const struct dsw_print *a = args;
	const char *text = unix_pointer(a->text);
	size_t left = a->nbytes;

	while (left) {
		ssize_t n = write(STDERR_FILENO, text, left);

		if (n <= 0)
			return DS_ERR_IO;
		text += n;
		left -= (size_t)n;
	}
	return DS_OK;
}

/* Wine finds it by its name, and calls entry `code` with the argument struct. */
__attribute__((visibility("default")))
int32_t (*const __wine_unix_call_funcs[DSW_NR_CODES])(void *args) = {
	[DSW_INIT] = unix_init,
	[DSW_PRINT] = unix_print,
	[DSW_BACKEND_CREATE] = unix_backend_create,
	[DSW_BACKEND_DESTROY] = unix_backend_destroy,
	[DSW_FILE_FROM_FD] = unix_file_from_fd,
	[DSW_FILE_FROM_PATH] = unix_file_from_path,
	[DSW_FILE_CLOSE] = unix_file_close,
	[DSW_QUEUE_CREATE] = unix_queue_create,
	[DSW_QUEUE_DESTROY] = unix_queue_destroy,
	[DSW_QUEUE_START] = unix_queue_start,
	[DSW_QUEUE_CANCEL] = unix_queue_cancel,
	[DSW_WAIT] = unix_wait,
	[DSW_CODEC_BOUND] = unix_codec_bound,
	[DSW_CODEC_COMPRESS] = unix_codec_compress,
	[DSW_CODEC_DECOMPRESS] = unix_codec_decompress,
	[DSW_SHARE_WATCH] = unix_share_watch,
	[DSW_SHARE_OPEN] = unix_share_open,
	[DSW_SHARE_CLOSE] = unix_share_close,
	[DSW_SHARE_CHECK] = unix_share_check,
	[DSW_GDEFLATE_TILES] = unix_gdeflate_tiles,
};

/* SPDX-License-Identifier: MIT */
/* log.c: see log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <windows.h>

#include "unixlib.h"

#define LOG_LINE 1024

static unsigned int read_switch(void)
{
	char text[256];
	DWORD n = GetEnvironmentVariableA("DS_WINEDEBUG", text, sizeof(text));

	if (!n || n >= sizeof(text))
		return LOG_ERR;
	return log_parse(text, LOG_ERR);
}

bool log_is_on(enum log_class cls)
{
	static LONG classes = -1;

	/* Two threads at once read the same. */
	if (classes < 0)
		InterlockedExchange(&classes, (LONG)read_switch());
	return classes & (LONG)cls;
}

/* Through the C runtime until the Unix half is found, for it is not found without a word. */
static void print(const char *line, int nbytes)
{
	struct dsw_print a = { (uint64_t)(uintptr_t)line, (uint32_t)nbytes, 0 };
	DWORD written;

	if (!unixlib_is_loaded() || unix_call(DSW_PRINT, &a))
		WriteFile(GetStdHandle(STD_ERROR_HANDLE), line, (DWORD)nbytes, &written, NULL);
}

void log_write(enum log_class cls, const char *function, const char *format, ...)
{
	const char *name = cls == LOG_ERR ? "err" : cls == LOG_WARN ? "warn" : "trace";
	char line[LOG_LINE];
	va_list args;
	int n, m;

	n = snprintf(line, sizeof(line), "%04lx:%s:dstorage:%s ", GetCurrentThreadId(), name,
		     function);
	va_start(args, format);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	if (m < 0)
		return;
	n += m;
	if (n >= (int)sizeof(line)) {
		n = (int)sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	print(line, n);
}

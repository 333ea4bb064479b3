/* SPDX-License-Identifier: MIT */
/*
 * unixlib.c: see unixlib.h.
 *
 * Everything of Wine's is looked up by name, so that the DLL also loads where it is missing.
 * The ways to the Unix half are those of Wine 8.0 to current for a DLL that is loaded as
 * builtin, and that of Wine 11.2 and later for any other.
 */
#include "unixlib.h"

#include "log.h"

/* Information classes of NtQueryVirtualMemory that Wine alone has. */
#define MEMORY_WINE_UNIX_FUNCS	       1000
#define MEMORY_WINE_LOAD_UNIX_LIB_NAME 1002

#define FILE_READ_DATA_ACCESS 1

struct unicode_name {
	USHORT nbytes;
	USHORT room;
	const WCHAR *text;
};

typedef LONG(WINAPI *query_memory_fn)(HANDLE, const void *, int, void *, SIZE_T, SIZE_T *);
typedef int32_t(WINAPI *dispatcher_fn)(uint64_t, unsigned int, void *);
typedef LONG(CDECL *handle_to_fd_fn)(HANDLE, unsigned int, int *, unsigned int *);
typedef char *(CDECL *unix_name_fn)(const WCHAR *);
typedef BOOLEAN(WINAPI *is_ending_fn)(void);

/* Of no type of its own: such pointers convert to any function's. */
typedef void (*any_fn)(void);

HINSTANCE unixlib_instance;

static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static bool is_loaded;
static uint64_t unix_handle;
static dispatcher_fn dispatcher;
static struct dsw_init init;
static handle_to_fd_fn handle_to_fd;
static unix_name_fn unix_name;

static any_fn find(HMODULE module, const char *name)
{
	return module ? (any_fn)GetProcAddress(module, name) : NULL;
}

static bool find_builtin(query_memory_fn query)
{
	return query(GetCurrentProcess(), unixlib_instance, MEMORY_WINE_UNIX_FUNCS, &unix_handle,
		     sizeof(unix_handle), NULL) >= 0;
}

static bool find_by_name(query_memory_fn query)
{
	static const WCHAR text[] = L"dstorage.so";
	struct unicode_name name = { sizeof(text) - sizeof(WCHAR), sizeof(text), text };
	uint64_t out[2] = { 0, 0 };

	if (query(GetCurrentProcess(), &name, MEMORY_WINE_LOAD_UNIX_LIB_NAME, out, sizeof(out),
		  NULL) < 0)
		return false;
	unix_handle = out[1];
	return true;
}

static bool find_unix_half(HMODULE ntdll)
{
	query_memory_fn query = (query_memory_fn)find(ntdll, "NtQueryVirtualMemory");
	/* The export is a variable that holds the function. */
	const any_fn *variable =
		(const any_fn *)(uintptr_t)find(ntdll, "__wine_unix_call_dispatcher");

	if (!query || !variable) {
		log_err("this is not Wine, or one older than 8.0\n");
		return false;
	}
	dispatcher = (dispatcher_fn)*variable;
	if (find_builtin(query) || find_by_name(query))
		return true;
	log_err("dstorage.so was not found: WINEDLLPATH has to name the folder in which "
		"x86_64-windows and x86_64-unix are\n");
	return false;
}

/* A thread that waits in the Unix half, or code on its way there, outlives FreeLibrary(). */
static void pin(void)
{
	HMODULE ignored;

	GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
			   (const WCHAR *)(const void *)&once, &ignored);
}

static BOOL CALLBACK load_once(INIT_ONCE *self, void *arg, void **context)
{
	HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");

	(void)self;
	(void)arg;
	(void)context;
	if (!find_unix_half(ntdll))
		return TRUE;
	init.version = DSW_VERSION;
	if (dispatcher(unix_handle, DSW_INIT, &init)) {
		log_err("dstorage.so is of another build than dstorage.dll\n");
		return TRUE;
	}
	handle_to_fd = (handle_to_fd_fn)find(ntdll, "wine_server_handle_to_fd");
	unix_name =
		(unix_name_fn)find(GetModuleHandleW(L"kernel32.dll"), "wine_get_unix_file_name");
	pin();
	is_loaded = true;
	return TRUE;
}

bool unixlib_load(void)
{
	InitOnceExecuteOnce(&once, load_once, NULL, NULL);
	return is_loaded;
}

bool unixlib_is_loaded(void)
{
	return is_loaded;
}

int32_t unix_call(enum dsw_code code, void *args)
{
	return dispatcher(unix_handle, (unsigned int)code, args);
}

bool unixlib_has_zstd(void)
{
	return init.has_zstd;
}

int unixlib_fd_of_handle(HANDLE handle)
{
	int fd = -1;

	if (!handle_to_fd || handle_to_fd(handle, FILE_READ_DATA_ACCESS, &fd, NULL) < 0)
		return -1;
	return fd;
}

char *unixlib_path_of(const WCHAR *path)
{
	return unix_name ? unix_name(path) : NULL;
}

bool is_process_ending(void)
{
	static is_ending_fn is_ending;

	if (!is_ending)
		is_ending = (is_ending_fn)find(GetModuleHandleW(L"ntdll.dll"),
					       "RtlDllShutdownInProgress");
	return is_ending && is_ending();
}

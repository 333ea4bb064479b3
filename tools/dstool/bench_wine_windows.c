/* SPDX-License-Identifier: MIT */
/*
 * bench_wine_windows.c: the Windows side of "dstool bench wine": finds Wine and what was built for it,
 * and runs wine/bench/bench_windows.c in a prefix.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_wine.h"
#include "file_io.h"
#include "tool.h"

static bool is_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* In PATH, and where Debian hides it. False: nowhere. */
static bool find_program(const char *name, char *path, size_t room)
{
	const char *at = getenv("PATH");

	while (at && *at) {
		size_t n = strcspn(at, ":");

		snprintf(path, room, "%.*s/%s", (int)n, at, name);
		if (!access(path, X_OK))
			return true;
		at += n + (at[n] == ':');
	}
	snprintf(path, room, "/usr/lib/wine/%s", name);
	return !access(path, X_OK);
}

static int find_wine(struct bench_wine *b)
{
	static char path[BENCH_WINE_PATH_ROOM];

	if (b->wine)
		return TOOL_OK;
	if (!find_program("wine64", path, sizeof(path)) &&
	    !find_program("wine", path, sizeof(path))) {
		tool_error("bench wine: Wine is not installed; --wine may name it");
		return TOOL_FAILED;
	}
	b->wine = path;
	return TOOL_OK;
}

static bool has_program(struct bench_wine *b, const char *folder)
{
	return (size_t)snprintf(b->program, sizeof(b->program), "%s/bench_wine.exe", folder) <
		       sizeof(b->program) &&
	       is_file(b->program);
}

/* Beside dstool in the build folder, or below the installed one's prefix. */
static int find_dlls(struct bench_wine *b)
{
	static const char *const places[] = { "wine", "../lib/ds-runtime/wine" };
	static char path[BENCH_WINE_PATH_ROOM];
	char self[BENCH_WINE_PATH_ROOM / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (b->dlls && has_program(b, b->dlls))
		return TOOL_OK;
	self[n < 0 ? 0 : n] = 0;
	slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]) && !b->dlls; i++) {
		snprintf(path, sizeof(path), "%s/%s", self, places[i]);
		if (has_program(b, path))
			b->dlls = path;
	}
	if (b->dlls == path)
		return TOOL_OK;
	tool_error("bench wine: bench_wine.exe was not found%s%s; this build may be without "
		   "dstorage.dll, --dlls may name its folder",
		   b->dlls ? " in " : "", b->dlls ? b->dlls : "");
	return TOOL_FAILED;
}

/*
 * Runs a program to its end, without stdin and stderr; what it prints comes to out, or is dropped if
 * that is NULL. Returns its exit status, 128 and more when it was killed, -1 when it was not started.
 */
static int run_program(char *const *argv, char *out, size_t room)
{
	int fds[2] = { -1, -1 }, status = -1;
	pid_t pid;

	if (pipe(fds))
		return -1;
	pid = fork();
	if (!pid) {
		int nothing = open("/dev/null", O_RDWR);

		dup2(nothing, 0);
		dup2(nothing, 2);
		dup2(out ? fds[1] : nothing, 1);
		close(fds[0]);
		close(fds[1]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	if (pid > 0) {
		ssize_t n = out ? read_full(fds[0], out, room - 1) : 0;

		if (out)
			out[n < 0 ? 0 : n] = 0;
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	close(fds[0]);
	return pid > 0 ? status : -1;
}

static void run_server(const char *option)
{
	char path[BENCH_WINE_PATH_ROOM];
	char *argv[] = { path, (char *)option, NULL };

	if (find_program("wineserver", path, sizeof(path)) ||
	    find_program("wineserver64", path, sizeof(path)))
		run_program(argv, NULL, 0);
}

int bench_wine_set_up(struct bench_wine *b)
{
	static char own[BENCH_WINE_PATH_ROOM + 32];
	char registry[BENCH_WINE_PATH_ROOM + 64];
	char *boot[] = { NULL, "wineboot", "-u", NULL };
	int ret = find_wine(b);

	if (ret == TOOL_OK)
		ret = find_dlls(b);
	if (ret != TOOL_OK)
		return ret;
	if (!b->prefix) {
		snprintf(own, sizeof(own), "%s", bench_wine_path(b, "prefix"));
		b->prefix = own;
		b->has_server = true;
	}
	setenv("WINEPREFIX", b->prefix, 1);
	setenv("WINEDLLPATH", b->dlls, 1);
	setenv("WINEARCH", "win64", 1);
	setenv("WINEDEBUG", "-all", 1);
	/* No crash dialog, which would wait for ever; no offers to download parts of Wine. */
	setenv("WINEDLLOVERRIDES", "dstorage,dstoragecore=b;winedbg.exe,mscoree,mshtml=d", 1);
	/* The server stays from the first program to the last: starting it costs seconds. */
	if (b->has_server)
		run_server("-p");
	boot[0] = (char *)b->wine;
	snprintf(registry, sizeof(registry), "%s/system.reg", b->prefix);
	if (!is_file(registry))
		tool_note("making a Wine prefix in %s", b->prefix);
	ret = run_program(boot, NULL, 0);
	if (!ret)
		return TOOL_OK;
	tool_error("bench wine: %s wineboot ended with %d", b->wine, ret);
	return TOOL_FAILED;
}

void bench_wine_tear_down(struct bench_wine *b)
{
	if (b->has_server)
		run_server("-k");
	b->has_server = false;
}

int bench_wine_run_windows(const struct bench_wine *b, const char *peer, const struct workload *w,
			   struct bench_wine_figure *out)
{
	char folder[BENCH_WINE_PATH_ROOM + 2], seconds[32], text[256];
	char *argv[] = { (char *)b->wine,
			 (char *)b->program,
			 (char *)peer,
			 folder,
			 (char *)w->name,
			 seconds,
			 NULL };
	int status;

	snprintf(folder, sizeof(folder), "Z:%s", b->folder);
	for (char *c = folder; *c; c++)
		*c = *c == '/' ? '\\' : *c;
	snprintf(seconds, sizeof(seconds), "%.3f", (double)b->run_ns * 1e-9);
	status = run_program(argv, text, sizeof(text));
	if (!status && sscanf(text, "%lf %lf", &out->gb_per_s, &out->cpu_s_per_gb) == 2)
		return TOOL_OK;
	tool_error("bench wine: %s %s %s in Wine ended with %d", b->program, peer, w->name, status);
	return TOOL_FAILED;
}

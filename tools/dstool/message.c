/* SPDX-License-Identifier: MIT */
/*
 * message.c: what dstool tells on stderr, and small helpers for reports.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "tool.h"

/* One write, so that lines of several processes on a terminal do not mix. */
static void say(const char *fmt, va_list args)
{
	char text[5000];
	int n;

	progress_hide();
	n = vsnprintf(text, sizeof(text), fmt, args);
	if (n < 0)
		return;
	fprintf(stderr, "dstool: %s\n", text);
}

void tool_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

void tool_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

int tool_error_errno(const char *path, const char *what, int err)
{
	tool_error("%s: %s: %s", path, what, strerror(err));
	return TOOL_FAILED;
}

int tool_error_memory(void)
{
	tool_error("the system has no memory left");
	return TOOL_FAILED;
}

int tool_finish_output(int ret)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return ret;
	tool_error("standard output: %s", strerror(errno));
	return TOOL_FAILED;
}

void tool_catch_signal(int signal_number, void (*handler)(int))
{
	struct sigaction action;
	struct sigaction old;

	if (sigaction(signal_number, NULL, &old) != 0 || old.sa_handler == SIG_IGN)
		return;
	memset(&action, 0, sizeof(action));
	action.sa_handler = handler;
	action.sa_flags = (int)SA_RESETHAND;
	sigaction(signal_number, &action, NULL);
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t tool_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t tool_process_cpu_ns(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t tool_thread_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

unsigned tool_nr_cpus(void)
{
	cpu_set_t set;
	long n;

	/* The mask says what a container or taskset leaves us; it is too small a type for
	 * the largest machines, where the number of CPUs is good enough. */
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	else
		n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : (unsigned)n;
}

char *tool_format_bytes(uint64_t nbytes, char *buf, size_t room)
{
	static const char *const unit[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
	double value = (double)nbytes;
	size_t i = 0;

	if (nbytes < 10000) {
		snprintf(buf, room, "%llu bytes", (unsigned long long)nbytes);
		return buf;
	}
	for (value /= 1000; value >= 999.95 && i < 5; i++)
		value /= 1000;
	snprintf(buf, room, "%.1f %s", value, unit[i]);
	return buf;
}

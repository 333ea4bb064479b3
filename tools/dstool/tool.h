/* SPDX-License-Identifier: MIT */
/*
 * tool.h: what all commands of dstool share: exit codes, messages, clocks, the
 * stop signal. dstool sees the runtime through its public headers alone.
 */
#ifndef DSTOOL_TOOL_H
#define DSTOOL_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TOOL_OK = 0,
	TOOL_FAILED = 1, /* something failed, and was named on stderr */
	TOOL_USAGE = 2,	 /* the command line was wrong */
};

int cmd_doctor(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_compress(int argc, char **argv);
int cmd_decompress(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_bench_gpu(int argc, char **argv);
int cmd_bench_wine(int argc, char **argv);

/* One line on stderr, "dstool: ...". Clears the progress bar first. */
__attribute__((format(printf, 1, 2))) void tool_error(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void tool_note(const char *fmt, ...);

/* "dstool: PATH: WHAT: strerror(err)". Returns TOOL_FAILED. */
int tool_error_errno(const char *path, const char *what, int err);

/* Out of memory: says so, returns TOOL_FAILED. */
int tool_error_memory(void);

/* Flushes stdout. A report that nobody could receive is a failure: TOOL_FAILED, named. */
int tool_finish_output(int ret);

/*
 * Calls handler at the first such signal; the second does what it would have done. Left
 * alone if it is ignored, as shells do for background jobs and nohup for SIGHUP.
 */
void tool_catch_signal(int signal_number, void (*handler)(int));

uint64_t tool_now_ns(void);
uint64_t tool_process_cpu_ns(void);
uint64_t tool_thread_cpu_ns(void);

/* CPUs that this process may use; at least 1. */
unsigned tool_nr_cpus(void);

/* Bytes as people read them, such as "1.5 GB" or "640 bytes". Returns buf. */
char *tool_format_bytes(uint64_t nbytes, char *buf, size_t room);

#define TOOL_BYTES_ROOM 32

/* Of n values, at least one; sorts them. */
double tool_median(double *values, size_t n);

#endif /* DSTOOL_TOOL_H */

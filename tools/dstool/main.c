/* SPDX-License-Identifier: MIT */
/*
 * main.c: dstool's front door: finds the command and hands over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ds_runtime.h"
#include "tool.h"

static const struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "doctor", "what is between files and a CUDA device, and what to do about it",
	  cmd_doctor },
	{ "info", "what this machine offers the runtime", cmd_info },
	{ "compress", "make a compressed stream of a file", cmd_compress },
	{ "decompress", "turn a compressed stream back into a file", cmd_decompress },
	{ "load", "load files and directories through the runtime, and measure it", cmd_load },
	{ "bench", "compare the backends on this machine's storage", cmd_bench },
};
#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *to)
{
	fputs("usage: dstool COMMAND [OPTION]... [OPERAND]...\n"
	      "\n"
	      "The command line of ds-runtime. Commands:\n",
	      to);
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].summary);
	fputs("\n"
	      "  --help       this text; 'dstool COMMAND --help' tells about a command\n"
	      "  --version    the versions of dstool and of the library that it runs with\n"
	      "\n"
	      "Exit codes: 0 all well, 1 something failed and was named, 2 wrong usage.\n",
	      to);
}

static void print_version(void)
{
	uint32_t v = ds_version();

	printf("dstool %d.%d.%d (ds-runtime %u.%u.%u)\n", DS_VERSION_MAJOR, DS_VERSION_MINOR,
	       DS_VERSION_PATCH, v >> 16, v >> 8 & 0xff, v & 0xff);
}

/*
 * A standard stream that is closed would lend its number to the next file opened, and
 * messages would go into that. What stands in for it refuses what the stream is for.
 */
static void fill_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(TOOL_FAILED);
	}
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	fill_standard_streams();
	if (!name) {
		print_help(stderr);
		return TOOL_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_help(stdout);
		return tool_finish_output(TOOL_OK);
	}
	if (strcmp(name, "--version") == 0) {
		print_version();
		return tool_finish_output(TOOL_OK);
	}
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		if (strcmp(name, commands[i].name) == 0)
			return tool_finish_output(commands[i].run(argc - 1, argv + 1));
	}
	tool_error("no command is called '%s'; 'dstool --help' lists them", name);
	return TOOL_USAGE;
}

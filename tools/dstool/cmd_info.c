/* SPDX-License-Identifier: MIT */
/*
 * cmd_info.c: "dstool info": runs all probes and prints what they found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "options.h"
#include "probe.h"
#include "tool.h"

static const struct section {
	const char *name;  /* in JSON */
	const char *title; /* for people */
	bool is_part;	   /* may be missing: present or why not is shown */
	void (*run)(struct probe *p);
} sections[] = {
	{ "system", "system", false, probe_system },
	{ "cpu", "CPU", false, probe_cpu },
	{ "limits", "limits", false, probe_limits },
	{ "build", "this build", false, probe_build },
	{ "io_uring", "io_uring", true, probe_uring },
	{ "vulkan", "Vulkan", true, probe_vulkan },
	{ "cuda", "CUDA", true, probe_cuda },
	{ "cufile", "cuFile", true, probe_cufile },
};
#define NR_SECTIONS (sizeof(sections) / sizeof(sections[0]))

static bool is_same_key(const struct probe *p, size_t i)
{
	return i > 0 && i < p->nr_items && strcmp(p->items[i].key, p->items[i - 1].key) == 0;
}

/* Devices get lines of their own; other lists stand in one line. */
static void print_item(const struct probe *p, size_t i)
{
	const struct probe_item *item = &p->items[i];

	if (!is_same_key(p, i))
		printf("  %-16s %s", item->key, item->value);
	else if (strcmp(item->key, "devices") == 0)
		printf("\n  %-16s %s", "", item->value);
	else
		printf(" %s", item->value);
	if (!is_same_key(p, i + 1))
		putchar('\n');
}

static void print_section(const struct section *s, const struct probe *p)
{
	if (p->is_present)
		printf("%s%s\n", s->title, s->is_part ? ": present" : "");
	else
		printf("%s: not available: %s\n", s->title, p->reason);
	for (size_t i = 0; i < p->nr_items; i++)
		print_item(p, i);
}

static void json_section(struct json *j, const struct section *s, const struct probe *p)
{
	json_begin_object(j, s->name);
	json_bool(j, "present", p->is_present);
	json_string(j, "reason", p->is_present ? NULL : p->reason);
	json_begin_object(j, "details");
	for (size_t i = 0; i < p->nr_items; i++) {
		if (!is_same_key(p, i))
			json_begin_array(j, p->items[i].key);
		json_string(j, NULL, p->items[i].value);
		if (!is_same_key(p, i + 1))
			json_end_array(j);
	}
	json_end_object(j);
	json_end_object(j);
}

static void run_all(struct probe *probes, bool as_json)
{
	struct json j = { .to = stdout };

	for (size_t i = 0; i < NR_SECTIONS; i++)
		sections[i].run(&probes[i]);
	if (as_json)
		json_begin_object(&j, NULL);
	for (size_t i = 0; i < NR_SECTIONS; i++) {
		if (as_json)
			json_section(&j, &sections[i], &probes[i]);
		else
			print_section(&sections[i], &probes[i]);
	}
	if (as_json)
		json_end_object(&j);
}

int cmd_info(int argc, char **argv)
{
	bool as_json = false;
	const struct option_spec options[] = {
		{ .name = "json",
		  .kind = OPTION_FLAG,
		  .help = "print JSON: for each part, whether it is present, why not,\n"
			  "and its details as lists of strings",
		  .value = &as_json },
	};
	const struct command_spec spec = {
		.name = "info",
		.operands = "",
		.about = "Prints what this machine offers the runtime: kernel, CPU, io_uring, "
			 "Vulkan,\n"
			 "CUDA, cuFile, each present or why not. A missing part is no failure.",
		.options = options,
		.nr_options = 1,
	};
	struct probe *probes;
	int nr_operands;
	int exit_code;

	if (!options_parse(&spec, argc, argv, &nr_operands, &exit_code))
		return exit_code;
	probes = calloc(NR_SECTIONS, sizeof(*probes));
	if (!probes)
		return tool_error_memory();
	run_all(probes, as_json);
	free(probes);
	return TOOL_OK;
}

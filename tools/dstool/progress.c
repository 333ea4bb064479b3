/* SPDX-License-Identifier: MIT */
/*
 * progress.c: the progress bar.
 */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#define BAR_WIDTH	 30
#define DRAW_INTERVAL_NS 100000000u

/* There is one terminal line, so there is one of these; used by the main thread only. */
static bool is_line_drawn;

void progress_begin(struct progress *p, const char *label, uint64_t total)
{
	memset(p, 0, sizeof(*p));
	p->is_on = isatty(STDERR_FILENO);
	p->label = label;
	p->total = total;
	p->start_ns = tool_now_ns();
	p->drawn_ns = p->start_ns;
}

static void draw_bar(const struct progress *p, uint64_t done)
{
	double part = (double)done / (double)p->total;
	char bar[BAR_WIDTH + 1];
	int filled;

	if (part > 1)
		part = 1;
	filled = (int)(part * BAR_WIDTH);
	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '#', (size_t)filled);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, " [%s] %3d %%", bar, (int)(part * 100));
}

void progress_update(struct progress *p, uint64_t done)
{
	char bytes[TOOL_BYTES_ROOM];
	uint64_t now;
	double seconds;

	if (!p->is_on)
		return;
	now = tool_now_ns();
	if (now - p->drawn_ns < DRAW_INTERVAL_NS)
		return;
	p->drawn_ns = now;
	seconds = (double)(now - p->start_ns) / 1e9;
	fprintf(stderr, "\r\033[K%s", p->label);
	if (p->total)
		draw_bar(p, done);
	fprintf(stderr, " %s, %.0f MB/s", tool_format_bytes(done, bytes, sizeof(bytes)),
		(double)done / 1e6 / seconds);
	fflush(stderr);
	is_line_drawn = true;
}

void progress_hide(void)
{
	if (!is_line_drawn)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	is_line_drawn = false;
}

void progress_end(struct progress *p)
{
	p->is_on = false;
	progress_hide();
}

/* SPDX-License-Identifier: MIT */
/*
 * test_exit.c: a process that ends while requests are under way, in the ways that processes end.
 *
 * usage: test_exit ROUNDS     runs itself as often in each of the ways, and looks how it ended
 *        test_exit WAY 0      ends so
 */
#include "win.h"

#include <stdlib.h>
#include <string.h>

enum {
	FILE_NBYTES = 8 << 20,
	EACH = 16 << 10,
	STATUS = 42
};

static IDStorageFile *file;
static IDStorageQueue3 *queue;
static unsigned char *buf;

static void start_work(void)
{
	file = open_file(L"..\\exit.bin");
	queue = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 8192, NULL);
	buf = pages(FILE_NBYTES, PAGE_READWRITE);
	for (unsigned int i = 0; i < 4 * FILE_NBYTES / EACH; i++) {
		UINT32 at = i * EACH % FILE_NBYTES;
		DSTORAGE_REQUEST r = file_to_memory(file, at, EACH, buf + at);

		queue->lpVtbl->EnqueueRequest(queue, &r);
	}
	queue->lpVtbl->Submit(queue);
}

static DWORD WINAPI exit_here(void *arg)
{
	(void)arg;
	ExitProcess(STATUS);
}

/* As a static object's destructor, which may run when all other threads are dead. */
static void release_all(void)
{
	release(queue);
	release(file);
}

/* Other threads are at it when the process ends: they hold whatever they hold. */
static DWORD WINAPI keep_busy(void *arg)
{
	(void)arg;
	for (;;) {
		DSTORAGE_REQUEST r = file_to_memory(file, 0, EACH, buf);

		r.CancellationTag = 1;
		queue->lpVtbl->EnqueueRequest(queue, &r);
		queue->lpVtbl->Submit(queue);
		queue->lpVtbl->CancelRequestsWithTag(queue, 1, 1);
	}
	return 0;
}

enum way {
	BY_RETURN,
	BY_OTHER_THREAD,
	BY_TERMINATION,
	WITH_DESTRUCTORS,
	WHILE_BUSY,
	NR_WAYS,
};

static int end_by(enum way way)
{
	start_work();
	switch (way) {
	case BY_OTHER_THREAD:
		CloseHandle(CreateThread(NULL, 0, exit_here, NULL, 0, NULL));
		Sleep(INFINITE);
		break;
	case BY_TERMINATION:
		TerminateProcess(GetCurrentProcess(), STATUS);
		break;
	case WITH_DESTRUCTORS:
		atexit(release_all);
		break;
	case WHILE_BUSY:
		for (unsigned int i = 0; i < 3; i++)
			CloseHandle(CreateThread(NULL, 0, keep_busy, NULL, 0, NULL));
		Sleep(5);
		break;
	default:
		break;
	}
	return STATUS;
}

static void run_child(enum way way)
{
	STARTUPINFOW startup = { .cb = sizeof(startup) };
	PROCESS_INFORMATION process;
	WCHAR self[MAX_PATH], command[MAX_PATH + 32];
	DWORD status;

	GetModuleFileNameW(NULL, self, MAX_PATH);
	_snwprintf(command, MAX_PATH + 32, L"\"%ls\" %d 0", self, way);
	REQUIRE(CreateProcessW(self, command, NULL, NULL, TRUE, 0, NULL, L"child", &startup,
			       &process));
	wait_for(process.hProcess);
	REQUIRE(GetExitCodeProcess(process.hProcess, &status));
	if (status != STATUS)
		printf("way %d\n", way);
	REQUIRE_CMP(status, ==, STATUS);
	CloseHandle(process.hProcess);
	CloseHandle(process.hThread);
}

int wmain(int argc, WCHAR **argv)
{
	if (argc == 3)
		return end_by((enum way)_wtoi(argv[1]));
	if (argc != 2)
		return 2;
	write_pattern_file(L"exit.bin", FILE_NBYTES, 2);
	CreateDirectoryW(L"child", NULL);
	for (int round = 0; round < _wtoi(argv[1]); round++)
		for (int way = 0; way < NR_WAYS; way++)
			run_child((enum way)way);
	return 0;
}

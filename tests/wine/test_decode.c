/* SPDX-License-Identifier: MIT */
/*
 * test_decode.c: GDeflate that the GPU decodes.
 *
 * usage: test_decode fake-metacommand|fake-vulkan|metacommand|vulkan|software [TEST]...
 *
 * The first two: the fake device, with a simulated metacommand, or with that and simulated interop
 * interfaces. The next: the device that is there, and that decoder of its; skipped where it has
 * none. What needs the fake is then left out, and so are damaged tiles with the metacommand, which
 * promises nothing for them. software: the device that is there has a decoder and is a CPU, so by
 * default nobody uses it.
 */
#include <stdlib.h>
#include <string.h>

#include "fake_d3d12.h"
#include "fake_meta.h"
#include "fake_vulkan.h"
#include "gpu.h"

enum {
	MIB = 1 << 20,
	CANARY = 0x5a
};

static bool is_fake, has_status;
static const char *the_switch; /* of DS_WINE_GPU_DECODE, unless a test wants another */

#define SWITCH "DS_WINE_GPU_DECODE"
#define GPU_ANY \
	(DSTORAGE_COMPRESSION_SUPPORT_GPU_OPTIMIZED | DSTORAGE_COMPRESSION_SUPPORT_GPU_FALLBACK)

/* ------------------------------------------------------------------- data */

struct stream {
	unsigned char *plain;
	UINT32 nbytes;
	unsigned char *data;
	UINT32 data_nbytes;
};

static struct stream make_stream(UINT32 nbytes, unsigned int seed)
{
	struct stream s = { malloc(nbytes), nbytes, NULL, 0 };
	size_t n;

	pattern_fill(s.plain, nbytes, seed, 0);
	s.data = compress(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, s.plain, nbytes, &n);
	s.data_nbytes = (UINT32)n;
	return s;
}

static void free_stream(struct stream *s)
{
	free(s->plain);
	free(s->data);
}

/* Where tile `index` begins. */
static UINT32 tile_offset(const struct stream *s, UINT32 index)
{
	UINT32 nr = s->data[2] | (UINT32)s->data[3] << 8, start = 0;

	if (index)
		memcpy(&start, s->data + 8 + (size_t)4 * index, 4);
	return 8 + 4 * nr + start;
}

/* Block type 3 does not exist; the first lane's word has it. */
static void damage_tile(struct stream *s, UINT32 index)
{
	memset(s->data + tile_offset(s, index), 0xff, 128);
}

/* --------------------------------------------------------------- requests */

static IDStorageQueue3 *memory_queue(void)
{
	SetEnvironmentVariableA(SWITCH, the_switch);
	return make_queue(DSTORAGE_REQUEST_SOURCE_MEMORY, 1024, gpu_device());
}

static DSTORAGE_REQUEST to_buffer(const struct stream *s, ID3D12Resource *buffer, uint64_t at)
{
	DSTORAGE_REQUEST r = memory_to_memory(s->data, s->data_nbytes, NULL);

	r.Options.CompressionFormat = DSTORAGE_COMPRESSION_FORMAT_GDEFLATE;
	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_BUFFER;
	r.Destination.Buffer.Resource = buffer;
	r.Destination.Buffer.Offset = at;
	r.Destination.Buffer.Size = s->nbytes;
	r.UncompressedSize = s->nbytes;
	return r;
}

static void require_bytes(ID3D12Resource *buffer, uint64_t at, const void *expected, size_t nbytes)
{
	uint64_t n;
	unsigned char *got = gpu_read(buffer, &n);

	REQUIRE_CMP(at + nbytes, <=, n);
	REQUIRE(!memcmp(got + at, expected, nbytes));
	free(got);
}

static UINT32 support(IDStorageQueue3 *q, DSTORAGE_COMPRESSION_FORMAT format)
{
	return q->lpVtbl->GetCompressionSupport(q, format);
}

static UINT32 support_with(const char *value)
{
	IDStorageQueue3 *q;
	UINT32 flags;

	SetEnvironmentVariableA(SWITCH, value);
	q = make_queue(DSTORAGE_REQUEST_SOURCE_MEMORY, 128, gpu_device());
	flags = support(q, DSTORAGE_COMPRESSION_FORMAT_GDEFLATE);
	release(q);
	return flags;
}

static UINT32 support_configured(const DSTORAGE_CONFIGURATION *c)
{
	static const DSTORAGE_CONFIGURATION defaults;
	UINT32 flags;

	REQUIRE_OK(DStorageSetConfiguration(c));
	flags = support_with(the_switch);
	REQUIRE_OK(DStorageSetConfiguration(&defaults));
	return flags;
}

/* --------------------------------------------- what the fake has decoded */

/* Streams where the metacommand decodes, tiles where our shader does. */
static unsigned int units(UINT32 nbytes)
{
	return has_status ? (nbytes + 65535) / 65536 : 1;
}

static unsigned int nr_units(void)
{
	return has_status ? fake_vulkan_tiles() : fake_meta_streams();
}

/* ------------------------------------------------------------------ tests */

/* Who would decode, by the switch, the configuration, and what the device has. */
static void test_support(void)
{
	const UINT32 cpu = DSTORAGE_COMPRESSION_SUPPORT_CPU_FALLBACK,
		     copy = DSTORAGE_COMPRESSION_SUPPORT_USES_COPY_QUEUE,
		     compute = DSTORAGE_COMPRESSION_SUPPORT_USES_COMPUTE_QUEUE,
		     best = has_status ? DSTORAGE_COMPRESSION_SUPPORT_GPU_FALLBACK
				       : DSTORAGE_COMPRESSION_SUPPORT_GPU_OPTIMIZED;
	DSTORAGE_CONFIGURATION c = { .DisableGpuDecompression = TRUE };
	IDStorageQueue3 *q = memory_queue();

	REQUIRE_CMP(support(q, DSTORAGE_COMPRESSION_FORMAT_ZSTD) & GPU_ANY, ==, 0);
	release(q);
	REQUIRE_CMP(support_with("off"), ==, cpu | copy);
	REQUIRE_CMP(support_configured(&c), ==, cpu | copy);
	REQUIRE_CMP(support_with(the_switch) & ~(UINT32)GPU_ANY, ==, compute | copy);
	if (!is_fake)
		return;
	REQUIRE_CMP(support_with("on"), ==, best | compute | copy);
	REQUIRE_CMP(support_with("auto"), ==, best | cpu | compute | copy);
	REQUIRE_CMP(support_with(NULL), ==, support_with("auto"));
	c.DisableGpuDecompression = FALSE;
	c.DisableGpuDecompressionMetacommand = TRUE;
	REQUIRE_CMP(support_configured(&c), ==, has_status ? best | compute | copy : cpu | copy);
}

/* Decoders that are there and cannot be had. */
static void test_without(void)
{
	const UINT32 cpu = DSTORAGE_COMPRESSION_SUPPORT_CPU_FALLBACK |
			   DSTORAGE_COMPRESSION_SUPPORT_USES_COPY_QUEUE;

	if (!is_fake)
		return;
	fake_vulkan_lack_features(true);
	REQUIRE_CMP(support_with("vulkan"), ==, cpu);
	/* The next best. */
	REQUIRE_CMP(support_with("on") & GPU_ANY, ==, DSTORAGE_COMPRESSION_SUPPORT_GPU_OPTIMIZED);
	fake_meta_set_max_streams(0);
	REQUIRE_CMP(support_with("on"), ==, cpu);
	fake_meta_set_max_streams(256);
	fake_meta_refuse(true);
	REQUIRE_CMP(support_with("on"), ==, cpu);
	fake_meta_refuse(false);
	fake_vulkan_lack_features(false);
	/* A CPU that plays a GPU is used when somebody says so, and only then. */
	fake_vulkan_be_software(true);
	REQUIRE_CMP(support_with(the_switch) & GPU_ANY, !=, 0);
	REQUIRE_CMP(support_with("auto") == cpu, ==, has_status);
	fake_vulkan_be_software(false);
}

/* Sizes round the size of a tile, at odd places, and with padding that is not wanted. */
static void test_sizes(void)
{
	static const UINT32 sizes[] = { 1, 4095, 65535, 65536, 65537, 3 * MIB + 17 };
	IDStorageQueue3 *q = memory_queue();
	ID3D12Resource *buffer = gpu_buffer(4 * MIB);
	unsigned int before = nr_units(), expected = 0;

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct stream s = make_stream(sizes[i], 3);
		DSTORAGE_REQUEST r = to_buffer(&s, buffer, 7 + i);

		REQUIRE_OK(run_request(q, &r));
		require_bytes(buffer, 7 + i, s.plain, s.nbytes);
		r.Destination.Buffer.Offset = 2;
		r.Destination.Buffer.Size = (s.nbytes + 1) / 2;
		REQUIRE_OK(run_request(q, &r));
		require_bytes(buffer, 2, s.plain, (s.nbytes + 1) / 2);
		expected += 2 * units(sizes[i]);
		free_stream(&s);
	}
	require_no_failure(q);
	if (is_fake)
		REQUIRE_CMP(nr_units() - before, ==, expected);
	release(buffer);
	release(q);
}

/* A file's streams, far more than one job takes; and many requests at a time. */
static void test_many(void)
{
	enum {
		COUNT = 100,
		EACH = 70000
	};
	IDStorageQueue3 *q;
	ID3D12Resource *buffer = gpu_buffer(COUNT * EACH);
	struct stream s = make_stream(EACH, 3);
	unsigned int before = nr_units(), calls = fake_meta_calls();
	unsigned char *all = malloc((size_t)COUNT * s.data_nbytes);
	IDStorageFile *file;

	for (unsigned int i = 0; i < COUNT; i++)
		memcpy(all + (size_t)i * s.data_nbytes, s.data, s.data_nbytes);
	write_file(L"streams.bin", all, (uint64_t)COUNT * s.data_nbytes);
	file = open_file(L"streams.bin");
	fake_meta_set_max_streams(3);
	fake_meta_most_streams();
	SetEnvironmentVariableA(SWITCH, the_switch);
	q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 512, gpu_device());
	for (unsigned int i = 0; i < COUNT; i++) {
		DSTORAGE_REQUEST r = to_buffer(&s, buffer, (uint64_t)i * EACH);

		r.Options.SourceType = DSTORAGE_REQUEST_SOURCE_FILE;
		r.Source.File.Source = file;
		r.Source.File.Offset = (uint64_t)i * s.data_nbytes;
		r.Source.File.Size = s.data_nbytes;
		q->lpVtbl->EnqueueRequest(q, &r);
	}
	submit_and_wait(q);
	require_no_failure(q);
	for (unsigned int i = 0; i < COUNT; i += 33)
		require_bytes(buffer, (uint64_t)i * EACH, s.plain, EACH);
	if (is_fake)
		REQUIRE_CMP(nr_units() - before, ==, COUNT * units(EACH));
	if (is_fake && !has_status) {
		REQUIRE_CMP(fake_meta_calls() - calls, >=, COUNT / 3);
		REQUIRE_CMP(fake_meta_most_streams(), <=, 3);
	}
	release(q);
	fake_meta_set_max_streams(256);
	release(file);
	release(buffer);
	free(all);
	free_stream(&s);
}

/* Rows of a texture, and a chain of mips. */
static void test_textures(void)
{
	IDStorageQueue3 *q = memory_queue();
	ID3D12Resource *t = gpu_texture(DXGI_FORMAT_R8G8B8A8_UNORM, 200, 100, 1, 4);
	D3D12_PLACED_SUBRESOURCE_FOOTPRINT l[4];
	struct stream s = make_stream((UINT32)gpu_layout(t, 0, 4, l), 3);
	DSTORAGE_REQUEST r = to_buffer(&s, NULL, 0);
	unsigned char *got;
	uint64_t n;

	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES;
	r.Destination.MultipleSubresources.Resource = t;
	r.Destination.MultipleSubresources.FirstSubresource = 0;
	REQUIRE_OK(run_request(q, &r));
	got = gpu_read(t, &n);
	for (UINT i = 0; i < 4; i++)
		for (UINT y = 0; y < l[i].Footprint.Height; y++)
			REQUIRE(!memcmp(got + l[i].Offset + (size_t)y * l[i].Footprint.RowPitch,
					s.plain + l[i].Offset + (size_t)y * l[i].Footprint.RowPitch,
					(size_t)l[i].Footprint.Width * 4));
	free(got);
	free_stream(&s);
	release(t);
	release(q);
}

static void require_refused(IDStorageQueue3 *q, const struct stream *s, ID3D12Resource *buffer)
{
	DSTORAGE_REQUEST r = to_buffer(s, buffer, 0);
	unsigned int before = nr_units();

	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_DECOMPRESSION_ERROR);
	REQUIRE_CMP(nr_units(), ==, before);
	forget_failures(q);
}

/* Headers and tables that are wrong in themselves never reach the decoder. */
static void test_damaged_head(void)
{
	IDStorageQueue3 *q = memory_queue();
	ID3D12Resource *buffer = gpu_buffer(MIB);
	struct stream s = make_stream(300000, 3);
	static const struct {
		UINT32 at;
		unsigned char flip;
	} bits[] = {
		{ 0, 1 },     /* the format's number */
		{ 1, 0x80 },  /* its complement */
		{ 2, 1 },     /* the number of tiles */
		{ 3, 0x40 },  /* the same, far too large */
		{ 4, 2 },     /* the size of a tile */
		{ 5, 1 },     /* what is in the last */
		{ 8, 1 },     /* the last one's size: odd */
		{ 11, 0x80 }, /* beyond the end */
		{ 12, 2 },    /* a tile's place: odd */
		{ 15, 0xff }, /* beyond the end */
		{ 18, 0x10 }, /* not in order */
	};

	for (unsigned int i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		s.data[bits[i].at] ^= bits[i].flip;
		require_refused(q, &s, buffer);
		s.data[bits[i].at] ^= bits[i].flip;
	}
	s.data_nbytes -= 4;
	require_refused(q, &s, buffer);
	s.data_nbytes = 5;
	require_refused(q, &s, buffer);
	free_stream(&s);
	release(buffer);
	release(q);
}

/* A damaged tile between good ones: it fails, or decodes to anything, and nothing else does. */
static void test_damaged_tile(void)
{
	IDStorageQueue3 *q;
	ID3D12Resource *buffer;
	struct stream good, bad;
	unsigned char *blank;
	IDStorageStatusArray *a;
	DSTORAGE_REQUEST r;

	if (!is_fake && !has_status)
		return;
	q = memory_queue();
	buffer = gpu_buffer(MIB);
	good = make_stream(200000, 3);
	bad = make_stream(200000, 3);
	blank = malloc(MIB);
	a = make_status_array(3);
	damage_tile(&bad, 1);
	for (unsigned int i = 0; i < 3; i++) {
		r = to_buffer(i == 1 ? &bad : &good, buffer, (uint64_t)i * 300000);
		q->lpVtbl->EnqueueRequest(q, &r);
		q->lpVtbl->EnqueueStatus(q, a, i);
	}
	submit_and_wait(q);
	REQUIRE_OK(a->lpVtbl->GetHResult(a, 0));
	REQUIRE_HR(a->lpVtbl->GetHResult(a, 1), has_status ? E_DSTORAGE_DECOMPRESSION_ERROR : S_OK);
	REQUIRE_OK(a->lpVtbl->GetHResult(a, 2));
	require_bytes(buffer, 0, good.plain, good.nbytes);
	require_bytes(buffer, 600000, good.plain, good.nbytes);
	memset(blank, has_status ? 0 : FAKE_META_GARBAGE, MIB);
	require_bytes(buffer, 300000, blank, bad.nbytes);
	memset(blank, 0, MIB);
	require_bytes(buffer, 200000, blank, 100000);
	require_bytes(buffer, 500000, blank, 100000);
	forget_failures(q);
	free_stream(&good);
	free_stream(&bad);
	free(blank);
	release(a);
	release(buffer);
	release(q);
}

/* What is larger than the decoder's memory is the CPU's, also when the GPU decodes always. */
static void test_too_large(void)
{
	IDStorageFactory *f = get_factory();
	ID3D12Resource *buffer = gpu_buffer(6 * MIB);
	struct stream s = make_stream(5 * MIB, 3);
	DSTORAGE_REQUEST r = to_buffer(&s, buffer, 0);
	unsigned int before = nr_units();
	IDStorageQueue3 *q;

	REQUIRE_OK(f->lpVtbl->SetStagingBufferSize(f, 4 * MIB));
	q = memory_queue();
	REQUIRE_OK(run_request(q, &r));
	require_bytes(buffer, 0, s.plain, s.nbytes);
	REQUIRE_CMP(nr_units(), ==, before);
	release(q);
	REQUIRE_OK(f->lpVtbl->SetStagingBufferSize(f, DSTORAGE_STAGING_BUFFER_SIZE_32MB));
	release(f);
	free_stream(&s);
	release(buffer);
}

/* By default the CPU decodes as much as it can soon, and the GPU the rest. */
static void test_auto(void)
{
	enum {
		COUNT = 60,
		EACH = MIB
	};
	unsigned int before = nr_units(), given;
	ID3D12Resource *buffer = gpu_buffer(COUNT * EACH);
	struct stream s = make_stream(EACH, 3);
	DSTORAGE_REQUEST r = to_buffer(&s, buffer, 0);
	unsigned char *got;
	IDStorageQueue3 *q;
	SYSTEM_INFO info;
	uint64_t n;

	if (!is_fake)
		return;
	GetSystemInfo(&info);
	SetEnvironmentVariableA(SWITCH, NULL);
	q = make_queue(DSTORAGE_REQUEST_SOURCE_MEMORY, 1024, gpu_device());
	REQUIRE_OK(run_request(q, &r));
	REQUIRE_CMP(nr_units(), ==, before);
	for (unsigned int i = 0; i < COUNT; i++) {
		r = to_buffer(&s, buffer, (uint64_t)i * EACH);
		q->lpVtbl->EnqueueRequest(q, &r);
	}
	submit_and_wait(q);
	require_no_failure(q);
	given = nr_units() - before;
	/* All are looked at before the first can be done, where the ring has room for all. */
	if (info.dwNumberOfProcessors <= 16)
		REQUIRE_CMP(given, ==, (COUNT - info.dwNumberOfProcessors) * units(EACH));
	got = gpu_read(buffer, &n);
	for (unsigned int i = 0; i < COUNT; i++)
		REQUIRE(!memcmp(got + (size_t)i * EACH, s.plain, EACH));
	free(got);
	free_stream(&s);
	release(buffer);
	release(q);
}

/* A transform is undone by the CPU, so it decodes; other formats are its own anyway. */
static void test_cpu_only(void)
{
	IDStorageQueue3 *q = memory_queue();
	ID3D12Resource *buffer = gpu_buffer(MIB);
	struct stream s = make_stream(80000, 3);
	DSTORAGE_REQUEST r = to_buffer(&s, buffer, 0);
	unsigned int before = nr_units();
	unsigned char *got = malloc(80000);

	r.Options.GaclTransformType = DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE_BC1;
	REQUIRE_OK(run_request(q, &r));
	r = memory_to_memory(s.data, s.data_nbytes, got);
	r.Options.CompressionFormat = DSTORAGE_COMPRESSION_FORMAT_GDEFLATE;
	r.UncompressedSize = r.Destination.Memory.Size = s.nbytes;
	REQUIRE_OK(run_request(q, &r));
	REQUIRE(!memcmp(got, s.plain, s.nbytes));
	REQUIRE_CMP(nr_units(), ==, before);
	free(got);
	free_stream(&s);
	release(buffer);
	release(q);
}

/* Without threads of ours for built-in formats the GPU takes what it can, at any time. */
static void test_no_threads(void)
{
	static const DSTORAGE_CONFIGURATION defaults;
	DSTORAGE_CONFIGURATION none = { .NumBuiltInCpuDecompressionThreads =
						DSTORAGE_DISABLE_BUILTIN_CPU_DECOMPRESSION };
	unsigned int before = nr_units();
	ID3D12Resource *buffer = gpu_buffer(MIB);
	struct stream s = make_stream(80000, 3);
	DSTORAGE_REQUEST r = to_buffer(&s, buffer, 9);
	IDStorageQueue3 *q;

	if (!is_fake)
		return;
	REQUIRE_OK(DStorageSetConfiguration(&none));
	SetEnvironmentVariableA(SWITCH, "auto");
	q = make_queue(DSTORAGE_REQUEST_SOURCE_MEMORY, 128, gpu_device());
	REQUIRE_OK(run_request(q, &r));
	require_bytes(buffer, 9, s.plain, s.nbytes);
	REQUIRE_CMP(nr_units(), ==, before + units(s.nbytes));
	release(q);
	REQUIRE_OK(DStorageSetConfiguration(&defaults));
	free_stream(&s);
	release(buffer);
}

/* A lock belongs to the thread that takes it: so one thread holds the GPU and lets it go. */
static DWORD WINAPI hold_a_while(void *arg)
{
	fake_hold(true);
	SetEvent(arg);
	Sleep(100);
	fake_hold(false);
	return 0;
}

/* When cancelling returns, nothing writes the destination any more, however far decoding was. */
static void test_cancel(void)
{
	HANDLE held, thread;
	IDStorageQueue3 *q;
	ID3D12Resource *buffer;
	struct stream s;
	DSTORAGE_REQUEST r;

	if (!is_fake)
		return;
	held = CreateEventW(NULL, FALSE, FALSE, NULL);
	q = memory_queue();
	buffer = gpu_buffer(MIB);
	s = make_stream(MIB, 3);
	r = to_buffer(&s, buffer, 0);
	r.CancellationTag = 3;
	for (unsigned int round = 0; round < 4; round++) {
		thread = CreateThread(NULL, 0, hold_a_while, held, 0, NULL);
		wait_for(held);
		for (unsigned int i = 0; i < 20; i++)
			q->lpVtbl->EnqueueRequest(q, &r);
		q->lpVtbl->Submit(q);
		Sleep(round * 10);
		q->lpVtbl->CancelRequestsWithTag(q, 3, 3);
		memset(s.data, 0, s.data_nbytes);
		memset(fake_bytes(buffer, NULL), CANARY, MIB);
		wait_for(thread);
		CloseHandle(thread);
		Sleep(20);
		REQUIRE(bytes_are(fake_bytes(buffer, NULL), MIB, CANARY));
		submit_and_wait(q);
		require_no_failure(q);
		free_stream(&s);
		s = make_stream(MIB, 3);
		r.Source.Memory.Source = s.data;
	}
	CloseHandle(held);
	free_stream(&s);
	release(buffer);
	release(q);
}

/* All is given back; then the device goes while it decodes. Nothing works afterwards. */
static void test_removed(void)
{
	ID3D12Resource *buffer = gpu_buffer(MIB);
	IDStorageStatusArray *a = make_status_array(1);
	struct stream s = make_stream(MIB, 3);
	DSTORAGE_REQUEST r = to_buffer(&s, buffer, 0);
	HANDLE held = CreateEventW(NULL, FALSE, FALSE, NULL), thread;
	IDStorageQueue3 *q;
	LONG before = fake_references();

	if (!is_fake)
		return;
	q = memory_queue();
	REQUIRE_OK(run_request(q, &r));
	release(q);
	REQUIRE_CMP(fake_references(), ==, before);
	q = memory_queue();
	thread = CreateThread(NULL, 0, hold_a_while, held, 0, NULL);
	wait_for(held);
	for (unsigned int i = 0; i < 100; i++)
		q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	q->lpVtbl->Submit(q);
	Sleep(20);
	fake_remove(DXGI_ERROR_DEVICE_REMOVED);
	submit_and_wait(q);
	REQUIRE(FAILED(a->lpVtbl->GetHResult(a, 0)));
	wait_for(thread);
	CloseHandle(thread);
	CloseHandle(held);
	free_stream(&s);
	release(a);
	release(buffer);
	release(q);
}

static const struct test tests[] = {
	{ "support", test_support },
	{ "without", test_without },
	{ "sizes", test_sizes },
	{ "many", test_many },
	{ "textures", test_textures },
	{ "damaged_head", test_damaged_head },
	{ "damaged_tile", test_damaged_tile },
	{ "too_large", test_too_large },
	{ "auto", test_auto },
	{ "cpu_only", test_cpu_only },
	{ "no_threads", test_no_threads },
	{ "cancel", test_cancel },
	{ "removed", test_removed },
};

static int test_software(void)
{
	if (!(support_with("on") & GPU_ANY))
		skip("this device has no decoder");
	REQUIRE_CMP(support_with(NULL), ==,
		    DSTORAGE_COMPRESSION_SUPPORT_CPU_FALLBACK |
			    DSTORAGE_COMPRESSION_SUPPORT_USES_COPY_QUEUE);
	return 0;
}

int wmain(int argc, WCHAR **argv)
{
	if (argc < 2)
		return 2;
	if (!wcscmp(argv[1], L"software"))
		return test_software();
	is_fake = !wcsncmp(argv[1], L"fake-", 5);
	has_status = wcsstr(argv[1], L"vulkan") != NULL;
	the_switch = has_status ? "vulkan" : "metacommand";
	if (is_fake) {
		fake_meta_install();
		if (has_status)
			fake_vulkan_install();
		gpu_use_fake();
	}
	if (!(support_with(the_switch) & GPU_ANY))
		skip("this device has no such decoder");
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc - 1, argv + 1);
}

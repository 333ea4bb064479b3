/* SPDX-License-Identifier: MIT */
/*
 * test_codec.c: the codec object, compressed requests, the conformance vectors through both, and
 * damaged data.
 *
 * usage: test_codec VECTORS [TEST]...   VECTORS is the folder of the GDeflate vectors
 */
#include "win.h"

#include <stdlib.h>
#include <string.h>

static WCHAR vectors[MAX_PATH];

static IDStorageCompressionCodec *get_codec(DSTORAGE_COMPRESSION_FORMAT format)
{
	IDStorageCompressionCodec *codec;

	REQUIRE_OK(DStorageCreateCompressionCodec(format, 2, &IID_IDStorageCompressionCodec,
						  (void **)&codec));
	return codec;
}

static bool has_zstd(void)
{
	IDStorageCompressionCodec *codec;

	if (FAILED(DStorageCreateCompressionCodec(DSTORAGE_COMPRESSION_FORMAT_ZSTD, 0,
						  &IID_IDStorageCompressionCodec, (void **)&codec)))
		return false;
	release(codec);
	return true;
}

static void test_object(void)
{
	IDStorageCompressionCodec *codec = get_codec(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE);
	void *p = (void *)1;

	REQUIRE_OK(codec->lpVtbl->QueryInterface(codec, &IID_IUnknown, &p));
	REQUIRE(p == codec);
	release(p);
	REQUIRE_HR(codec->lpVtbl->QueryInterface(codec, &IID_IDStorageFile, &p), E_NOINTERFACE);
	REQUIRE(!p);
	REQUIRE_CMP(release(codec), ==, 0);
	for (unsigned int format = 0; format < 256; format += format < 8 ? 1 : 31) {
		if (format == 1 || format == 2)
			continue;
		REQUIRE_HR(DStorageCreateCompressionCodec((DSTORAGE_COMPRESSION_FORMAT)format, 0,
							  &IID_IDStorageCompressionCodec, &p),
			   E_INVALIDARG);
		REQUIRE(!p);
	}
	REQUIRE_HR(DStorageCreateCompressionCodec(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 0,
						  &IID_IDStorageFile, &p),
		   E_NOINTERFACE);
	REQUIRE_HR(DStorageCreateCompressionCodec(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 0,
						  &IID_IDStorageCompressionCodec, NULL),
		   E_POINTER);
}

static void round_trip(DSTORAGE_COMPRESSION_FORMAT format, DSTORAGE_COMPRESSION setting,
		       size_t nbytes, unsigned int seed)
{
	IDStorageCompressionCodec *codec = get_codec(format);
	size_t bound = codec->lpVtbl->CompressBufferBound(codec, nbytes), n = 0, m = 0;
	unsigned char *in = malloc(nbytes + 1), *out = malloc(bound), *back = malloc(nbytes + 8);

	pattern_fill(in, nbytes, seed, 0);
	REQUIRE_OK(codec->lpVtbl->CompressBuffer(codec, in, nbytes, setting, out, bound, &n));
	REQUIRE(n && n <= bound);
	memset(back, 0x5a, nbytes + 8);
	REQUIRE_OK(codec->lpVtbl->DecompressBuffer(codec, out, n, back, nbytes, &m));
	REQUIRE_CMP(m, ==, nbytes);
	pattern_require(back, nbytes, seed, 0);
	REQUIRE(bytes_are(back + nbytes, 8, 0x5a));
	/* More room than it takes is fine; less is an error, as is no room for the stream. */
	REQUIRE_OK(codec->lpVtbl->DecompressBuffer(codec, out, n, back, nbytes + 8, &m));
	REQUIRE_CMP(m, ==, nbytes);
	if (nbytes) {
		REQUIRE(FAILED(
			codec->lpVtbl->DecompressBuffer(codec, out, n, back, nbytes - 1, &m)));
		REQUIRE(FAILED(
			codec->lpVtbl->CompressBuffer(codec, in, nbytes, setting, out, n - 1, &m)));
	}
	free(in);
	free(out);
	free(back);
	release(codec);
}

static void test_round_trips(void)
{
	static const size_t sizes[] = { 1, 100, 65535, 65536, 65537, 1000003 };

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int setting = -1; setting <= 1; setting++) {
			round_trip(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, setting, sizes[i], 3);
			if (has_zstd())
				round_trip(DSTORAGE_COMPRESSION_FORMAT_ZSTD, setting, sizes[i], 3);
		}
		round_trip(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 0, sizes[i], 2);
	}
}

static void test_bad_calls(void)
{
	IDStorageCompressionCodec *codec = get_codec(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE);
	unsigned char in[1000] = { 0 }, out[3000];
	void *unwritable = pages(65536, PAGE_READONLY);
	size_t n;

	REQUIRE_HR(codec->lpVtbl->CompressBuffer(codec, in, 1000, 5, out, 3000, &n), E_INVALIDARG);
	REQUIRE_HR(codec->lpVtbl->CompressBuffer(codec, in, 1000, 0, NULL, 3000, &n), E_POINTER);
	REQUIRE_HR(codec->lpVtbl->CompressBuffer(codec, NULL, 1000, 0, out, 3000, &n), E_POINTER);
	REQUIRE_HR(codec->lpVtbl->CompressBuffer(codec, in, 1000, 0, out, 3000, NULL), E_POINTER);
	REQUIRE_HR(codec->lpVtbl->DecompressBuffer(codec, NULL, 10, out, 3000, &n), E_POINTER);
	REQUIRE_HR(codec->lpVtbl->DecompressBuffer(codec, in, 1000, out, 3000, NULL), E_POINTER);
	REQUIRE_HR(codec->lpVtbl->DecompressBuffer(codec, in, 1000, out, 3000, &n),
		   E_DSTORAGE_DECOMPRESSION_ERROR);
	REQUIRE_HR(codec->lpVtbl->CompressBuffer(codec, in, 1000, 0, unwritable, 3000, &n),
		   E_DSTORAGE_ACCESS_VIOLATION);
	REQUIRE_HR(codec->lpVtbl->CompressBuffer(codec, (void *)(uintptr_t)8192, 1000, 0, out, 3000,
						 &n),
		   E_DSTORAGE_ACCESS_VIOLATION);
	free_pages(unwritable);
	release(codec);
}

static DSTORAGE_REQUEST compressed_request(IDStorageFile *file, DSTORAGE_COMPRESSION_FORMAT format,
					   size_t nbytes, void *to, size_t to_nbytes)
{
	DSTORAGE_REQUEST r = file_to_memory(file, 0, (UINT32)nbytes, to);

	r.Options.CompressionFormat = format;
	r.Destination.Memory.Size = (UINT32)to_nbytes;
	r.UncompressedSize = (UINT32)to_nbytes;
	return r;
}

static void request_round_trip(DSTORAGE_COMPRESSION_FORMAT format, size_t nbytes)
{
	IDStorageQueue3 *files = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	IDStorageQueue3 *memory = make_queue(DSTORAGE_REQUEST_SOURCE_MEMORY, 128, NULL);
	unsigned char *in = malloc(nbytes), *out = malloc(nbytes + 8);
	IDStorageFile *file;
	DSTORAGE_REQUEST r;
	void *stream;
	size_t n;

	pattern_fill(in, nbytes, 5, 0);
	stream = compress(format, in, nbytes, &n);
	write_file(L"stream.bin", stream, n);
	file = open_file(L"stream.bin");
	memset(out, 0x5a, nbytes + 8);
	r = compressed_request(file, format, n, out, nbytes);
	REQUIRE_OK(run_request(files, &r));
	pattern_require(out, nbytes, 5, 0);
	REQUIRE(bytes_are(out + nbytes, 8, 0x5a));
	/* From memory. */
	memset(out, 0, nbytes);
	r = memory_to_memory(stream, (UINT32)n, out);
	r.Options.CompressionFormat = format;
	r.Destination.Memory.Size = (UINT32)nbytes;
	r.UncompressedSize = (UINT32)nbytes;
	REQUIRE_OK(run_request(memory, &r));
	pattern_require(out, nbytes, 5, 0);
	/* The declared size has to be the stream's and the destination's. */
	r.UncompressedSize--;
	REQUIRE_HR(run_request(memory, &r), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	r.Destination.Memory.Size--;
	REQUIRE_HR(run_request(memory, &r), E_DSTORAGE_DECOMPRESSION_ERROR);
	r.UncompressedSize = r.Destination.Memory.Size = 0;
	REQUIRE_HR(run_request(memory, &r), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	free(stream);
	free(in);
	free(out);
	release(file);
	release(files);
	release(memory);
}

static void test_requests(void)
{
	request_round_trip(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 1000);
	request_round_trip(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 3000001);
	if (has_zstd())
		request_round_trip(DSTORAGE_COMPRESSION_FORMAT_ZSTD, 3000001);
}

/* Decoders' threads are not Wine's: what they must not touch is found out beforehand. */
static void test_destinations(void)
{
	enum {
		NBYTES = 300000
	};
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	unsigned char *in = malloc(NBYTES), *p;
	IDStorageFile *file;
	DSTORAGE_REQUEST r;
	void *stream;
	size_t n;
	DWORD old;

	pattern_fill(in, NBYTES, 5, 0);
	stream = compress(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, in, NBYTES, &n);
	write_file(L"dest.bin", stream, n);
	file = open_file(L"dest.bin");
	p = VirtualAlloc(NULL, NBYTES, MEM_COMMIT | MEM_RESERVE | MEM_WRITE_WATCH, PAGE_READWRITE);
	r = compressed_request(file, DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, n, p, NBYTES);
	REQUIRE_OK(run_request(q, &r));
	pattern_require(p, NBYTES, 5, 0);
	free_pages(p);
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_ACCESS_VIOLATION);
	r.Destination.Memory.Buffer = p = pages(NBYTES, PAGE_READWRITE);
	REQUIRE(VirtualProtect(p + 65536, 4096, PAGE_READONLY, &old));
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_ACCESS_VIOLATION);
	REQUIRE(VirtualProtect(p + 65536, 4096, PAGE_READWRITE | PAGE_GUARD, &old));
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_ACCESS_VIOLATION);
	free_pages(p);
	free(stream);
	free(in);
	release(file);
	release(q);
}

/* A program's damaged data fails its request and nothing else. */
static void test_damaged(void)
{
	enum {
		NBYTES = 200000,
		ROUNDS = 300
	};
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_MEMORY, 1024, NULL);
	IDStorageStatusArray *a = make_status_array(2 * ROUNDS);
	unsigned char *in = malloc(NBYTES), *out = malloc(2 * NBYTES), *good;
	unsigned char *streams;
	unsigned int nr_failed = 0;
	size_t n;

	pattern_fill(in, NBYTES, 5, 0);
	good = compress(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, in, NBYTES, &n);
	streams = malloc(n * ROUNDS);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned char *bad = streams + n * i, place[8];
		DSTORAGE_REQUEST r;

		memcpy(bad, good, n);
		pattern_fill(place, sizeof(place), 2, i * sizeof(place));
		bad[(place[0] | place[1] << 8 | place[2] << 16) % n] ^=
			(unsigned char)(1 + place[3] % 255);
		if (i % 3 == 0)
			bad[i / 3 % 64] ^= 0xff;
		r = memory_to_memory(bad, (UINT32)n, out);
		r.Options.CompressionFormat = DSTORAGE_COMPRESSION_FORMAT_GDEFLATE;
		r.Destination.Memory.Size = r.UncompressedSize = NBYTES;
		q->lpVtbl->EnqueueRequest(q, &r);
		q->lpVtbl->EnqueueStatus(q, a, 2 * i);
		r.Source.Memory.Source = good;
		r.Destination.Memory.Buffer = out + NBYTES;
		q->lpVtbl->EnqueueRequest(q, &r);
		q->lpVtbl->EnqueueStatus(q, a, 2 * i + 1);
	}
	submit_and_wait(q);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		HRESULT hr = a->lpVtbl->GetHResult(a, 2 * i);

		/* Some damage still decodes, to other bytes: there is no checksum. */
		REQUIRE(hr == S_OK || hr == E_DSTORAGE_DECOMPRESSION_ERROR);
		nr_failed += FAILED(hr);
		REQUIRE_OK(a->lpVtbl->GetHResult(a, 2 * i + 1));
	}
	REQUIRE_CMP(nr_failed, >, ROUNDS / 3);
	pattern_require(out + NBYTES, NBYTES, 5, 0);
	free(streams);
	free(good);
	free(in);
	free(out);
	release(a);
	release(q);
}

/* ----------------------------------------------------------------- vectors */

static void *read_vector(const char *name, uint64_t *nbytes)
{
	WCHAR path[2 * MAX_PATH], wide[MAX_PATH];

	MultiByteToWideChar(CP_UTF8, 0, name, -1, wide, MAX_PATH);
	wcscpy(path, vectors);
	wcscat(path, L"\\");
	wcscat(path, wide);
	return read_file(path, nbytes);
}

/* Splits a line at its tabs; returns how many fields there are. */
static unsigned int split(char *line, char **fields, unsigned int max)
{
	unsigned int n = 0;

	for (char *at = line; at && n < max; n++) {
		fields[n] = at;
		at = strchr(at, '\t');
		if (at)
			*at++ = 0;
	}
	return n;
}

static HRESULT decode(const void *in, uint64_t in_nbytes, void *out, size_t out_nbytes)
{
	IDStorageCompressionCodec *codec = get_codec(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE);
	size_t n = 0;
	HRESULT hr =
		codec->lpVtbl->DecompressBuffer(codec, in, (size_t)in_nbytes, out, out_nbytes, &n);

	if (SUCCEEDED(hr) && n != out_nbytes)
		hr = E_FAIL;
	release(codec);
	return hr;
}

/* "recipe:byte:0xNN:SIZE" is SIZE copies of that byte, anything else a file. */
static unsigned char *original(const char *name, uint64_t *nbytes)
{
	unsigned int byte;
	unsigned char *data;
	unsigned long long size;

	if (sscanf(name, "recipe:byte:%x:%llu", &byte, &size) != 2)
		return read_vector(name, nbytes);
	data = malloc((size_t)size + 1);
	memset(data, (int)byte, (size_t)size);
	*nbytes = size;
	return data;
}

static void check_valid(char *line)
{
	char *f[4];
	uint64_t stream_nbytes, nbytes;
	unsigned char *stream, *expected, *out;

	if (split(line, f, 4) < 4)
		return;
	stream = read_vector(f[0], &stream_nbytes);
	expected = original(f[2], &nbytes);
	out = malloc((size_t)nbytes + 1);
	REQUIRE_CMP(nbytes, ==, strtoull(f[3], NULL, 10));
	if (FAILED(decode(stream, stream_nbytes, out, (size_t)nbytes)) ||
	    memcmp(out, expected, (size_t)nbytes))
		fail(__FILE__, __LINE__, f[0]);
	free(out);
	free(expected);
	free(stream);
}

static void check_hostile(char *line)
{
	char *f[4];
	uint64_t stream_nbytes;
	unsigned char *stream, *out;
	size_t nbytes;
	HRESULT hr;

	if (split(line, f, 4) < 4)
		return;
	nbytes = (size_t)strtoull(f[2], NULL, 10);
	stream = read_vector(f[0], &stream_nbytes);
	out = malloc(nbytes + 1);
	hr = decode(stream, stream_nbytes, out, nbytes);
	if ((!strcmp(f[3], "fail") && SUCCEEDED(hr)) || (!strcmp(f[3], "ok") && FAILED(hr)))
		fail(__FILE__, __LINE__, f[0]);
	free(out);
	free(stream);
}

static unsigned int for_each_line(const char *table, void (*check)(char *line))
{
	uint64_t nbytes;
	char *text = read_vector(table, &nbytes), *next;
	unsigned int n = 0;

	text[nbytes] = 0;
	for (char *line = text; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		if (*line == '#')
			continue;
		check(line);
		n++;
	}
	free(text);
	return n;
}

static void test_vectors(void)
{
	unsigned int valid = for_each_line("manifest.tsv", check_valid);
	unsigned int hostile = for_each_line("hostile.tsv", check_hostile);

	printf("%u valid, %u hostile\n", valid, hostile);
	REQUIRE(valid && hostile);
}

static const struct test tests[] = {
	{ "object", test_object },
	{ "round_trips", test_round_trips },
	{ "bad_calls", test_bad_calls },
	{ "requests", test_requests },
	{ "destinations", test_destinations },
	{ "damaged", test_damaged },
	{ "vectors", test_vectors },
};

int wmain(int argc, WCHAR **argv)
{
	if (argc < 2)
		return 2;
	wcsncpy(vectors, argv[1], MAX_PATH - 1);
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc - 1, argv + 1);
}

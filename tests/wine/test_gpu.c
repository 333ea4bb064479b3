/* SPDX-License-Identifier: MIT */
/*
 * test_gpu.c: every kind of destination on a D3D12 device, on Wine's own device or on the fake.
 *
 * usage: test_gpu real|fake [TEST]...
 */
#include "gpu.h"

#include <stdlib.h>
#include <string.h>

#include "fake_d3d12.h"

enum {
	FILE_NBYTES = 12 << 20
};

static bool is_fake;
static IDStorageFile *file;
static IDStorageQueue3 *queue;
static unsigned char *contents; /* of the file */

static DSTORAGE_REQUEST to_buffer(ID3D12Resource *buffer, uint64_t at, uint64_t offset,
				  UINT32 nbytes)
{
	DSTORAGE_REQUEST r = file_to_memory(file, offset, nbytes, NULL);

	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_BUFFER;
	r.Destination.Buffer.Resource = buffer;
	r.Destination.Buffer.Offset = at;
	r.Destination.Buffer.Size = nbytes;
	return r;
}

static void test_buffer(void)
{
	ID3D12Resource *buffer = gpu_buffer(1 << 20);
	ID3D12Fence *fence = gpu_fence();
	DSTORAGE_REQUEST r = to_buffer(buffer, 0, 123, 1 << 20);
	unsigned char *got;
	uint64_t n;

	queue->lpVtbl->EnqueueRequest(queue, &r);
	r = to_buffer(buffer, 5000, 77777, 3001);
	queue->lpVtbl->EnqueueSignal(queue, fence, 1);
	queue->lpVtbl->Submit(queue);
	gpu_wait(fence, 1);
	queue->lpVtbl->EnqueueRequest(queue, &r);
	queue->lpVtbl->EnqueueSignal(queue, fence, 2);
	queue->lpVtbl->Submit(queue);
	gpu_wait(fence, 2);
	require_no_failure(queue);
	got = gpu_read(buffer, &n);
	REQUIRE_CMP(n, ==, 1 << 20);
	REQUIRE(!memcmp(got, contents + 123, 5000));
	REQUIRE(!memcmp(got + 5000, contents + 77777, 3001));
	REQUIRE(!memcmp(got + 8001, contents + 123 + 8001, (1 << 20) - 8001));
	free(got);
	release(fence);
	release(buffer);
}

/* More than the ring holds, in pieces of all sizes, some of them too large for it. */
static void test_ring(void)
{
	enum {
		ROUNDS = 6
	};
	ID3D12Resource *buffer = gpu_buffer(FILE_NBYTES);
	IDStorageFactory *f = get_factory();
	IDStorageQueue3 *q;
	unsigned char *got;
	uint64_t n;

	release(queue);
	REQUIRE_OK(f->lpVtbl->SetStagingBufferSize(f, 4 << 20));
	q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 512, gpu_device());
	for (unsigned int round = 0; round < ROUNDS; round++) {
		UINT32 size = 4097u << round * 2;

		for (UINT32 at = 0; at < FILE_NBYTES; at += size) {
			DSTORAGE_REQUEST r = to_buffer(
				buffer, at, at, at + size > FILE_NBYTES ? FILE_NBYTES - at : size);

			q->lpVtbl->EnqueueRequest(q, &r);
		}
		submit_and_wait(q);
		require_no_failure(q);
		got = gpu_read(buffer, &n);
		REQUIRE(!memcmp(got, contents, FILE_NBYTES));
		free(got);
	}
	release(q);
	REQUIRE_OK(f->lpVtbl->SetStagingBufferSize(f, DSTORAGE_STAGING_BUFFER_SIZE_32MB));
	release(f);
	release(buffer);
	queue = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 1024, gpu_device());
}

/* Rows of a region of a texture against the rows of the file. */
static void require_region(ID3D12Resource *texture, UINT sub, const D3D12_BOX *box,
			   const unsigned char *from, UINT pitch, UINT unit, UINT unit_nbytes)
{
	D3D12_PLACED_SUBRESOURCE_FOOTPRINT l[64];
	uint64_t n;
	unsigned char *got = gpu_read(texture, &n);
	UINT rows = (box->bottom - box->top + unit - 1) / unit;
	UINT row_nbytes = (box->right - box->left + unit - 1) / unit * unit_nbytes;

	gpu_layout(texture, 0, sub + 1, l);
	for (UINT z = 0; z < box->back - box->front; z++) {
		for (UINT y = 0; y < rows; y++) {
			UINT64 row = (UINT64)(box->front + z) * (l[sub].Footprint.Height / unit) +
				     box->top / unit + y;

			REQUIRE(!memcmp(got + l[sub].Offset + row * l[sub].Footprint.RowPitch +
						box->left / unit * unit_nbytes,
					from + (size_t)(z * rows + y) * pitch, row_nbytes));
		}
	}
	free(got);
}

static DSTORAGE_REQUEST to_region(ID3D12Resource *texture, UINT sub, const D3D12_BOX *box,
				  uint64_t offset, UINT32 nbytes)
{
	DSTORAGE_REQUEST r = file_to_memory(file, offset, nbytes, NULL);

	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_TEXTURE_REGION;
	r.Destination.Texture.Resource = texture;
	r.Destination.Texture.SubresourceIndex = sub;
	r.Destination.Texture.Region = *box;
	return r;
}

static void test_region(void)
{
	static const D3D12_BOX whole = { 0, 0, 0, 200, 100, 1 }, part = { 10, 20, 0, 77, 90, 1 };
	ID3D12Resource *t = gpu_texture(DXGI_FORMAT_R8G8B8A8_UNORM, 200, 100, 1, 3);
	D3D12_BOX mip = { 0, 0, 0, 100, 50, 1 };
	DSTORAGE_REQUEST r = to_region(t, 0, &whole, 1000, (UINT32)gpu_layout(t, 0, 1, NULL));

	REQUIRE_OK(run_request(queue, &r));
	require_region(t, 0, &whole, contents + 1000, 1024, 1, 4);
	/* 67 texels of 4 bytes: rows of 512. The last row may end early. */
	r = to_region(t, 0, &part, 555, 69 * 512 + 67 * 4);
	REQUIRE_OK(run_request(queue, &r));
	require_region(t, 0, &part, contents + 555, 512, 1, 4);
	r.Source.File.Size--;
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	r = to_region(t, 1, &mip, 9999, 50 * 512);
	REQUIRE_OK(run_request(queue, &r));
	require_region(t, 1, &mip, contents + 9999, 512, 1, 4);
	mip.right = 101;
	r = to_region(t, 1, &mip, 0, 50 * 512);
	REQUIRE_HR(run_request(queue, &r), E_INVALIDARG);
	r = to_region(t, 3, &whole, 0, 100 * 1024);
	REQUIRE_HR(run_request(queue, &r), E_INVALIDARG);
	forget_failures(queue);
	release(t);
}

static void test_blocks(void)
{
	static const D3D12_BOX part = { 16, 32, 0, 48, 64, 1 }, whole = { 0, 0, 0, 128, 64, 1 };
	ID3D12Resource *t = gpu_texture(DXGI_FORMAT_BC1_UNORM, 128, 64, 1, 1);
	DSTORAGE_REQUEST r = to_region(t, 0, &whole, 4096, 16 * 256);

	REQUIRE_OK(run_request(queue, &r));
	require_region(t, 0, &whole, contents + 4096, 256, 4, 8);
	r = to_region(t, 0, &part, 8, 7 * 256 + 8 * 8);
	REQUIRE_OK(run_request(queue, &r));
	require_region(t, 0, &part, contents + 8, 256, 4, 8);
	release(t);
}

static void test_volume(void)
{
	static const D3D12_BOX part = { 3, 5, 2, 20, 11, 7 };
	ID3D12Resource *t = gpu_volume(DXGI_FORMAT_R8_UNORM, 32, 16, 8);
	DSTORAGE_REQUEST r = to_region(t, 0, &part, 31, 5 * 6 * 256);

	REQUIRE_OK(run_request(queue, &r));
	require_region(t, 0, &part, contents + 31, 256, 1, 1);
	release(t);
}

/* A chain of mips of two layers from one blob: all of it, from some on, and a range. */
static void test_subresources(void)
{
	ID3D12Resource *t = gpu_texture(DXGI_FORMAT_R8G8B8A8_UNORM, 64, 32, 2, 4);
	D3D12_PLACED_SUBRESOURCE_FOOTPRINT l[8];
	DSTORAGE_REQUEST r = file_to_memory(file, 0, (UINT32)gpu_layout(t, 0, 8, NULL), NULL);
	UINT first[] = { 0, 5, 2 }, count[] = { 8, 3, 4 };

	for (unsigned int way = 0; way < 3; way++) {
		r.Source.File.Offset = 1000 * way;
		r.Source.File.Size = (UINT32)gpu_layout(t, first[way], count[way], l);
		r.Options.DestinationType =
			way < 2 ? DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES
				: DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES_RANGE;
		r.Destination.MultipleSubresourcesRange.Resource = t;
		r.Destination.MultipleSubresourcesRange.FirstSubresource = first[way];
		r.Destination.MultipleSubresourcesRange.NumSubresources = count[way];
		REQUIRE_OK(run_request(queue, &r));
		for (UINT i = 0; i < count[way]; i++) {
			D3D12_BOX box = { 0, 0, 0, l[i].Footprint.Width, l[i].Footprint.Height, 1 };

			require_region(t, first[way] + i, &box, contents + 1000 * way + l[i].Offset,
				       l[i].Footprint.RowPitch, 1, 4);
		}
	}
	r.Destination.MultipleSubresourcesRange.NumSubresources = 7;
	REQUIRE_HR(run_request(queue, &r), E_INVALIDARG);
	r.Destination.MultipleSubresourcesRange.NumSubresources = 0;
	REQUIRE_HR(run_request(queue, &r), E_INVALIDARG);
	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES;
	r.Destination.MultipleSubresources.FirstSubresource = 8;
	REQUIRE_HR(run_request(queue, &r), E_INVALIDARG);
	forget_failures(queue);
	release(t);
}

static void test_tiles(void)
{
	enum {
		TILE = 65536
	};
	ID3D12Resource *t;
	DSTORAGE_REQUEST r = file_to_memory(file, 100, 2 * TILE, NULL);

	if (!is_fake)
		return;
	t = gpu_buffer(8 * TILE);
	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_TILES;
	r.Destination.Tiles.Resource = t;
	r.Destination.Tiles.TiledRegionStartCoordinate.X = 3;
	r.Destination.Tiles.TileRegionSize.NumTiles = 2;
	REQUIRE_OK(run_request(queue, &r));
	REQUIRE(!memcmp(fake_bytes(t, NULL) + 3 * TILE, contents + 100, 2 * TILE));
	REQUIRE(bytes_are(fake_bytes(t, NULL), 3 * TILE, 0));
	r.Destination.Tiles.TileRegionSize.NumTiles = 3;
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	forget_failures(queue);
	release(t);
}

/* Compressed, with padding behind what the buffer takes. */
static void test_compressed(void)
{
	enum {
		NBYTES = 1000000,
		TAKEN = 999000
	};
	ID3D12Resource *buffer = gpu_buffer(NBYTES);
	size_t n;
	void *stream = compress(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, contents, NBYTES, &n);
	DSTORAGE_REQUEST r = to_buffer(buffer, 0, 0, TAKEN);
	IDStorageFile *own;
	unsigned char *got;
	uint64_t m;

	write_file(L"gpu_stream.bin", stream, n);
	own = open_file(L"gpu_stream.bin");
	r.Source.File.Source = own;
	r.Source.File.Size = (UINT32)n;
	r.Options.CompressionFormat = DSTORAGE_COMPRESSION_FORMAT_GDEFLATE;
	r.UncompressedSize = NBYTES;
	REQUIRE_OK(run_request(queue, &r));
	got = gpu_read(buffer, &m);
	REQUIRE(!memcmp(got, contents, TAKEN));
	free(got);
	r.UncompressedSize = TAKEN - 1;
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	r.UncompressedSize = NBYTES + 1;
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_DECOMPRESSION_ERROR);
	forget_failures(queue);
	REQUIRE_CMP(
		queue->lpVtbl->GetCompressionSupport(queue, DSTORAGE_COMPRESSION_FORMAT_GDEFLATE),
		==,
		DSTORAGE_COMPRESSION_SUPPORT_CPU_FALLBACK |
			DSTORAGE_COMPRESSION_SUPPORT_USES_COPY_QUEUE);
	free(stream);
	release(own);
	release(buffer);
}

/* The program decompresses into memory of the ring. */
static void test_custom(void)
{
	enum {
		NBYTES = 100000
	};
	IDStorageCustomDecompressionQueue1 *custom;
	ID3D12Resource *buffer = gpu_buffer(NBYTES);
	DSTORAGE_REQUEST r = to_buffer(buffer, 0, 50, NBYTES);
	DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST job;
	DSTORAGE_CUSTOM_DECOMPRESSION_RESULT result = { 0, S_OK };
	unsigned char *got;
	uint64_t m;
	UINT32 n;

	REQUIRE_OK(DStorageGetFactory(&IID_IDStorageCustomDecompressionQueue1, (void **)&custom));
	r.Options.CompressionFormat = 0x80;
	queue->lpVtbl->EnqueueRequest(queue, &r);
	queue->lpVtbl->Submit(queue);
	wait_for(custom->lpVtbl->GetEvent(custom));
	REQUIRE_OK(custom->lpVtbl->GetRequests(custom, 1, &job, &n));
	REQUIRE_CMP(n, ==, 1);
	REQUIRE_CMP(job.Flags, ==, DSTORAGE_CUSTOM_DECOMPRESSION_FLAG_DEST_IN_UPLOAD_HEAP);
	memcpy(job.DstBuffer, job.SrcBuffer, NBYTES);
	result.Id = job.Id;
	REQUIRE_OK(custom->lpVtbl->SetRequestResults(custom, 1, &result));
	submit_and_wait(queue);
	require_no_failure(queue);
	got = gpu_read(buffer, &m);
	REQUIRE(!memcmp(got, contents + 50, NBYTES));
	free(got);
	release(custom);
	release(buffer);
}

/* The transforms of 1.4, on a GPU destination and on memory. */
static void test_transform(void)
{
	enum {
		BLOCKS = 1001,
		NBYTES = BLOCKS * 8,
		SHUFFLED = 1000 * 8
	};
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_MEMORY, 128, gpu_device());
	ID3D12Resource *buffer = gpu_buffer(NBYTES);
	unsigned char *in = malloc(NBYTES), *expected = malloc(NBYTES), *got;
	DSTORAGE_REQUEST r;
	uint64_t m;
	size_t n;
	void *stream;

	memcpy(expected, contents, NBYTES);
	/* BC1: colours 0, colours 1, indices, each of all blocks; an odd block stays behind. */
	for (unsigned int i = 0; i < SHUFFLED / 8; i++) {
		memcpy(in + i * 2, expected + i * 8, 2);
		memcpy(in + SHUFFLED / 4 + i * 2, expected + i * 8 + 2, 2);
		memcpy(in + SHUFFLED / 2 + i * 4, expected + i * 8 + 4, 4);
	}
	memcpy(in + SHUFFLED, expected + SHUFFLED, NBYTES - SHUFFLED);
	stream = compress(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, in, NBYTES, &n);
	r = memory_to_memory(stream, (UINT32)n, malloc(NBYTES));
	r.Options.CompressionFormat = DSTORAGE_COMPRESSION_FORMAT_GDEFLATE;
	r.Options.GaclTransformType = DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE_BC1;
	r.UncompressedSize = r.Destination.Memory.Size = NBYTES;
	REQUIRE_OK(run_request(q, &r));
	REQUIRE(!memcmp(r.Destination.Memory.Buffer, expected, NBYTES));
	r.Options.GaclTransformType = 5;
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_INVALID_GACL_SHUFFLE_TRANSFORM_TYPE);
	free(r.Destination.Memory.Buffer);
	r.Options.GaclTransformType = DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE_BC1;
	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_BUFFER;
	r.Destination.Buffer.Resource = buffer;
	r.Destination.Buffer.Offset = 0;
	r.Destination.Buffer.Size = NBYTES;
	REQUIRE_OK(run_request(q, &r));
	got = gpu_read(buffer, &m);
	REQUIRE(!memcmp(got, expected, NBYTES));
	free(got);
	free(stream);
	free(expected);
	free(in);
	release(buffer);
	release(q);
}

static void test_nonsense(void)
{
	ID3D12Resource *buffer = gpu_buffer(65536);
	ID3D12Resource *t = gpu_texture(DXGI_FORMAT_R8G8B8A8_UNORM, 64, 32, 1, 1);
	DSTORAGE_REQUEST r = to_buffer(NULL, 0, 0, 100);

	REQUIRE_HR(run_request(queue, &r), E_INVALIDARG);
	r = to_buffer(t, 0, 0, 100);
	REQUIRE_HR(run_request(queue, &r), E_INVALIDARG);
	r = to_buffer(buffer, 65530, 0, 10);
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	r = to_buffer(buffer, UINT64_MAX - 4, 0, 10);
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	r = to_buffer(buffer, 0, 0, 100);
	r.Source.File.Size = 101;
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	r = to_buffer(buffer, 0, FILE_NBYTES - 10, 100);
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_END_OF_FILE);
	r = to_buffer(buffer, 0, 0, 100);
	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES;
	REQUIRE_HR(run_request(queue, &r), E_INVALIDARG);
	forget_failures(queue);
	release(t);
	release(buffer);
}

/* A queue with a device serves memory too; one without a device may signal any fence. */
static void test_mixed(void)
{
	IDStorageQueue3 *plain = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	ID3D12Resource *buffer = gpu_buffer(1000);
	ID3D12Fence *fence = gpu_fence();
	unsigned char buf[1000];
	DSTORAGE_REQUEST r = file_to_memory(file, 3, 1000, buf);

	REQUIRE_OK(run_request(queue, &r));
	REQUIRE(!memcmp(buf, contents + 3, 1000));
	plain->lpVtbl->EnqueueRequest(plain, &r);
	plain->lpVtbl->EnqueueSignal(plain, fence, 5);
	plain->lpVtbl->Submit(plain);
	gpu_wait(fence, 5);
	require_no_failure(plain);
	r = to_buffer(buffer, 0, 0, 1000);
	REQUIRE_HR(run_request(plain, &r), E_DSTORAGE_INVALID_DESTINATION_TYPE);
	release(fence);
	release(buffer);
	release(plain);
}

/* A signal comes after a failure too, and the record is there before it. */
static void test_signal_after_failure(void)
{
	ID3D12Resource *buffer = gpu_buffer(1000);
	ID3D12Fence *fence = gpu_fence();
	DSTORAGE_REQUEST r = to_buffer(buffer, 0, FILE_NBYTES, 1000);
	DSTORAGE_ERROR_RECORD record;

	for (UINT64 value = 1; value < 50; value++) {
		queue->lpVtbl->EnqueueRequest(queue, &r);
		queue->lpVtbl->EnqueueSignal(queue, fence, value);
		queue->lpVtbl->Submit(queue);
		gpu_wait(fence, value);
		queue->lpVtbl->RetrieveErrorRecord(queue, &record);
		REQUIRE_CMP(record.FailureCount, ==, 1);
		REQUIRE_HR(record.FirstFailure.HResult, E_DSTORAGE_END_OF_FILE);
	}
	ResetEvent(queue->lpVtbl->GetErrorEvent(queue));
	release(fence);
	release(buffer);
}

/* Batches that wait for a fence of the program's; others pass them by. */
static void test_synchronised(void)
{
	ID3D12Fence *fence = gpu_fence();
	unsigned char a[1000], b[1000];
	DSTORAGE_REQUEST held[2] = { file_to_memory(file, 0, 500, a),
				     file_to_memory(file, 500, 500, a + 500) };
	DSTORAGE_REQUEST free_one = file_to_memory(file, 77, 1000, b);
	IDStorageStatusArray *array = make_status_array(1);
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
	IDStorageQueue3 *other = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);

	memset(a, 0x5a, sizeof(a));
	memset(b, 0x5a, sizeof(b));
	for (unsigned int flag = 0; flag <= 2; flag++) {
		queue->lpVtbl->EnqueueRequests(queue, held, 2, fence, flag + 1,
					       (DSTORAGE_ENQUEUE_REQUEST_FLAGS)flag);
		queue->lpVtbl->EnqueueRequest(queue, &free_one);
		queue->lpVtbl->EnqueueStatus(queue, array, 0);
		queue->lpVtbl->EnqueueSetEvent(queue, event);
		queue->lpVtbl->Submit(queue);
		REQUIRE_CMP(WaitForSingleObject(event, 30), ==, WAIT_TIMEOUT);
		REQUIRE(bytes_are(a, sizeof(a), 0x5a));
		REQUIRE(!memcmp(b, contents + 77, 1000));
		REQUIRE_HR(array->lpVtbl->GetHResult(array, 0), E_PENDING);
		REQUIRE_OK(ID3D12Fence_Signal(fence, flag + 1));
		wait_for(event);
		REQUIRE(!memcmp(a, contents, 1000));
		memset(a, 0x5a, sizeof(a));
	}
	/* Already reached; and no fence at all. */
	queue->lpVtbl->EnqueueRequests(queue, held, 2, fence, 1, 0);
	queue->lpVtbl->EnqueueRequests(queue, held, 2, NULL, 99, 0);
	queue->lpVtbl->EnqueueRequests(queue, NULL, 2, NULL, 0, 0);
	submit_and_wait(queue);
	require_no_failure(queue);
	/* Cancelled, and dropped with its queue, while it waits. */
	held[0].CancellationTag = held[1].CancellationTag = 9;
	queue->lpVtbl->EnqueueRequests(queue, held, 2, fence, 100, 0);
	queue->lpVtbl->EnqueueSetEvent(queue, event);
	queue->lpVtbl->Submit(queue);
	queue->lpVtbl->CancelRequestsWithTag(queue, 9, 9);
	wait_for(event);
	other->lpVtbl->EnqueueRequests(other, held, 2, fence, 100, 0);
	other->lpVtbl->EnqueueSetEvent(other, event);
	other->lpVtbl->Submit(other);
	release(other);
	REQUIRE_CMP(WaitForSingleObject(event, 5), ==, WAIT_TIMEOUT);
	ID3D12Fence_Signal(fence, 100);
	CloseHandle(event);
	release(array);
	release(fence);
}

/* Resources released as soon as they are enqueued. */
static void test_early_release(void)
{
	ID3D12Resource *buffer = gpu_buffer(1 << 20);
	ID3D12Fence *fence = gpu_fence(), *mine = fence;
	DSTORAGE_REQUEST r = to_buffer(buffer, 0, 0, 1 << 20);

	ID3D12Fence_AddRef(mine);
	queue->lpVtbl->EnqueueRequest(queue, &r);
	queue->lpVtbl->EnqueueSignal(queue, fence, 1);
	release(buffer);
	release(fence);
	queue->lpVtbl->Submit(queue);
	gpu_wait(mine, 1);
	require_no_failure(queue);
	release(mine);
}

/* Cancelling waits for what the GPU is copying. */
static DWORD WINAPI let_go(void *arg)
{
	(void)arg;
	Sleep(100);
	fake_hold(false);
	return 0;
}

/* A lock belongs to the thread that takes it: so one thread holds the GPU and lets it go. */
static DWORD WINAPI hold_a_while(void *arg)
{
	fake_hold(true);
	SetEvent(arg);
	return let_go(NULL);
}

static void test_cancel(void)
{
	ID3D12Resource *buffer = gpu_buffer(1 << 20);
	HANDLE held = CreateEventW(NULL, FALSE, FALSE, NULL), thread;
	DSTORAGE_REQUEST r = to_buffer(buffer, 0, 0, 1 << 20);

	if (!is_fake)
		return;
	thread = CreateThread(NULL, 0, hold_a_while, held, 0, NULL);
	wait_for(held);
	r.CancellationTag = 3;
	queue->lpVtbl->EnqueueRequest(queue, &r);
	queue->lpVtbl->Submit(queue);
	Sleep(30);
	queue->lpVtbl->CancelRequestsWithTag(queue, 3, 3);
	memset(fake_bytes(buffer, NULL), 0x5a, 1 << 20);
	wait_for(thread);
	Sleep(20);
	REQUIRE(bytes_are(fake_bytes(buffer, NULL), 1 << 20, 0x5a));
	submit_and_wait(queue);
	require_no_failure(queue);
	CloseHandle(thread);
	CloseHandle(held);
	release(buffer);
}

/* Where no cached memory can be had, an upload heap does. */
static void test_upload_heap(void)
{
	ID3D12Resource *buffer = gpu_buffer(100000);
	DSTORAGE_REQUEST r = to_buffer(buffer, 0, 9, 100000);
	IDStorageQueue3 *q;

	if (!is_fake)
		return;
	release(queue);
	fake_refuse_custom_heaps(true);
	q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, gpu_device());
	REQUIRE_OK(run_request(q, &r));
	REQUIRE(!memcmp(fake_bytes(buffer, NULL), contents + 9, 100000));
	release(q);
	fake_refuse_custom_heaps(false);
	queue = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 1024, gpu_device());
	release(buffer);
}

/* All is given back; then the device goes. The last test: nothing works afterwards. */
static void test_removed(void)
{
	ID3D12Resource *buffer = gpu_buffer(1000);
	IDStorageStatusArray *a = make_status_array(1);
	DSTORAGE_REQUEST r = to_buffer(buffer, 0, 0, 1000);
	LONG before;

	if (!is_fake)
		return;
	release(queue);
	before = fake_references();
	queue = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 1024, gpu_device());
	REQUIRE_OK(run_request(queue, &r));
	release(queue);
	REQUIRE_CMP(fake_references(), ==, before);
	queue = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 1024, gpu_device());
	fake_remove(DXGI_ERROR_DEVICE_REMOVED);
	queue->lpVtbl->EnqueueRequest(queue, &r);
	queue->lpVtbl->EnqueueStatus(queue, a, 0);
	submit_and_wait(queue);
	REQUIRE(FAILED(a->lpVtbl->GetHResult(a, 0)));
	release(a);
	release(buffer);
}

static const struct test tests[] = {
	{ "buffer", test_buffer },
	{ "ring", test_ring },
	{ "region", test_region },
	{ "blocks", test_blocks },
	{ "volume", test_volume },
	{ "subresources", test_subresources },
	{ "tiles", test_tiles },
	{ "compressed", test_compressed },
	{ "custom", test_custom },
	{ "transform", test_transform },
	{ "nonsense", test_nonsense },
	{ "mixed", test_mixed },
	{ "signal_after_failure", test_signal_after_failure },
	{ "synchronised", test_synchronised },
	{ "early_release", test_early_release },
	{ "cancel", test_cancel },
	{ "upload_heap", test_upload_heap },
	{ "removed", test_removed },
};

int wmain(int argc, WCHAR **argv)
{
	int status;

	if (argc < 2)
		return 2;
	is_fake = !wcscmp(argv[1], L"fake");
	if (is_fake)
		gpu_use_fake();
	contents = malloc(FILE_NBYTES);
	pattern_fill(contents, FILE_NBYTES, 2, 0);
	write_file(L"gpu.bin", contents, FILE_NBYTES);
	queue = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 1024, gpu_device());
	file = open_file(L"gpu.bin");
	status = run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc - 1, argv + 1);
	release(queue);
	release(file);
	return status;
}

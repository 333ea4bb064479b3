// SPDX-License-Identifier: MIT
// gpu_decompression.cpp: how fast a file decompresses into a GPU buffer, with staging buffers of
// several sizes: raw, GDeflate, Zstandard where it is there, and with a program's own
// thread for GDeflate. Compresses first, in chunks. Ends with an error for wrong bytes.
//
// usage: gpu_decompression FILE [CHUNK-KIB]
#include <dstorage.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>
#include <wrl/client.h>

using Microsoft::WRL::ComPtr;

static void check(HRESULT hr, const char *what)
{
	if (SUCCEEDED(hr))
		return;
	std::printf("%s failed: 0x%08lX\n", what, hr);
	ExitProcess(1);
}
#define CHECK(call) check((call), #call)

struct Chunk {
	uint32_t offset, compressedSize, size;
};

static std::vector<uint8_t> readAll(const wchar_t *name)
{
	HANDLE h = CreateFileW(name, GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
	LARGE_INTEGER size{};
	if (h == INVALID_HANDLE_VALUE || !GetFileSizeEx(h, &size))
		check(HRESULT_FROM_WIN32(GetLastError()), "opening the file");
	std::vector<uint8_t> data(static_cast<size_t>(size.QuadPart));
	DWORD n;
	ReadFile(h, data.data(), static_cast<DWORD>(data.size()), &n, nullptr);
	CloseHandle(h);
	return data;
}

static std::vector<Chunk> compress(DSTORAGE_COMPRESSION_FORMAT format,
				   const std::vector<uint8_t> &data, uint32_t chunkSize,
				   const wchar_t *name)
{
	ComPtr<IDStorageCompressionCodec> codec;
	if (format != DSTORAGE_COMPRESSION_FORMAT_NONE)
		CHECK(DStorageCreateCompressionCodec(format, 0, IID_PPV_ARGS(&codec)));
	std::vector<Chunk> chunks;
	std::vector<uint8_t> out, packed;
	for (size_t at = 0; at < data.size(); at += chunkSize) {
		auto size = static_cast<uint32_t>(std::min<size_t>(chunkSize, data.size() - at));
		size_t written = size;
		if (codec) {
			packed.resize(codec->CompressBufferBound(size));
			CHECK(codec->CompressBuffer(&data[at], size, DSTORAGE_COMPRESSION_FASTEST,
						    packed.data(), packed.size(), &written));
		} else {
			packed.assign(&data[at], &data[at] + size);
		}
		chunks.push_back({ static_cast<uint32_t>(out.size()),
				   static_cast<uint32_t>(written), size });
		out.insert(out.end(), packed.begin(), packed.begin() + static_cast<long>(written));
	}
	HANDLE h = CreateFileW(name, GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr);
	DWORD n;
	WriteFile(h, out.data(), static_cast<DWORD>(out.size()), &n, nullptr);
	CloseHandle(h);
	return chunks;
}

class Gpu
{
public:
	ComPtr<ID3D12Device> device;

	ComPtr<ID3D12Resource> buffer(UINT64 size, D3D12_HEAP_TYPE type,
				      D3D12_RESOURCE_STATES state) const
	{
		D3D12_HEAP_PROPERTIES heap{};
		heap.Type = type;
		D3D12_RESOURCE_DESC desc{};
		desc.Dimension = D3D12_RESOURCE_DIMENSION_BUFFER;
		desc.Width = size;
		desc.Height = desc.DepthOrArraySize = desc.MipLevels = 1;
		desc.Layout = D3D12_TEXTURE_LAYOUT_ROW_MAJOR;
		desc.SampleDesc.Count = 1;
		ComPtr<ID3D12Resource> b;
		CHECK(device->CreateCommittedResource(&heap, D3D12_HEAP_FLAG_NONE, &desc, state,
						      nullptr, IID_PPV_ARGS(&b)));
		return b;
	}
	std::vector<uint8_t> read(ID3D12Resource *from, size_t size) const
	{
		auto to = buffer(size, D3D12_HEAP_TYPE_READBACK, D3D12_RESOURCE_STATE_COPY_DEST);
		D3D12_COMMAND_QUEUE_DESC desc{};
		desc.Type = D3D12_COMMAND_LIST_TYPE_DIRECT;
		ComPtr<ID3D12CommandQueue> queue;
		ComPtr<ID3D12CommandAllocator> allocator;
		ComPtr<ID3D12GraphicsCommandList> list;
		ComPtr<ID3D12Fence> fence;
		CHECK(device->CreateCommandQueue(&desc, IID_PPV_ARGS(&queue)));
		CHECK(device->CreateCommandAllocator(desc.Type, IID_PPV_ARGS(&allocator)));
		CHECK(device->CreateCommandList(0, desc.Type, allocator.Get(), nullptr,
						IID_PPV_ARGS(&list)));
		CHECK(device->CreateFence(0, D3D12_FENCE_FLAG_NONE, IID_PPV_ARGS(&fence)));
		list->CopyBufferRegion(to.Get(), 0, from, 0, size);
		CHECK(list->Close());
		ID3D12CommandList *lists[] = { list.Get() };
		queue->ExecuteCommandLists(1, lists);
		CHECK(queue->Signal(fence.Get(), 1));
		HANDLE event = CreateEventW(nullptr, FALSE, FALSE, nullptr);
		CHECK(fence->SetEventOnCompletion(1, event));
		WaitForSingleObject(event, INFINITE);
		CloseHandle(event);
		void *data;
		CHECK(to->Map(0, nullptr, &data));
		std::vector<uint8_t> out(static_cast<uint8_t *>(data),
					 static_cast<uint8_t *>(data) + size);
		return out;
	}
};

// Decompresses GDeflate on a thread of the program's, in order.
class OwnDecoder
{
public:
	OwnDecoder()
	{
		CHECK(DStorageGetFactory(IID_PPV_ARGS(&m_queue)));
		CHECK(DStorageCreateCompressionCodec(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 1,
						     IID_PPV_ARGS(&m_codec)));
		m_thread = CreateThread(nullptr, 0, run, this, 0, nullptr);
	}
	~OwnDecoder()
	{
		m_stop = true;
		WaitForSingleObject(m_thread, INFINITE);
		CloseHandle(m_thread);
	}

private:
	static DWORD WINAPI run(void *self)
	{
		static_cast<OwnDecoder *>(self)->loop();
		return 0;
	}
	void loop()
	{
		std::vector<uint8_t> scratch;
		while (!m_stop) {
			DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST r;
			UINT32 count = 0;
			WaitForSingleObject(m_queue->GetEvent(), 10);
			while (SUCCEEDED(m_queue->GetRequests1(
				       DSTORAGE_GET_REQUEST_FLAG_SELECT_ALL, 1, &r, &count)) &&
			       count) {
				size_t written = 0;
				scratch.resize(static_cast<size_t>(r.DstSize));
				HRESULT hr = m_codec->DecompressBuffer(
					r.SrcBuffer, static_cast<size_t>(r.SrcSize), scratch.data(),
					scratch.size(), &written);
				// Never read from an upload heap: decode elsewhere, then copy.
				std::memcpy(r.DstBuffer, scratch.data(), scratch.size());
				DSTORAGE_CUSTOM_DECOMPRESSION_RESULT result{ r.Id, hr };
				CHECK(m_queue->SetRequestResults(1, &result));
			}
		}
	}
	ComPtr<IDStorageCustomDecompressionQueue1> m_queue;
	ComPtr<IDStorageCompressionCodec> m_codec;
	HANDLE m_thread;
	std::atomic<bool> m_stop{ false };
};

static void measure(const Gpu &gpu, const char *what, DSTORAGE_COMPRESSION_FORMAT format,
		    const std::vector<uint8_t> &data, const std::vector<Chunk> &chunks,
		    const wchar_t *name, UINT32 staging, bool ownThreads)
{
	DSTORAGE_CONFIGURATION config{};
	config.NumBuiltInCpuDecompressionThreads =
		ownThreads ? DSTORAGE_DISABLE_BUILTIN_CPU_DECOMPRESSION : 0;
	CHECK(DStorageSetConfiguration(&config));

	ComPtr<IDStorageFactory> factory;
	CHECK(DStorageGetFactory(IID_PPV_ARGS(&factory)));
	factory->SetDebugFlags(DSTORAGE_DEBUG_SHOW_ERRORS | DSTORAGE_DEBUG_BREAK_ON_ERROR);
	ComPtr<IDStorageFile> file;
	CHECK(factory->OpenFile(name, IID_PPV_ARGS(&file)));
	CHECK(factory->SetStagingBufferSize(staging));
	std::unique_ptr<OwnDecoder> decoder;
	if (ownThreads)
		decoder = std::make_unique<OwnDecoder>();

	DSTORAGE_QUEUE_DESC desc{};
	desc.Device = gpu.device.Get();
	desc.Capacity = DSTORAGE_MAX_QUEUE_CAPACITY;
	desc.Priority = DSTORAGE_PRIORITY_NORMAL;
	desc.SourceType = DSTORAGE_REQUEST_SOURCE_FILE;
	ComPtr<IDStorageQueue2> queue;
	CHECK(factory->CreateQueue(&desc, IID_PPV_ARGS(&queue)));
	auto buffer = gpu.buffer(data.size(), D3D12_HEAP_TYPE_DEFAULT, D3D12_RESOURCE_STATE_COMMON);
	ComPtr<ID3D12Fence> fence;
	CHECK(gpu.device->CreateFence(0, D3D12_FENCE_FLAG_NONE, IID_PPV_ARGS(&fence)));
	HANDLE event = CreateEventW(nullptr, FALSE, FALSE, nullptr);

	constexpr unsigned numRuns = 3;
	LARGE_INTEGER begin, end, frequency;
	QueryPerformanceFrequency(&frequency);
	QueryPerformanceCounter(&begin);
	for (unsigned run = 1; run <= numRuns; run++) {
		UINT64 at = 0;
		for (const Chunk &c : chunks) {
			DSTORAGE_REQUEST r{};
			r.Options.SourceType = DSTORAGE_REQUEST_SOURCE_FILE;
			r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_BUFFER;
			r.Options.CompressionFormat = format;
			r.Source.File = { file.Get(), c.offset, c.compressedSize };
			r.UncompressedSize = c.size;
			r.Destination.Buffer = { buffer.Get(), at, c.size };
			at += c.size;
			queue->EnqueueRequest(&r);
		}
		CHECK(fence->SetEventOnCompletion(run, event));
		queue->EnqueueSignal(fence.Get(), run);
		queue->Submit();
		HANDLE events[] = { event, queue->GetErrorEvent() };
		DWORD which = WaitForMultipleObjects(2, events, FALSE, INFINITE);
		if (which != WAIT_OBJECT_0) {
			DSTORAGE_ERROR_RECORD record{};
			queue->RetrieveErrorRecord(&record);
			check(record.FirstFailure.HResult, "a request");
		}
	}
	QueryPerformanceCounter(&end);
	CloseHandle(event);
	if (gpu.read(buffer.Get(), data.size()) != data) {
		std::printf("%s: wrong bytes\n", what);
		ExitProcess(1);
	}
	double seconds = static_cast<double>(end.QuadPart - begin.QuadPart) /
			 static_cast<double>(frequency.QuadPart) / numRuns;
	std::printf("%-22s staging %4u MiB  %8.4f GB/s  support 0x%x\n", what, staging >> 20,
		    static_cast<double>(data.size()) / seconds / 1e9,
		    static_cast<unsigned>(queue->GetCompressionSupport(format)));
}

extern "C" int wmain(int argc, wchar_t **argv)
{
	if (argc < 2)
		return 2;
	Gpu gpu;
	if (FAILED(D3D12CreateDevice(nullptr, D3D_FEATURE_LEVEL_11_0, IID_PPV_ARGS(&gpu.device)))) {
		std::printf("skipped: no D3D12 device\n");
		return 77;
	}
	uint32_t chunk = argc > 2 ? static_cast<uint32_t>(_wtoi(argv[2])) << 10 : 1u << 20;
	auto data = readAll(argv[1]);
	struct {
		const char *what;
		DSTORAGE_COMPRESSION_FORMAT format;
		const wchar_t *name;
		bool own;
	} kinds[] = {
		{ "raw", DSTORAGE_COMPRESSION_FORMAT_NONE, L"raw.bin", false },
		{ "GDeflate", DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, L"gdeflate.bin", false },
		{ "GDeflate, own thread", DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, L"gdeflate.bin", true },
		{ "Zstandard", DSTORAGE_COMPRESSION_FORMAT_ZSTD, L"zstd.bin", false },
	};
	for (auto &k : kinds) {
		ComPtr<IDStorageCompressionCodec> codec;
		if (k.format == DSTORAGE_COMPRESSION_FORMAT_ZSTD &&
		    FAILED(DStorageCreateCompressionCodec(k.format, 0, IID_PPV_ARGS(&codec))))
			continue;
		auto chunks = compress(k.format, data, chunk, k.name);
		for (UINT32 staging : { 1u << 20, 16u << 20, 256u << 20, 1024u << 20 })
			measure(gpu, k.what, k.format, data, chunks, k.name, staging, k.own);
	}
	return 0;
}

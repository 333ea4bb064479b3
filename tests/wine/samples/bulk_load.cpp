// SPDX-License-Identifier: MIT
// bulk_load.cpp: loads archives of many parts, as a game does at a level's start: headers to
// memory, GDeflate parts and parts in a format of its own, everything driven by waits of the
// thread pool. Cancels one load and frees it at once. No D3D12 device.
#include <dstorage.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>
#include <wrl/client.h>

using Microsoft::WRL::ComPtr;

static constexpr auto CustomFormat = static_cast<DSTORAGE_COMPRESSION_FORMAT>(0x80);

static void check(HRESULT hr, const char *what)
{
	if (SUCCEEDED(hr))
		return;
	std::printf("%s failed: 0x%08lX\n", what, hr);
	ExitProcess(1);
}

// ----------------------------------------------------------- archive files

struct PartHeader {
	uint32_t offset, compressedSize, size, format;
};

struct ArchiveHeader {
	uint32_t numParts;
	PartHeader parts[15];
};

static uint8_t byteAt(unsigned archive, unsigned part, size_t i)
{
	return static_cast<uint8_t>("directstorage"[(i / 7 + archive) % 13] + part + (i >> 12));
}

static std::vector<uint8_t> makePart(IDStorageCompressionCodec *codec,
				     const std::vector<uint8_t> &plain, unsigned format)
{
	std::vector<uint8_t> out;
	if (format == DSTORAGE_COMPRESSION_FORMAT_GDEFLATE) {
		size_t written = 0;
		out.resize(codec->CompressBufferBound(plain.size()));
		check(codec->CompressBuffer(plain.data(), plain.size(), DSTORAGE_COMPRESSION_DEFAULT,
					    out.data(), out.size(), &written),
		      "CompressBuffer");
		out.resize(written);
	} else {
		out = plain;
		for (auto &b : out)
			b ^= format ? 0xA5 : 0;
	}
	return out;
}

static void writeArchive(unsigned archive, const std::wstring &name)
{
	ComPtr<IDStorageCompressionCodec> codec;
	check(DStorageCreateCompressionCodec(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 0,
					     IID_PPV_ARGS(&codec)),
	      "DStorageCreateCompressionCodec");
	static const unsigned formats[] = { 0, DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 0x80 };
	ArchiveHeader header{};
	std::vector<uint8_t> body;
	header.numParts = 15;
	for (unsigned p = 0; p < header.numParts; p++) {
		std::vector<uint8_t> plain(20000 + p * 30011);
		for (size_t i = 0; i < plain.size(); i++)
			plain[i] = byteAt(archive, p, i);
		auto packed = makePart(codec.Get(), plain, formats[p % 3]);
		header.parts[p] = { static_cast<uint32_t>(sizeof(header) + body.size()),
				    static_cast<uint32_t>(packed.size()),
				    static_cast<uint32_t>(plain.size()), formats[p % 3] };
		body.insert(body.end(), packed.begin(), packed.end());
	}
	HANDLE h = CreateFileW(name.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr);
	DWORD n;
	WriteFile(h, &header, sizeof(header), &n, nullptr);
	WriteFile(h, body.data(), static_cast<DWORD>(body.size()), &n, nullptr);
	CloseHandle(h);
}

// ------------------------------------------------------ custom decompression

class CustomDecompression
{
public:
	explicit CustomDecompression(IDStorageFactory *factory)
	{
		check(factory->QueryInterface(IID_PPV_ARGS(&m_queue)), "QueryInterface");
		m_event = m_queue->GetEvent();
		m_wait = CreateThreadpoolWait(onEvent, this, nullptr);
		SetThreadpoolWait(m_wait, m_event, nullptr);
	}
	~CustomDecompression()
	{
		AcquireSRWLockExclusive(&m_busy);
		m_isGone = true; // a callback arms the wait no more
		SetThreadpoolWait(m_wait, nullptr, nullptr);
		ReleaseSRWLockExclusive(&m_busy);
		WaitForThreadpoolWaitCallbacks(m_wait, TRUE);
		CloseThreadpoolWait(m_wait);
	}
	// Returns when nothing is being decompressed that was asked for before.
	void settle()
	{
		AcquireSRWLockExclusive(&m_busy);
		ReleaseSRWLockExclusive(&m_busy);
	}
	std::atomic<unsigned> numDone{ 0 };

private:
	static void CALLBACK onEvent(PTP_CALLBACK_INSTANCE, void *context, PTP_WAIT wait,
				     TP_WAIT_RESULT)
	{
		auto self = static_cast<CustomDecompression *>(context);
		AcquireSRWLockExclusive(&self->m_busy);
		for (;;) {
			DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST requests[8];
			UINT32 count = 0;
			check(self->m_queue->GetRequests(8, requests, &count), "GetRequests");
			if (!count)
				break;
			for (UINT32 i = 0; i < count; i++)
				self->run(requests[i]);
		}
		if (!self->m_isGone)
			SetThreadpoolWait(wait, self->m_event, nullptr);
		ReleaseSRWLockExclusive(&self->m_busy);
	}
	void run(const DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST &r)
	{
		auto src = static_cast<const uint8_t *>(r.SrcBuffer);
		auto dst = static_cast<uint8_t *>(r.DstBuffer);
		for (UINT64 i = 0; i < r.SrcSize; i++)
			dst[i] = src[i] ^ 0xA5;
		DSTORAGE_CUSTOM_DECOMPRESSION_RESULT result{ r.Id, S_OK };
		check(m_queue->SetRequestResults(1, &result), "SetRequestResults");
		numDone++;
	}
	ComPtr<IDStorageCustomDecompressionQueue> m_queue;
	HANDLE m_event;
	PTP_WAIT m_wait;
	SRWLOCK m_busy = SRWLOCK_INIT;
	bool m_isGone = false;
};

// ------------------------------------------------------------------ loading

class Archive
{
public:
	Archive(IDStorageFactory *factory, IDStorageQueue1 *queue, CustomDecompression &custom,
		unsigned number, const std::wstring &name)
		: m_queue(queue), m_custom(custom), m_number(number)
	{
		check(factory->OpenFile(name.c_str(), IID_PPV_ARGS(&m_file)), "OpenFile");
		check(factory->CreateStatusArray(2, "archive", IID_PPV_ARGS(&m_status)),
		      "CreateStatusArray");
		m_event = CreateEventW(nullptr, FALSE, FALSE, nullptr);
		m_done = CreateEventW(nullptr, TRUE, FALSE, nullptr);
		m_wait = CreateThreadpoolWait(onEvent, this, nullptr);
	}
	// Cancels whatever is under way, and then just frees everything: nobody else writes to it
	// any more, but our own decompressor has to be through with what it had taken.
	~Archive()
	{
		AcquireSRWLockExclusive(&m_lock);
		m_isGone = true; // a callback asks for no more
		SetThreadpoolWait(m_wait, nullptr, nullptr);
		ReleaseSRWLockExclusive(&m_lock);
		m_queue->CancelRequestsWithTag(~0ull, tag());
		m_custom.settle();
		WaitForThreadpoolWaitCallbacks(m_wait, TRUE);
		CloseThreadpoolWait(m_wait);
		CloseHandle(m_event);
		CloseHandle(m_done);
	}
	void start()
	{
		enqueue(0, sizeof(m_header), sizeof(m_header), 0, &m_header);
		m_queue->EnqueueStatus(m_status.Get(), 0);
		finishBatch();
	}
	bool wait() const
	{
		return WaitForSingleObject(m_done, 60000) == WAIT_OBJECT_0;
	}
	bool isGood() const
	{
		for (unsigned p = 0; p < m_header.numParts; p++)
			for (size_t i = 0; i < m_header.parts[p].size; i++)
				if (m_parts[p][i] != byteAt(m_number, p, i))
					return false;
		return m_header.numParts == 15;
	}

private:
	UINT64 tag() const
	{
		return reinterpret_cast<UINT64>(this);
	}
	void enqueue(uint32_t offset, uint32_t size, uint32_t plainSize, uint32_t format, void *to)
	{
		DSTORAGE_REQUEST r{};
		r.Options.SourceType = DSTORAGE_REQUEST_SOURCE_FILE;
		r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_MEMORY;
		r.Options.CompressionFormat = static_cast<DSTORAGE_COMPRESSION_FORMAT>(format);
		r.Source.File.Source = m_file.Get();
		r.Source.File.Offset = offset;
		r.Source.File.Size = size;
		r.Destination.Memory.Buffer = to;
		r.Destination.Memory.Size = plainSize;
		r.UncompressedSize = plainSize;
		r.CancellationTag = tag();
		r.Name = "part of an archive";
		m_queue->EnqueueRequest(&r);
	}
	void finishBatch()
	{
		SetThreadpoolWait(m_wait, m_event, nullptr);
		m_queue->EnqueueSetEvent(m_event);
		m_queue->Submit();
	}
	static void CALLBACK onEvent(PTP_CALLBACK_INSTANCE, void *context, PTP_WAIT, TP_WAIT_RESULT)
	{
		auto self = static_cast<Archive *>(context);
		AcquireSRWLockExclusive(&self->m_lock);
		if (!self->m_isGone)
			self->next();
		ReleaseSRWLockExclusive(&self->m_lock);
	}
	void next()
	{
		if (m_parts.empty()) {
			check(m_status->GetHResult(0), "the header");
			for (unsigned p = 0; p < m_header.numParts; p++) {
				const PartHeader &h = m_header.parts[p];
				m_parts.emplace_back(h.size);
				enqueue(h.offset, h.compressedSize, h.size, h.format,
					m_parts[p].data());
			}
			m_queue->EnqueueStatus(m_status.Get(), 1);
			finishBatch();
			return;
		}
		check(m_status->GetHResult(1), "the parts");
		SetEvent(m_done);
	}
	ComPtr<IDStorageQueue1> m_queue;
	CustomDecompression &m_custom;
	ComPtr<IDStorageFile> m_file;
	ComPtr<IDStorageStatusArray> m_status;
	unsigned m_number;
	ArchiveHeader m_header{};
	std::vector<std::vector<uint8_t>> m_parts;
	HANDLE m_event, m_done;
	PTP_WAIT m_wait;
	SRWLOCK m_lock = SRWLOCK_INIT;
	bool m_isGone = false;
};

extern "C" int wmain(int, wchar_t **)
{
	constexpr unsigned numArchives = 6;
	ComPtr<IDStorageFactory> factory;
	check(DStorageGetFactory(IID_PPV_ARGS(&factory)), "DStorageGetFactory");
	factory->SetDebugFlags(DSTORAGE_DEBUG_SHOW_ERRORS);
	check(factory->SetStagingBufferSize(256 * 1024 * 1024), "SetStagingBufferSize");
	DSTORAGE_QUEUE_DESC desc{};
	desc.Capacity = DSTORAGE_MAX_QUEUE_CAPACITY;
	desc.SourceType = DSTORAGE_REQUEST_SOURCE_FILE;
	ComPtr<IDStorageQueue1> queue;
	check(factory->CreateQueue(&desc, IID_PPV_ARGS(&queue)), "CreateQueue");
	CustomDecompression custom(factory.Get());

	std::vector<std::wstring> names;
	for (unsigned i = 0; i < numArchives; i++) {
		names.push_back(L"archive" + std::to_wstring(i) + L".bin");
		writeArchive(i, names[i]);
	}
	for (unsigned round = 0; round < 5; round++) {
		std::vector<std::unique_ptr<Archive>> archives;
		for (unsigned i = 0; i < numArchives; i++)
			archives.push_back(std::make_unique<Archive>(factory.Get(), queue.Get(),
								     custom, i, names[i]));
		for (auto &a : archives)
			a->start();
		// The player turns round: the last one is not wanted any more.
		archives.pop_back();
		for (auto &a : archives) {
			if (!a->wait() || !a->isGood()) {
				std::printf("an archive was not loaded well\n");
				return 1;
			}
		}
	}
	DSTORAGE_ERROR_RECORD record{};
	queue->RetrieveErrorRecord(&record);
	check(record.FirstFailure.HResult, "a request");
	std::printf("%u archives loaded, %u parts by our own decoder\n", numArchives - 1,
		    custom.numDone.load());
	return 0;
}

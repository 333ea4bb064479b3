// SPDX-License-Identifier: MIT
// hello.cpp: the first program that one writes with DirectStorage: a whole file into a buffer of
// the GPU's, with a fence to wait for. Written as a user would, with WRL's smart pointers.
//
// usage: hello FILE
#include <dstorage.h>

#include <cstdio>
#include <wrl/client.h>

using Microsoft::WRL::ComPtr;

#define CHECK(call)                                                         \
	do {                                                                \
		HRESULT hr_ = (call);                                       \
		if (FAILED(hr_)) {                                          \
			std::printf("%s failed: 0x%08lX\n", #call, hr_);    \
			return 1;                                           \
		}                                                           \
	} while (0)

extern "C" int wmain(int argc, wchar_t **argv)
{
	if (argc < 2)
		return 2;

	ComPtr<ID3D12Device> device;
	if (FAILED(D3D12CreateDevice(nullptr, D3D_FEATURE_LEVEL_11_0, IID_PPV_ARGS(&device)))) {
		std::printf("skipped: no D3D12 device\n");
		return 77;
	}

	ComPtr<IDStorageFactory> factory;
	CHECK(DStorageGetFactory(IID_PPV_ARGS(&factory)));
	factory->SetDebugFlags(DSTORAGE_DEBUG_SHOW_ERRORS | DSTORAGE_DEBUG_BREAK_ON_ERROR);

	ComPtr<IDStorageFile> file;
	CHECK(factory->OpenFile(argv[1], IID_PPV_ARGS(&file)));
	BY_HANDLE_FILE_INFORMATION info{};
	CHECK(file->GetFileInformation(&info));
	UINT32 size = info.nFileSizeLow;

	DSTORAGE_QUEUE_DESC queueDesc{};
	queueDesc.Capacity = DSTORAGE_MAX_QUEUE_CAPACITY;
	queueDesc.Priority = DSTORAGE_PRIORITY_NORMAL;
	queueDesc.SourceType = DSTORAGE_REQUEST_SOURCE_FILE;
	queueDesc.Device = device.Get();
	ComPtr<IDStorageQueue> queue;
	CHECK(factory->CreateQueue(&queueDesc, IID_PPV_ARGS(&queue)));

	D3D12_HEAP_PROPERTIES heap{};
	heap.Type = D3D12_HEAP_TYPE_DEFAULT;
	D3D12_RESOURCE_DESC bufferDesc{};
	bufferDesc.Dimension = D3D12_RESOURCE_DIMENSION_BUFFER;
	bufferDesc.Width = size;
	bufferDesc.Height = 1;
	bufferDesc.DepthOrArraySize = 1;
	bufferDesc.MipLevels = 1;
	bufferDesc.Layout = D3D12_TEXTURE_LAYOUT_ROW_MAJOR;
	bufferDesc.SampleDesc.Count = 1;
	ComPtr<ID3D12Resource> buffer;
	CHECK(device->CreateCommittedResource(&heap, D3D12_HEAP_FLAG_NONE, &bufferDesc,
					      D3D12_RESOURCE_STATE_COMMON, nullptr,
					      IID_PPV_ARGS(&buffer)));

	DSTORAGE_REQUEST request = {};
	request.Options.SourceType = DSTORAGE_REQUEST_SOURCE_FILE;
	request.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_BUFFER;
	request.Source.File.Source = file.Get();
	request.Source.File.Offset = 0;
	request.Source.File.Size = size;
	request.UncompressedSize = size;
	request.Destination.Buffer.Resource = buffer.Get();
	request.Destination.Buffer.Offset = 0;
	request.Destination.Buffer.Size = size;
	queue->EnqueueRequest(&request);

	ComPtr<ID3D12Fence> fence;
	CHECK(device->CreateFence(0, D3D12_FENCE_FLAG_NONE, IID_PPV_ARGS(&fence)));
	HANDLE fenceEvent = CreateEventW(nullptr, FALSE, FALSE, nullptr);
	CHECK(fence->SetEventOnCompletion(1, fenceEvent));
	queue->EnqueueSignal(fence.Get(), 1);
	queue->Submit();
	WaitForSingleObject(fenceEvent, INFINITE);
	CloseHandle(fenceEvent);

	DSTORAGE_ERROR_RECORD errorRecord{};
	queue->RetrieveErrorRecord(&errorRecord);
	if (FAILED(errorRecord.FirstFailure.HResult)) {
		std::printf("The request failed: 0x%08lX\n", errorRecord.FirstFailure.HResult);
		return 1;
	}
	std::printf("%u bytes loaded\n", size);
	return 0;
}

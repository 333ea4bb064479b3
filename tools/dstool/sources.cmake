# SPDX-License-Identifier: MIT
# The sources of dstool, relative to this folder.
set(DSTOOL_SOURCES
	backends.c
	bench_file.c
	bench_io.c
	bench_report.c
	bench_run.c
	cmd_bench.c
	cmd_compress.c
	cmd_decompress.c
	cmd_info.c
	cmd_load.c
	file_io.c
	format.c
	format_gdeflate.c
	format_zstd.c
	json.c
	load_buffers.c
	load_report.c
	load_run.c
	load_verify.c
	main.c
	message.c
	options.c
	output.c
	parallel.c
	probe.c
	probe_cuda.c
	probe_host.c
	probe_uring.c
	probe_vulkan.c
	progress.c
	transfer.c
	walk.c)
if(DS_HAVE_ZSTD)
	list(APPEND DSTOOL_SOURCES zstd_codec.c)
endif()

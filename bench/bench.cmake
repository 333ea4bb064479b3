# SPDX-License-Identifier: MIT
# The benchmark programs; ds_bench() is in CMakeLists.txt.
ds_bench(bench_io
	SOURCES bench_io.c bench_bare.c bench_compare.c bench_fio.c bench_queue.c bench_util.c
	LIBS ds_runtime_static)

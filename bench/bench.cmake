# SPDX-License-Identifier: MIT
# The benchmark programs; ds_bench() is in CMakeLists.txt.
set(bench_common bench_compare.c bench_queue.c bench_util.c)

ds_bench(bench_io SOURCES bench_io.c bench_bare.c bench_fio.c ${bench_common})
ds_bench(bench_load SOURCES bench_load.c bench_corpus.c ${bench_common})
ds_bench(bench_codec SOURCES bench_codec.c
	LIBS $<$<BOOL:${DS_HAVE_LIBDEFLATE}>:PkgConfig::DS_LIBDEFLATE>)

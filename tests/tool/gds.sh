#!/bin/sh
# SPDX-License-Identifier: MIT
# doctor, load --to cuda and bench gds, on the simulated libraries and without any.
. "$(dirname "$0")/common.sh"
libraries=$programs/tests/fake/libraries
DSTOOL_LIBCUDA=$libraries/libcuda.so.1
DSTOOL_LIBCUFILE=$libraries/libcufile_new.so.0
export DSTOOL_LIBCUDA DSTOOL_LIBCUFILE
[ -e "$DSTOOL_LIBCUDA" ] || exit 77

make_noise noise 3000000

run 0 "$dstool" doctor noise
says "Simulated device 0" stdout
says "compatibility mode" stdout
says "noise: on" stdout
says "chunk 1 MiB (measured: 1 MiB 50.0," stdout
run 0 "$dstool" doctor --ask-cufile --json
says '"what": "cuFile reaches storage directly"' stdout
[ ! -e cufile.log ] || fail "cuFile's log lies in the working directory"

run 0 "$dstool" load --to cuda --verify noise
says "verified         3.0 MB" stdout
says "page_cache" stdout
says "chunk            1 MiB (measured: 1 MiB 50.0, 2 MiB 50.0, 4 MiB 50.0, 8 MiB 50.0 GB/s, in " stdout
# A model of two tensors: 8 bytes of length, the header, 24 bytes.
printf '\160\000\000\000\000\000\000\000%s%s' \
	'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},' \
	'"b":{"dtype":"U8","shape":[2,4],"data_offsets":[16,24]}} ' >m.safetensors
printf 'abcdefghijklmnopqrstuvwx' >>m.safetensors
run 0 "$dstool" load --to cuda --verify --json m.safetensors
says '"tensors": 2' stdout
says '"verified_bytes": 24' stdout
says '"chunk_bytes": 1048576' stdout
printf 'short' >bad.safetensors
run 1 "$dstool" load --to cuda bad.safetensors noise
says "bad.safetensors: it is too short" stderr
says "noise: 3.0 MB" stdout
run 1 "$dstool" load --to cuda missing

run 0 "$dstool" bench gds --dir . --size-mib 64 --rounds 1 --quick
says "best from the page cache" stdout
says "chosen: chunk 1 MiB (measured: 1 MiB 50.0," stdout
says "threads, chunks of 1 MiB: median " stdout
says "vectors of 1 KiB" stdout
# Copies that cost something each are made larger; and all sizes are tried.
export FAKE_CUDA_COPY_NS=2000
run 0 "$dstool" bench gds --dir . --size-mib 64 --rounds 1 --no-cold
unset FAKE_CUDA_COPY_NS
says "chosen: chunk 4 MiB (measured: 1 MiB 45.6, 2 MiB 47.7, 4 MiB 48.8, 8 MiB 49.4 GB/s, in " stdout
says "chosen without being told: " stdout
says "of the best chunk's there" stdout
run 0 "$dstool" bench gds --file noise --rounds 1 --quick --no-cold --json
says '"vector_4k_p50_us"' stdout
says '"chosen_chunk_nbytes": 1048576' stdout

export FAKE_CUDA_DEVICES=0
run 0 "$dstool" doctor
says "CUDA_VISIBLE_DEVICES" stdout
unset FAKE_CUDA_DEVICES
export FAKE_CUDA_INIT=999
run 1 "$dstool" load --to cuda noise
unset FAKE_CUDA_INIT
says "CUDA_ERROR_UNKNOWN" stderr
DSTOOL_LIBCUDA=/nonexistent/libcuda.so.1
run 0 "$dstool" doctor
says "install NVIDIA's driver" stdout
run 1 "$dstool" bench gds
says "no CUDA driver library" stderr

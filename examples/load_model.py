#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Loads a model's tensors, and tells what they are and how they came.

    load_model.py MODEL [DEVICE]

MODEL: a .safetensors file, a model.safetensors.index.json, or a folder; DEVICE: "cuda", "cpu", ...
"""
import sys

import ds_runtime


def main(path, device="auto"):
    manager = ds_runtime.Manager(device)
    load = manager.open(path).load(
        checksum=True, progress=lambda done, total: print(
            f"\r{100 * done / max(total, 1):3.0f} %", end="", file=sys.stderr))
    for name, tensor in load:
        shape = "x".join(map(str, tensor.shape)) or "scalar"
        print(f"{tensor.checksum:016x} {tensor.nbytes:12} {tensor.dtype!s:8} {shape:16} {name}")
    report = load.report
    print(f"\n{report.done_nbytes} bytes to {manager.device} in {report.seconds:.3f} s, "
          f"{report.bytes_per_second * 1e-9:.2f} GB/s, by {report.paths}", file=sys.stderr)
    if report.why:
        print(f"not faster, because: {report.why}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ds_runtime.Error as failure:
        sys.exit(f"load_model.py: {failure}")

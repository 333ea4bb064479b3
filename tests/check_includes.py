#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_includes.py: which folder may include what.

Reads the #include lines of every C file and fails for one that the table below does
not allow. All parts are compiled with src/ in their search path; this is what keeps
an engine from seeing the queue, or a tool from seeing the library's insides.

usage: check_includes.py PROJECT-FOLDER
"""
import pathlib
import re
import sys

STANDARD_HEADERS = {"stdbool.h", "stddef.h", "stdint.h"}
PUBLIC = r"ds_\w+\.h"
BASE = r"base/\w+\.h"
PARTS = r"(core|io|codec|device|backend|base)/[\w/]+\.h"
OWN_FOLDER = r"[\w-]+\.h"

# Folder -> the "..." includes that it may use. The longest matching folder counts.
RULES = {
    "include": [PUBLIC],
    "src/base": [BASE, PUBLIC],
    "src/core": [r"core/\w+\.h", BASE, PUBLIC],
    "src/io": [r"core/io_engine\.h", r"io/[\w/]+\.h", BASE],
    "src/codec": [r"core/codec\.h", r"codec/[\w/]+\.h", BASE, PUBLIC],
    "src/codec/gdeflate": [r"core/codec\.h", r"codec/gdeflate/[\w/]+\.h", BASE, PUBLIC],
    "src/gdeflate": [r"codec/gdeflate/memory\.h", r"gdeflate/\w+\.h", BASE, PUBLIC],
    "src/device": [r"core/device\.h", r"device/[\w/]+\.h", BASE, PUBLIC],
    "src/device/vulkan": [r"core/device\.h", r"device/(vulkan/[\w/]+|host)\.h", BASE, PUBLIC,
                          r"\w+\.spv\.inc"],
    "src/backend": [PARTS, PUBLIC],
    "src/gds": [PUBLIC, BASE, r"gds/[\w/]+\.h"],
    "layer": [PUBLIC, OWN_FOLDER, r"base/(list|util)\.h"],
    "tools": [PUBLIC, OWN_FOLDER],
    "examples": [PUBLIC],
    "bench": [PUBLIC, OWN_FOLDER],
    "fuzz": [PUBLIC, PARTS, OWN_FOLDER],
    "tests/conformance": [PUBLIC, r"(conformance|fake|support)/\w+\.h"],
    "tests/stress": [PUBLIC, OWN_FOLDER, r"(conformance|fake|stress|support)/\w+\.h"],
    "tests/unit": [PUBLIC, PARTS, OWN_FOLDER, r"(unit|fake|support)/\w+\.h"],
    "tests/fake": [PUBLIC, PARTS, r"(fake|support)/\w+\.h"],
    "tests/gds": [PUBLIC, r"(fake|gds|support)/\w+\.h"],
    "tests/model": [r"core/request\.h", OWN_FOLDER],
    "tests/support": [PUBLIC, BASE, r"support/\w+\.h"],
    "tests/tool": [PUBLIC, OWN_FOLDER, r"support/\w+\.h"],
    "tests/gpu": [r"codec/gdeflate/decode\.h", r"unit/test_gdeflate_util\.h", OWN_FOLDER,
                  r"\w+\.spv\.inc"],
    "tests/vulkan": [PUBLIC, BASE, OWN_FOLDER, r"(conformance|support)/\w+\.h"],
    "tests/layer": [PUBLIC, OWN_FOLDER, r"support/\w+\.h", r"layer/layer\.h"],
    "tests/install": [],
    # Declarations that old headers of D3D12 lack.
    "tests/wine": [r"dstorage/include/dstorage\.h", r"dstorage/pe/(d3d12_meta|interop)\.h",
                   OWN_FOLDER],
    "tests/wine/native_dll": [r"dstorage/include/dstorage\.h"],
    "tests/wine/native": [r"dstorage/(unix|pe)/\w+\.h", r"support/\w+\.h"],
    "wine/bench": [r"bench_wine_workload\.h", r"dstorage/include/dstorage\.h"],
    "wine/dstorage/include": [r"dstorageerr\.h"],
    "wine/dstorage/shared": [],
    "wine/dstorage/unix": [PUBLIC, r"dstorage/shared/\w+\.h", OWN_FOLDER],
    # Lists are plain C. Of the public headers only the numbers of results; see below.
    "wine/dstorage/pe": [r"base/list\.h", r"dstorage/(include|shared)/\w+\.h", OWN_FOLDER],
    "wine/dstorage/pe_core": [],
}

# Single files that may include more than their folder, and why.
EXCEPTIONS = {
    # What nvcc made.
    "src/device/cuda/kernels.c": [r"\w+\.fatbin\.inc"],
    # Times the reference decoder beside the one in use; only the latter is public.
    "bench/bench_codec.c": [r"codec/gdeflate/decode\.h"],
    # The recorder of the Vulkan device knows nothing of the system that it runs on.
    "wine/dstorage/pe/decode_vulkan.c": [r"device/vulkan/pipeline\.h"],
    # Turns one kind of result into the other.
    "wine/dstorage/pe/errors.c": [r"ds_runtime\.h"],
}

# Library header -> the files that may use it.
OUTSIDE = {
    r"liburing(\.h|/.*)": r"src/io/uring\w*\.[ch]",
    r"zstd\w*\.h": r"src/codec/zstd\.c|tools/dstool/zstd_codec\.c|wine/dstorage/unix/codecs\.c|"
                     r"tests/.*|bench/.*|fuzz/.*",
    r"vulkan/.*": r"(src/device/vulkan|layer)/.*|tests/(gpu|layer|vulkan|wine)/.*|"
                  r"wine/dstorage/pe/.*|examples/vulkan_.*",
    r"libdeflate\.h": r"bench/.*",
    r"cmocka\.h": r"tests/(unit|conformance)/.*",
}

# A unit test sees the inside of one folder of src.
ONE_FOLDER = ("tests/unit/", "fuzz/")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


def rule_of(path):
    """The allowed "..." includes of a file, or None where nothing is said."""
    for folder in sorted(RULES, key=len, reverse=True):
        if path.startswith(folder + "/"):
            return RULES[folder] + EXCEPTIONS.get(path, [])
    return None


def check_file(path, text):
    rule = rule_of(path)
    if rule is None:
        yield "lies in a folder that no rule names"
        return
    parts_seen = set()
    for kind, name in INCLUDE.findall(text):
        if kind == "<":
            if path.startswith("include/") and name not in STANDARD_HEADERS:
                yield f"includes <{name}>: public headers take standard ones only"
            for header, users in OUTSIDE.items():
                if re.fullmatch(header, name) and not re.fullmatch(users, path):
                    yield f"includes <{name}>, which is for {users}"
            if re.fullmatch(PUBLIC, name) and not path.startswith("tests/install/"):
                yield f'includes <{name}>: write "{name}" inside the project'
            continue
        if not any(re.fullmatch(allowed, name) for allowed in rule):
            yield f'includes "{name}", which its folder may not'
        part = re.match(r"(io|codec|device|backend|core)/(\w+)", name)
        if part and part.group(0) not in ("core/io_engine", "core/codec", "core/device"):
            parts_seen.add(part.group(1))
    if path.startswith(ONE_FOLDER) and len(parts_seen) > 1:
        yield "looks into more than one folder: " + ", ".join(sorted(parts_seen))


def main():
    root = pathlib.Path(sys.argv[1])
    tops = ("include", "src", "layer", "tools", "examples", "bench", "fuzz", "tests", "wine")
    files = sorted(f for top in tops for f in (root / top).rglob("*.[ch]"))
    nr_bad = 0
    for file in files:
        path = file.relative_to(root).as_posix()
        for complaint in check_file(path, file.read_text(encoding="utf-8")):
            print(f"{path}: {complaint}")
            nr_bad += 1
    print(f"{len(files)} files, {nr_bad} includes that are not allowed")
    return 1 if nr_bad or not files else 0


if __name__ == "__main__":
    sys.exit(main())

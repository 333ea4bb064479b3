#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_symbols.py: the library exports what its headers declare, and nothing else.

The shared library's dynamic symbols are compared with the functions declared DS_API
in the public headers, both ways; each must carry the version of the symbol map. The
archive's global symbols must all begin with ds_, so that linking it cannot clash.

usage: check_symbols.py [--nm NM] --shared LIB.so --static LIB.a INCLUDE-FOLDER
"""
import argparse
import pathlib
import re
import subprocess
import sys

VERSION = "DS_RUNTIME_0"


def declared_functions(folder):
    names = set()
    for header in sorted(pathlib.Path(folder).glob("*.h")):
        text = re.sub(r"/\*.*?\*/", " ", header.read_text(encoding="utf-8"), flags=re.S)
        text = re.sub(r"^\s*#.*?(?<!\\)$", " ", text, flags=re.M | re.S)
        for declaration in re.findall(r"\bDS_API\b([^;{]*);", text):
            name = re.search(r"\b(ds_\w+)\s*\(", declaration)
            if not name:
                sys.exit(f"{header}: cannot read the declaration{declaration}")
            names.add(name.group(1))
    return names


def symbols(nm, options, library):
    """(name, type) of each defined symbol; archive members' headings are left out."""
    out = subprocess.run([nm, *options, "--defined-only", library], check=True,
                         capture_output=True, text=True).stdout
    for line in out.splitlines():
        fields = line.split()
        if len(fields) == 3:
            yield fields[2], fields[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--shared", required=True)
    parser.add_argument("--static", required=True)
    parser.add_argument("include")
    args = parser.parse_args()
    bad = []

    declared = declared_functions(args.include)
    exported = set()
    for name, kind in symbols(args.nm, ["-D"], args.shared):
        base, _, version = name.partition("@@")
        if base == VERSION and kind == "A":
            continue
        exported.add(base)
        if version != VERSION:
            bad.append(f"{base}: exported with version '{version}', not {VERSION}")
    bad += [f"{name}: declared DS_API, not exported" for name in sorted(declared - exported)]
    bad += [f"{name}: exported, in no public header" for name in sorted(exported - declared)]
    bad += [f"{name}: global in the archive, without ds_"
            for name, _ in symbols(args.nm, ["-g"], args.static) if not name.startswith("ds_")]

    print("\n".join(bad))
    print(f"{len(declared)} functions declared, {len(exported)} exported, {len(bad)} faults")
    return 1 if bad or not declared else 0


if __name__ == "__main__":
    sys.exit(main())

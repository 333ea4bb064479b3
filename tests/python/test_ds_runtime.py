# SPDX-License-Identifier: MIT
"""
The Python package, in host memory and on a simulated CUDA device.

DS_RUNTIME_LIBRARY: the library; DS_FAKE_CUDA: the simulated libcuda, or "real" for the machine's own;
DSTOOL: the command; CC, DS_INCLUDE: a C compiler, and where the headers are.

    test_ds_runtime.py core|numpy|torch

"core" needs nothing else; the other two exit with 77 where the package is missing.
"""
import array
import contextlib
import ctypes
import gc
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

import ds_runtime
from ds_runtime import _library, _tensor

try:
    import numpy
except ImportError:
    numpy = None
try:
    import torch
except ImportError:
    torch = None

FAKE = os.environ["DS_FAKE_CUDA"]
DEVICE = {} if FAKE == "real" else {"cuda_library": FAKE}


def random_bytes(nbytes, seed=1):
    return random.Random(seed).randbytes(nbytes)


# Types, shapes, and an odd size in the middle: what follows is not aligned in the file.
TENSORS = {
    "layers.0.weight": ("F32", (300, 100)),
    "layers.0.bias": ("F16", (77,)),
    "layers.1.odd": ("U8", (333,)),
    "layers.1.weight": ("BF16", (20, 10)),
    "head": ("F64", (3, 4, 5)),
    "scale": ("F32", ()),
    "nothing": ("I64", (0, 3)),
    "small": ("F8_E4M3", (64,)),
}
BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "U8": 8, "I64": 64, "F8_E4M3": 8}


def count_bytes(dtype, shape):
    n = BITS[dtype] // 8
    for dim in shape:
        n *= dim
    return n


def write_model(path, tensors, seed=1):
    """Returns the bytes of each tensor."""
    header, contents, data = {}, {}, b""
    for i, (name, (dtype, shape)) in enumerate(tensors.items()):
        contents[name] = random_bytes(count_bytes(dtype, shape), seed + i)
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(contents[name])]}
        data += contents[name]
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
    return contents


class OnDevice:
    """The same for each device; see the classes at the end."""

    device = None
    options = {}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "model.safetensors")
        self.contents = write_model(self.path, TENSORS)
        self.manager = self.make()
        self.model = self.manager.open(self.path)
        # Some versions of torch keep exports without elements for ever.
        self.exports_before = len(_tensor._exports)

    def make(self, **options):
        return ds_runtime.Manager(self.device, **self.options, **options)

    def pattern_file(self, nbytes, name="data"):
        path = os.path.join(self.folder, name)
        contents = random_bytes(nbytes)
        with open(path, "wb") as f:
            f.write(contents)
        return path, contents

    def require(self, tensors):
        for name, tensor in tensors.items():
            self.assertEqual(tensor.tobytes(), self.contents[name], name)

    def test_describes(self):
        self.assertEqual(list(self.model.names()), list(TENSORS))
        self.assertEqual(len(self.model), len(TENSORS))
        self.assertIn("head", self.model)
        self.assertEqual(self.model.shape("head"), (3, 4, 5))
        self.assertEqual(self.model.dtype("layers.1.weight").name, "BF16")
        self.assertEqual(self.model.nbytes(), sum(map(len, self.contents.values())))
        self.assertEqual(self.manager.device, "cpu" if self.device == "cpu" else "cuda:0")

    def test_loads_all(self):
        load = self.model.load()
        self.assertIs(load.wait(), load)
        self.require(load.tensors)
        self.assertEqual(len(load), len(TENSORS))
        self.assertTrue(load.done)
        self.assertEqual(load["head"].shape, (3, 4, 5))
        for tensor in load.tensors.values():
            self.assertEqual(tensor.address % max(tensor.dtype.bits // 8, 1), 0)
        report = load.report
        self.assertEqual(report.result, "DS_OK")
        self.assertEqual(report.done_nbytes, self.model.nbytes())
        self.assertEqual(sum(report.paths.values()), self.model.nbytes())
        self.assertEqual(load.progress(), (self.model.nbytes(),) * 2)

    def test_chooses(self):
        self.assertEqual(list(self.model.load("layers.0.*").wait().tensors),
                         ["layers.0.weight", "layers.0.bias"])
        load = self.model.load(["head", "layers.1.odd"])
        self.require(dict(load))
        self.assertEqual(list(load.tensors), ["head", "layers.1.odd"])
        with self.assertRaises(KeyError):
            self.model.load(["nobody"])

    def test_iterates(self):
        self.require(dict(self.model))
        self.require(dict(self.model.iterate(batch_nbytes=1)))
        for name, tensor in self.model.iterate(batch_nbytes=1):
            break  # the rest is cancelled
        self.assertEqual(name, "layers.0.weight")
        del tensor
        gc.collect()
        self.assertEqual(self.manager.stats()["pool_in_use"], 0)

    def test_iterates_in_a_small_pool(self):
        manager = self.make(pool_nbytes=128 << 10)
        model = manager.open(self.path)
        names = []
        for name, tensor in model.iterate(batch_nbytes=1):
            self.assertEqual(tensor.tobytes(), self.contents[name])
            names.append(name)
            del tensor
        self.assertEqual(names, list(TENSORS))
        with self.assertRaises(ds_runtime.OutOfMemory):
            self.make(pool_nbytes=4096).open(self.path).load()

    def test_reads_shards(self):
        halves = {"model-1.safetensors": dict(list(TENSORS.items())[:4]),
                  "model-2.safetensors": dict(list(TENSORS.items())[4:])}
        folder = os.path.join(self.folder, "sharded")
        os.mkdir(folder)
        places = {}
        self.contents = {}
        for i, (name, tensors) in enumerate(halves.items()):
            self.contents |= write_model(os.path.join(folder, name), tensors, 100 * i)
            places |= dict.fromkeys(tensors, name)
        with open(os.path.join(folder, "model.safetensors.index.json"), "w") as f:
            json.dump({"weight_map": places}, f)
        self.require(dict(self.manager.open(folder)))

    def test_checksums(self):
        load = self.model.load(checksum=True).wait()
        sums = {name: tensor.checksum for name, tensor in load.tensors.items()}
        again = self.model.load(list(reversed(TENSORS)), checksum=True).wait()
        self.assertEqual(sums, {name: t.checksum for name, t in again.tensors.items()})
        self.assertEqual(len(set(sums.values())), len(sums))

    def test_frees_memory(self):
        load = self.model.load().wait()
        self.assertGreater(self.manager.stats()["pool_in_use"], 0)
        one = load["scale"]
        del load
        gc.collect()
        self.assertGreater(self.manager.stats()["pool_in_use"], 0)
        self.assertEqual(one.tobytes(), self.contents["scale"])
        del one
        gc.collect()
        self.assertEqual(self.manager.stats()["pool_in_use"], 0)

    def test_outlives_its_manager(self):
        tensor = self.model.load().wait()["head"]
        del self.model, self.manager
        gc.collect()
        self.assertEqual(tensor.tobytes(), self.contents["head"])

    def test_loads_into_buffers(self):
        to = {name: bytearray(len(self.contents[name])) for name in TENSORS}
        self.model.load_into(to).wait()
        self.assertEqual(to, self.contents)
        # The buffer is the caller's again.
        to["head"] += b"x"

    def test_loads_into_tensors(self):
        first = self.model.load(["head"]).wait()
        empty = self.manager.open_file(self.path).load(nbytes=len(self.contents["head"])).wait()
        (tensor,) = empty.tensors.values()
        self.assertNotEqual(tensor.tobytes(), self.contents["head"])
        self.model.load_into({"head": tensor}).wait()
        self.assertEqual(tensor.tobytes(), first["head"].tobytes())

    def test_refuses_destinations(self):
        nbytes = len(self.contents["head"])
        for wrong, why in ((bytearray(nbytes - 1), ValueError), (bytes(nbytes), ValueError),
                           (memoryview(bytearray(2 * nbytes))[::2], ValueError),
                           (None, TypeError), ([0] * nbytes, TypeError)):
            with self.assertRaises(why):
                self.model.load_into({"head": wrong})
        with self.assertRaises(KeyError):
            self.model.load_into({"nobody": bytearray(1)})

    def test_tells_progress(self):
        path, contents = self.pattern_file(20 << 20)
        seen = []
        load = self.manager.open_file(path).load(
            progress=lambda done, total: seen.append((done, total, threading.get_ident())))
        self.assertEqual(load.wait()[path].tobytes(), contents)
        self.assertEqual(seen[-1][:2], (len(contents), len(contents)))
        self.assertEqual([done for done, *_ in seen], sorted(done for done, *_ in seen))

    def test_raises_what_progress_raises(self):
        def progress(done, total):
            raise KeyError("mine")

        path, _ = self.pattern_file(20 << 20)
        load = self.manager.open_file(path).load(progress=progress)
        with self.assertRaises(KeyError):
            load.wait()

    def test_cancels(self):
        path, _ = self.pattern_file(24 << 20)
        file = self.manager.open_file(path)
        nr_cancelled = 0
        for _ in range(8):
            load = file.load()
            if load.cancel():
                nr_cancelled += 1
                self.assertTrue(load.done)
                with self.assertRaises(ds_runtime.Cancelled):
                    load.wait()
            else:
                load.wait()
        self.assertGreater(nr_cancelled, 0)
        self.assertEqual(self.manager.stats()["jobs_cancelled"], nr_cancelled)

    def test_times_out(self):
        path, _ = self.pattern_file(24 << 20)
        load = self.manager.open_file(path).load()
        with contextlib.suppress(TimeoutError):
            load.wait(timeout=0)
        load.wait(timeout=60)

    def test_drops_loads(self):
        path, _ = self.pattern_file(24 << 20)
        file = self.manager.open_file(path)
        for _ in range(4):
            file.load()
        gc.collect()
        self.assertEqual(self.manager.stats()["pool_in_use"], 0)

    def test_serves_threads(self):
        failures = []

        def work():
            try:
                for _ in range(5):
                    self.require(dict(self.model.load()))
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_reads_files(self):
        path, contents = self.pattern_file(100000)
        file = self.manager.open_file(path)
        self.assertEqual(len(file), len(contents))
        self.assertEqual(file.info()["nbytes"], len(contents))
        self.assertEqual(file.load(777, 5000).wait()[path].tobytes(), contents[777:5777])
        to = bytearray(5000)
        file.load(1, 5000, into=to).wait()
        self.assertEqual(to, contents[1:5001])
        with self.assertRaises(ds_runtime.Error) as caught:
            file.load(99999, 2).wait()
        self.assertEqual(caught.exception.name, "DS_ERR_END_OF_FILE")

    def test_decodes(self):
        path, contents = self.pattern_file(1 << 20)
        subprocess.run([os.environ["DSTOOL"], "compress", path, path + ".gdeflate"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        file = self.manager.open_file(path + ".gdeflate")
        load = file.load(codec="gdeflate", uncompressed_nbytes=len(contents)).wait()
        self.assertEqual(load[file.path].tobytes(), contents)

    def test_gathers_vectors(self):
        path, contents = self.pattern_file(64000)
        vectors = self.manager.open_file(path).vectors(32, "F32")
        indices = [7, 3, 3, 499, 0]
        wanted = b"".join(contents[i * 128:(i + 1) * 128] for i in indices)
        for given in (indices, array.array("I", indices), range(7, 8)):
            load = vectors.prefetch(given).wait()
            self.assertEqual(load["vectors"].tobytes(), wanted[:128 * len(given)])
            self.assertEqual(load["vectors"].shape, (len(given), 32))
        to = bytearray(len(wanted))
        vectors.prefetch(indices, into=to).wait()
        self.assertEqual(to, wanted)
        self.assertEqual(vectors.read(10, 5).wait()["vectors"].tobytes(), contents[1280:1920])
        with self.assertRaises(ds_runtime.Error) as caught:
            vectors.prefetch([500]).wait()
        self.assertEqual(caught.exception.name, "DS_ERR_OUT_OF_RANGE")

    def test_tells_what_is_wrong(self):
        with self.assertRaises(FileNotFoundError) as caught:
            self.manager.open(os.path.join(self.folder, "nobody"))
        self.assertIsInstance(caught.exception, ds_runtime.Error)
        with self.assertRaises(FileNotFoundError):
            self.manager.open_file(os.path.join(self.folder, "nobody"))
        path, _ = self.pattern_file(1000)
        with self.assertRaises(ds_runtime.Error) as caught:
            self.manager.open(path)
        self.assertEqual(caught.exception.name, "DS_ERR_CORRUPT_DATA")
        for wrong in ("cpu:1", "gpu", "cuda:x", ""):
            with self.assertRaises(ValueError):
                ds_runtime.Manager(wrong)
        with self.assertRaises(ds_runtime.Error) as caught:
            ds_runtime.Manager("cuda", cuda_library="/nonexistent/libcuda.so.1")
        self.assertEqual(caught.exception.name, "DS_ERR_UNAVAILABLE")
        self.assertIn("libcuda", str(caught.exception))

    def test_counts(self):
        self.model.load().wait()
        stats = self.manager.stats()
        self.assertEqual(stats["jobs_completed"], 1)
        self.assertEqual(stats["nbytes"], self.model.nbytes())
        self.manager.reset_stats()
        self.assertEqual(self.manager.stats()["nbytes"], 0)
        self.assertGreater(self.manager.calibrate() if self.device != "cpu" else 1, 0)
        self.assertIn("device_name", self.manager.info())

    def test_chooses_its_chunk(self):
        if self.device == "cpu":
            self.assertEqual(self.manager.info()["why_chunk"], "")
            return
        info = self.manager.info()
        self.assertIn("measured: 1 MiB", info["why_chunk"])
        self.assertIn(info["chunk_nbytes"], [1 << 20, 2 << 20, 4 << 20, 8 << 20])
        self.assertIn("the configuration says so", self.make(measure=False).info()["why_chunk"])
        info = self.make(chunk_nbytes=512 << 10).info()
        self.assertEqual((info["chunk_nbytes"], info["why_chunk"]), (512 << 10, "given"))

    def test_gives_numpy(self):
        load = self.model.load().wait()
        for name, tensor in load.tensors.items():
            if tensor.dtype.typestr is None:
                with self.assertRaises(TypeError):
                    tensor.numpy()
                tensor = tensor.as_bytes()
            values = tensor.numpy()
            self.assertEqual(values.shape, tensor.shape)
            self.assertEqual(values.dtype.str, tensor.dtype.typestr)
            self.assertEqual(values.tobytes(), self.contents[name])
            self.assertTrue(values.flags.writeable)

    def test_loads_into_numpy(self):
        to = numpy.zeros((3, 4, 5))
        self.model.load_into({"head": to}).wait()
        self.assertEqual(to.tobytes(), self.contents["head"])
        with self.assertRaises(ValueError):
            self.model.load_into({"head": numpy.zeros((3, 5, 4)).transpose(0, 2, 1)})
        indices = numpy.array([3, 1], dtype=numpy.int64)
        path, contents = self.pattern_file(1024)
        load = self.manager.open_file(path).vectors(16, "U8").prefetch(indices).wait()
        self.assertEqual(load["vectors"].tobytes(), contents[48:64] + contents[16:32])

    def test_drops_capsules(self):
        tensor = self.model.load(["head"]).wait()["head"]
        capsule = tensor.__dlpack__()
        self.assertEqual(len(_tensor._exports), self.exports_before + 1)
        del tensor, capsule
        gc.collect()
        self.assertEqual(len(_tensor._exports), self.exports_before)
        self.assertEqual(self.manager.stats()["pool_in_use"], 0)

    def test_takes_dlpack(self):
        class Wrapped:  # nothing but DLPack
            def __init__(self, tensor):
                self.__dlpack__ = tensor.__dlpack__

        tensor = self.manager.open_file(self.path).load(
            nbytes=len(self.contents["head"])).wait().tensors.popitem()[1]
        self.model.load_into({"head": Wrapped(tensor)}).wait()
        self.assertEqual(tensor.tobytes(), self.contents["head"])
        gc.collect()
        self.assertEqual(len(_tensor._exports), self.exports_before)


class Layout(unittest.TestCase):
    """The structs are those of the header."""

    STRUCTS = {"ds_gds_config": _library.GdsConfig, "ds_gds_info": _library.Info,
               "ds_gds_manager_config": _library.ManagerConfig,
               "ds_gds_file_info": _library.FileInfo, "ds_gds_job_config": _library.JobConfig,
               "ds_gds_range": _library.Range, "ds_gds_vectors": _library.Vectors,
               "ds_gds_item": _library.Item, "ds_gds_report": _library.Report,
               "ds_gds_stats": _library.Stats,
               "ds_safetensors_tensor": _library.SafetensorsTensor}

    def test_is_the_header_s(self):
        lines, expected = [], []
        for name, struct_ in self.STRUCTS.items():
            lines.append(f"sizeof(struct {name})")
            expected.append(ctypes.sizeof(struct_))
            for field, *_ in struct_._fields_:
                lines.append(f"offsetof(struct {name}, {field})")
                expected.append(getattr(struct_, field).offset)
        prints = "\n".join(f'printf("%zu\\n", {line});' for line in lines)
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "layout.c")
            with open(source, "w") as f:
                f.write("#include <stddef.h>\n#include <stdio.h>\n"
                        '#include "ds_runtime_gds.h"\n'
                        f"int main(void)\n{{\n{prints}\nreturn 0;\n}}\n")
            subprocess.run([os.environ["CC"], "-I", os.environ["DS_INCLUDE"], source, "-o",
                            source + ".out"], check=True)
            output = subprocess.run([source + ".out"], check=True, capture_output=True)
        found = list(map(int, output.stdout.split()))
        self.assertEqual(dict(zip(lines, found)), dict(zip(lines, expected)))


class InHostMemory(OnDevice, unittest.TestCase):
    device = "cpu"

    def test_shares_with_numpy(self):
        tensor = self.model.load(["head"]).wait()["head"]
        for share in (numpy.asarray, numpy.from_dlpack):
            values = share(tensor)
            self.assertEqual(values.ctypes.data, tensor.address)
            del tensor
            gc.collect()
            self.assertEqual(values.tobytes(), self.contents["head"])
            del values
            gc.collect()
            self.assertEqual(len(_tensor._exports), self.exports_before)
            tensor = self.model.load(["head"]).wait()["head"]

    def test_shares_with_torch(self):
        load = self.model.load().wait()
        for name, tensor in load.tensors.items():
            if tensor.dtype.torch and hasattr(torch, tensor.dtype.torch):
                values = tensor.torch()
                self.assertEqual(values.dtype, getattr(torch, tensor.dtype.torch))
                self.assertEqual(tuple(values.shape), tensor.shape)
                self.assertEqual(values.data_ptr(), tensor.address if tensor.nbytes else 0)
                self.assertEqual(values.contiguous().view(torch.uint8).numpy().tobytes()
                                 if values.dim() and values.numel() else tensor.tobytes(),
                                 self.contents[name])
        del load, tensor, values
        gc.collect()
        self.assertEqual(self.manager.stats()["pool_in_use"], 0)

    def test_loads_into_torch(self):
        to = torch.zeros(20, 10, dtype=torch.bfloat16)
        self.model.load_into({"layers.1.weight": to}).wait()
        self.assertEqual(to.view(torch.int16).numpy().tobytes(), self.contents["layers.1.weight"])

    def test_ends_with_memory_that_numpy_shares(self):
        """What others still hold when the interpreter ends must not call back into it."""
        program = ("import sys, numpy, ds_runtime\n"
                   "m = ds_runtime.open(sys.argv[1], 'cpu')\n"
                   "sys.modules['kept'] = numpy.from_dlpack(m.load(['head']).wait()['head'])\n"
                   "running = m.load()\n")
        done = subprocess.run([sys.executable, "-c", program, self.path], capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))


class OnCuda(OnDevice, unittest.TestCase):
    device = "cuda"
    options = DEVICE

    def test_tells_where_it_is(self):
        tensor = self.model.load(["head"]).wait()["head"]
        self.assertEqual(tensor.__dlpack_device__(), (2, 0))
        described = tensor.__cuda_array_interface__
        self.assertEqual(described["data"], (tensor.address, False))
        self.assertEqual((described["shape"], described["typestr"]), ((3, 4, 5), "<f8"))
        self.assertFalse(hasattr(tensor, "__array_interface__"))
        with self.assertRaises(BufferError):
            tensor.__dlpack__(dl_device=(1, 0))

    def test_takes_cuda_arrays(self):
        class Wrapped:
            def __init__(self, tensor):
                self.__cuda_array_interface__ = tensor.__cuda_array_interface__

        tensor = self.model.load(["head"]).wait()["head"]
        self.model.load_into({"head": Wrapped(tensor)}).wait()
        self.assertEqual(tensor.tobytes(), self.contents["head"])
        with self.assertRaises(ValueError):
            self.model.load_into({"head": tensor, "scale": bytearray(4)})

    @unittest.skipUnless(FAKE == "real", "needs a real device")
    def test_shares_with_torch(self):
        for name, tensor in self.model:
            if tensor.dtype.torch and hasattr(torch, tensor.dtype.torch) and tensor.nbytes:
                values = tensor.torch()
                self.assertTrue(values.is_cuda)
                self.assertEqual(values.flatten().view(torch.uint8).cpu().numpy().tobytes(),
                                 self.contents[name])
        to = torch.zeros(3, 4, 5, dtype=torch.float64, device="cuda")
        self.model.load_into({"head": to}).wait()
        self.assertEqual(to.cpu().numpy().tobytes(), self.contents["head"])


def wanted(test, part):
    name = test.id().rpartition(".")[2]
    return part == next((p for p in ("numpy", "torch") if p in name), "core")


def tests_of(part):
    suite = unittest.TestSuite()
    loader = unittest.defaultTestLoader
    for case in (Layout, InHostMemory, OnCuda):
        suite.addTests(t for t in loader.loadTestsFromTestCase(case) if wanted(t, part))
    return suite


def main(part):
    if part != "core" and not globals()[part]:
        print(f"skipped: {part} is not installed")
        return 77
    result = unittest.TextTestRunner(verbosity=2).run(tests_of(part))
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

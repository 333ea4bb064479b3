# SPDX-License-Identifier: MIT
"""The manager, what it opens, and the loads that it runs."""
import array
import ctypes
import fnmatch
import os
import threading
from collections import deque
from ctypes import byref, c_uint64, c_void_p
from typing import NamedTuple

from . import _library as c
from ._library import Handle, User, check, lib
from ._tensor import Memory, Tensor, destination_of, dtype_of

_TICK_NS = 100_000_000  # how often a wait looks whether the interpreter wants something
_ALIGNMENT = 4096


def _ceil(n, to):
    return -(-n // to) * to


class Report(NamedTuple):
    """How a load went."""

    result: str  # "DS_OK", ...
    done_nbytes: int
    total_nbytes: int
    paths: dict  # bytes by the way they took: "gds", "direct", "page_cache", "gathered", "host"
    operations: int
    seconds: float
    cpu_seconds: float
    bytes_per_second: int
    ceiling_bytes_per_second: int  # 0: Manager.calibrate() was never called
    why: str  # not on a faster path
    error: str


def _paths(nbytes):
    return {name: n for name, n in zip(c.PATHS, nbytes) if n}


def _guarded(progress, failures):
    """For the C side: an exception cancels the load, and is raised again by wait()."""
    def callback(_, job, done, total):
        try:
            if not failures:
                progress(done, total)
        except BaseException as failure:
            failures.append(failure)
            lib.ds_gds_job_cancel(job)
    return c.Progress(callback)


class Load(User):
    """
    Something on its way to memory. wait() for it, or iterate: (name, tensor).

    `tensors` maps names to tensors, whose bytes are there only after wait() has returned.
    """

    _job = None

    def __init__(self, handle, start, tensors, is_host, held, progress=None, checksum=False,
                 priority=None):
        self.tensors = tensors
        self._hold(handle)
        self._held = held  # files and others' memory, until the end
        self._job = c_void_p()
        self._failures = []  # of the progress function
        self._end = threading.Lock()
        # Kept as long as the job: the C side calls it.
        self._callback = _guarded(progress, self._failures) if progress else c.Progress()
        config = c.JobConfig(flags=c.JOB_CHECKSUM if checksum else 0,
                             priority=c.PRIORITIES[priority],
                             memory=c.MEMORY_HOST if is_host else c.MEMORY_DEVICE,
                             progress=self._callback)
        self._has_checksums = checksum
        check(start(byref(config), byref(self._job)), "starting a load")

    def __del__(self):
        if self._job:
            lib.ds_gds_job_destroy(self._job)
        self._drop()

    def __iter__(self):
        self.wait()
        return iter(self.tensors.items())

    def __getitem__(self, name):
        return self.tensors[name]

    def __len__(self):
        return len(self.tensors)

    @property
    def done(self):
        return lib.ds_gds_job_progress(self._job, None, None)

    def progress(self):
        """(bytes that are there, bytes in all)"""
        done, total = c_uint64(), c_uint64()
        lib.ds_gds_job_progress(self._job, byref(done), byref(total))
        return done.value, total.value

    def cancel(self):
        """
        Returns when nothing is written any more. False: the load had ended before.
        """
        return lib.ds_gds_job_cancel(self._job)

    def wait(self, timeout=None):
        """
        The load itself, once everything is there; raises if it failed. timeout: seconds.

        Other threads run meanwhile. An exception such as KeyboardInterrupt leaves the load running.
        """
        left = c.WAIT_FOREVER if timeout is None else max(int(timeout * 1e9), 0)
        while True:
            tick = min(left, _TICK_NS)
            code = lib.ds_gds_job_wait(self._job, tick)
            if code != c.ERR_TIMEOUT:
                break
            left -= tick if timeout is not None else 0
            if not left:
                raise TimeoutError("the load has not ended yet")
        if self._failures:
            raise self._failures[0]
        if code:
            raise c.error("load", code, self.report.error)
        self._finish()
        return self

    def _finish(self):
        with self._end:
            if self._held is None:
                return
            self._held = None
            if not self._has_checksums:
                return
            for i, tensor in enumerate(self.tensors.values()):
                item = c.Item()
                if not lib.ds_gds_job_get_item(self._job, i, byref(item)):
                    tensor.checksum = item.checksum

    @property
    def report(self):
        """How it went; None while it runs."""
        r = c.Report()
        code = lib.ds_gds_job_get_report(self._job, byref(r))
        if code:
            return None
        return Report(lib.ds_result_name(r.result).decode(), r.done_nbytes, r.total_nbytes,
                      _paths(r.path_nbytes), r.operations, r.elapsed_ns * 1e-9, r.cpu_ns * 1e-9,
                      r.bytes_per_second, r.ceiling_bytes_per_second, r.why.decode(),
                      r.error.decode())


class File(User):
    """A file that is open for the manager."""

    _file = None

    def __init__(self, manager, path):
        self._manager = manager
        self._hold(manager._handle)
        self._file = c_void_p()
        self.path = os.fspath(path)
        check(lib.ds_gds_file_open(self._handle.value, os.fsencode(path), byref(self._file)),
              str(path))

    def __del__(self):
        if self._file:
            lib.ds_gds_file_close(self._file)
        self._drop()

    def info(self):
        """What is known of it: size, what is cached, which path a load would take, and why."""
        i = c.FileInfo()
        check(lib.ds_gds_file_get_info(self._file, byref(i)), self.path)
        return {"nbytes": i.nbytes, "cached_nbytes": i.cached_nbytes, "alignment": i.alignment,
                "path": c.PATHS[i.path], "file_system": i.file_system.decode(),
                "why": i.why.decode()}

    def __len__(self):
        return self.info()["nbytes"]

    def load(self, offset=0, nbytes=None, into=None, codec=None, uncompressed_nbytes=0,
             **options):
        """
        Bytes of the file; a Load with one tensor, named by the path.

        into: an array, tensor or buffer to fill; else memory of the pool. codec: "gdeflate" or
        "zstd", with the size of what comes out. options: progress, checksum, priority.
        """
        if nbytes is None:
            nbytes = len(self) - offset
        room = uncompressed_nbytes if codec else nbytes
        manager = self._manager
        tensor, held = manager._room(self.path, dtype_of("U8"), (room,), into)
        ranges = [c.Range(self._file, offset, nbytes, tensor.address, c.CODECS[codec], 0,
                          uncompressed_nbytes)]
        return manager._load(ranges, {self.path: tensor}, tensor.is_host, (self, held), options)

    def vectors(self, dim, dtype="F32", offset=0, stride_nbytes=0, count=0):
        """The file, or a part of it, as vectors of dim elements."""
        return Vectors(self, dim, dtype_of(dtype), offset, stride_nbytes, count)


class Vectors:
    """Vectors of one size in a file."""

    def __init__(self, file, dim, dtype, offset, stride_nbytes, count):
        self.dim = dim
        self.dtype = dtype
        self._file = file
        self._set = c.Vectors(file=file._file, offset=offset,
                              vector_nbytes=dim * dtype.bits // 8,
                              stride_nbytes=stride_nbytes, nr_vectors=count)

    def _start(self, call, nr, into, options):
        tensor, held = self._file._manager._room("vectors", self.dtype, (nr, self.dim), into)
        return Load(self._file._handle,
                    lambda config, job: call(tensor.address, config, job),
                    {"vectors": tensor}, tensor.is_host, (self._file, held), **options)

    def prefetch(self, indices, into=None, **options):
        """Vectors by their index, in any order; row i of the result is vector indices[i]."""
        wanted = array.array("Q", indices)
        pointer, nr = wanted.buffer_info()
        return self._start(lambda address, config, job: lib.ds_gds_prefetch_vectors(
            self._file._handle.value, byref(self._set), pointer, nr, address, config, job),
            nr, into, options)

    def read(self, first, nr, into=None, **options):
        """The vectors [first, first + nr)."""
        return self._start(lambda address, config, job: lib.ds_gds_read_vectors(
            self._file._handle.value, byref(self._set), first, nr, address, config, job),
            nr, into, options)


class Model(User):
    """
    A model of safetensors: a file, a model.safetensors.index.json, or a folder with either.

    Iterating gives (name, tensor), in the order of the files, and reads ahead meanwhile.
    """

    _model = None

    def __init__(self, manager, path):
        self._manager = manager
        self._hold(manager._handle)
        self._model = c_void_p()
        why = ctypes.create_string_buffer(256)
        code = lib.ds_safetensors_open(os.fsencode(path), why, len(why), byref(self._model))
        check(code, str(path), why.value.decode())
        self._entries = {}
        for i in range(lib.ds_safetensors_count(self._model)):
            entry = c.SafetensorsTensor()
            check(lib.ds_safetensors_get(self._model, i, byref(entry)))
            self._entries[entry.name.decode()] = entry
        self._files = [File(manager, os.fsdecode(lib.ds_safetensors_file(self._model, i)))
                       for i in range(lib.ds_safetensors_count_files(self._model))]

    def __del__(self):
        if self._model:
            lib.ds_safetensors_close(self._model)
        self._drop()

    def __len__(self):
        return len(self._entries)

    def __contains__(self, name):
        return name in self._entries

    def names(self):
        return self._entries.keys()

    def shape(self, name):
        entry = self._entries[name]
        return tuple(entry.dims[:entry.nr_dims])

    def dtype(self, name):
        entry = self._entries[name]
        return dtype_of(entry.dtype.decode(), entry.bits)

    def nbytes(self, name=None):
        """Of a tensor, or of all."""
        if name is not None:
            return self._entries[name].nbytes
        return sum(entry.nbytes for entry in self._entries.values())

    def _chosen(self, names):
        if names is None:
            return list(self._entries)
        if isinstance(names, str):
            return [n for n in self._entries if fnmatch.fnmatchcase(n, names)]
        return [n for n in names if self._entries[n]]

    def load(self, names=None, **options):
        """
        Begins to load tensors into one piece of memory of the pool; returns a Load.

        names: None for all, a pattern as of a shell ("layers.0.*"), or names. options: progress
        (a function of the bytes done and in all, called on another thread), checksum, priority.
        """
        names = self._chosen(names)
        separate = options.get("checksum", False)
        places, ranges, room = [], [], 0
        for name in names:
            e = self._entries[name]
            last = ranges[-1] if ranges else None
            # What is adjacent in the file is read at once, as far as elements stay aligned.
            if (last and not separate and last[0] == e.file and last[1] + last[2] == e.offset
                    and (room - last[3]) == last[2] and room % max(e.bits // 8, 1) == 0):
                last[2] += e.nbytes
            else:
                room = _ceil(room, _ALIGNMENT)
                ranges.append([e.file, e.offset, e.nbytes, room])
            places.append(room)
            room += e.nbytes
        manager = self._manager
        memory = Memory(self._handle, room)
        tensors = {name: Tensor(name, self.dtype(name), self.shape(name),
                                memory.address + place, memory, manager.device, self._handle)
                   for name, place in zip(names, places)}
        ranges = [c.Range(self._files[file]._file, offset, nbytes, memory.address + place)
                  for file, offset, nbytes, place in ranges]
        return manager._load(ranges, tensors, manager.is_host, (self, memory), options)

    def load_into(self, destinations, **options):
        """
        Begins to load tensors into the caller's memory; returns a Load, which is to be waited for.

        destinations: names to arrays, tensors or buffers of the same size in bytes: numpy's,
        torch's, whatever has a buffer, __dlpack__ or __cuda_array_interface__. All in host memory,
        or all on the manager's device.
        """
        ranges, tensors, held = [], {}, [self]
        where = set()
        for name, obj in destinations.items():
            e = self._entries[name]
            to = destination_of(obj)
            if to.nbytes != e.nbytes:
                raise ValueError(f"{name} has {e.nbytes} bytes, its destination {to.nbytes}")
            where.add(to.is_host)
            held.append(to)
            ranges.append(c.Range(self._files[e.file]._file, e.offset, e.nbytes, to.address))
            tensors[name] = Tensor(name, self.dtype(name), self.shape(name), to.address, to,
                                   "cpu" if to.is_host else self._manager.device, self._handle)
        if len(where) > 1:
            raise ValueError("some destinations are in host memory, some in the device's")
        return self._manager._load(ranges, tensors, where != {False}, tuple(held), options)

    def __iter__(self):
        return self.iterate()

    def iterate(self, names=None, batch_nbytes=1 << 30, **options):
        """
        (name, tensor), of which at most two batches are in memory that nobody has taken yet.

        A tensor's memory is its batch's: that is freed when the last tensor of it is dropped.
        """
        batches = self._batches(self._chosen(names), batch_nbytes)
        under_way = deque()
        try:
            while batches or under_way:
                while batches and len(under_way) < 2:
                    try:
                        under_way.append(self.load(batches[0], **options))
                    except c.OutOfMemory:
                        if not under_way:
                            raise
                        break  # the caller may drop some before the next one
                    batches.popleft()
                yield from under_way.popleft()
        finally:
            for load in under_way:
                load.cancel()

    def _batches(self, names, batch_nbytes):
        batches, room = deque(), 0
        for name in names:
            nbytes = self._entries[name].nbytes
            if not batches or room + nbytes > batch_nbytes:
                batches.append([])
                room = 0
            batches[-1].append(name)
            room += nbytes
        return batches


class Manager(User):
    """
    Threads, a pool of memory, and a device: "cuda", "cuda:N", "cpu" (host memory), or "auto"
    (the first CUDA device, or host memory where there is none).

    May be used by several threads. pool_nbytes is a hard limit; with max_concurrent loads at once the
    others wait. Without chunk_nbytes a size that suits the device is measured at the start, in some
    milliseconds; measure=False leaves that out. info()["why_chunk"] tells what came of it.
    See struct ds_gds_manager_config for the rest.
    """

    def __init__(self, device="auto", *, threads=0, max_concurrent=0, pool_nbytes=0,
                 staging_nbytes=0, chunk_nbytes=0, prefetch_batch_nbytes=0, direct="auto",
                 cufile=c.AUTO, measure=True, cuda_library=None, cufile_library=None):
        kind, _, number = device.partition(":")
        if kind not in ("auto", "cpu", "cuda") or (number and kind != "cuda"):
            raise ValueError(f"no such device: {device!r}")
        gds = c.GdsConfig(device=int(number or 0), cufile=cufile,
                          measure=c.AUTO if measure else c.NEVER,
                          cuda_library=os.fsencode(cuda_library) if cuda_library else None,
                          cufile_library=os.fsencode(cufile_library) if cufile_library else None)
        config = c.ManagerConfig(
            enabled={"auto": c.AUTO, "cpu": c.NEVER, "cuda": c.REQUIRED}[kind],
            max_concurrent=max_concurrent, threads=threads, pool_nbytes=pool_nbytes,
            staging_nbytes=staging_nbytes, chunk_nbytes=chunk_nbytes,
            prefetch_batch_nbytes=prefetch_batch_nbytes,
            direct=("auto", "off", "on").index(direct), gds=ctypes.pointer(gds))
        value = c_void_p()
        code = lib.ds_gds_create(byref(config), byref(value))
        if code:
            info = c.Info()
            lib.ds_gds_get_info(byref(gds), byref(info))
            raise c.error(f"device {device!r}", code, info.why_no_cuda.decode())
        self._hold(Handle(value))
        self._gds = gds
        self.is_host = not lib.ds_gds_has_device(value)
        self.device = "cpu" if self.is_host else f"cuda:{gds.device}"

    def __repr__(self):
        return f"<ds_runtime.Manager on {self.device}>"

    def open(self, path):
        """A Model of safetensors."""
        return Model(self, path)

    def open_file(self, path):
        """Any File, for its bytes or vectors."""
        return File(self, path)

    def calibrate(self):
        """Measures the machine's own ceiling, in bytes a second; reports then name it."""
        n = c_uint64()
        check(lib.ds_gds_calibrate(self._handle.value, byref(n)), "calibrating")
        return n.value

    def info(self):
        """What the manager uses, or without a device what the machine has; and why not more."""
        i = c.Info()
        if self.is_host:
            check(lib.ds_gds_get_info(byref(self._gds), byref(i)))
        else:
            check(lib.ds_gds_backend_info(lib.ds_gds_backend(self._handle.value), byref(i)))
        return {name: value.decode() if isinstance(value, bytes) else value
                for name, *_ in c.Info._fields_ if name not in ("size", "reserved")
                for value in [getattr(i, name)]}

    def stats(self):
        s = c.Stats()
        check(lib.ds_gds_get_stats(self._handle.value, byref(s)))
        return {name: _paths(s.path_nbytes) if name == "path_nbytes" else getattr(s, name)
                for name, *_ in c.Stats._fields_ if name != "size"}

    def reset_stats(self):
        lib.ds_gds_reset_stats(self._handle.value)

    def _room(self, name, dtype, shape, into):
        """A tensor for what is to come, and what has to be held for it."""
        tensor = Tensor(name, dtype, shape, 0, None, self.device, self._handle)
        if into is None:
            held = tensor._memory = Memory(self._handle, tensor.nbytes)
        else:
            held = tensor._memory = destination_of(into)
            if held.nbytes < tensor.nbytes:
                raise ValueError(f"{tensor.nbytes} bytes do not fit into {held.nbytes}")
            tensor.device = "cpu" if held.is_host else self.device
        tensor.address = held.address
        return tensor, held

    def _load(self, ranges, tensors, is_host, held, options):
        ranges = (c.Range * len(ranges))(*ranges)
        return Load(self._handle, lambda config, job: lib.ds_gds_load(
            self._handle.value, ranges, len(ranges), config, job),
            tensors, is_host, held, **options)

# SPDX-License-Identifier: MIT
"""The C library: its functions and structs of ds_runtime_gds.h, and how it is found."""
import ctypes
import ctypes.util
import os
import threading
from ctypes import (CFUNCTYPE, POINTER, byref, c_bool, c_char, c_char_p, c_int32, c_uint32,
                    c_uint64, c_void_p)

WAIT_FOREVER = 2**64 - 1
AUTO, NEVER, REQUIRED = 0, 1, 2
MEMORY_DEVICE, MEMORY_HOST = 0, 1
JOB_CHECKSUM = 1
ERR_TIMEOUT, ERR_CANCELLED, ERR_NOT_FOUND, ERR_NO_SPACE, ERR_NO_MEMORY = -8, -9, -5, -16, -2
PATHS = ("none", "gds", "direct", "page_cache", "gathered", "host")
CODECS = {None: 0, "none": 0, "gdeflate": 1, "zstd": 2}
PRIORITIES = {None: 0, "low": 1, "normal": 2, "high": 3, "realtime": 4}
MAX_DIMS = 8


class Error(Exception):
    """A call of the runtime failed; `name` is the result's, such as "DS_ERR_IO"."""

    def __init__(self, what, code, why=""):
        self.code = code
        self.name = lib.ds_result_name(code).decode()
        text = why or lib.ds_result_message(code).decode()
        super().__init__(f"{what}: {text} ({self.name})" if what else f"{text} ({self.name})")


class NotFound(Error, FileNotFoundError):
    """No such file."""

    __str__ = Exception.__str__


class Cancelled(Error):
    """The load was cancelled."""


class OutOfMemory(Error, MemoryError):
    """The pool's limit is reached, or the device has no memory left."""


_KINDS = {ERR_NOT_FOUND: NotFound, ERR_CANCELLED: Cancelled, ERR_NO_SPACE: OutOfMemory,
          ERR_NO_MEMORY: OutOfMemory}


def error(what, code, why=""):
    return _KINDS.get(code, Error)(what, code, why)


def check(code, what="", why=""):
    if code:
        raise error(what, code, why)


class _Sized(ctypes.Structure):
    """A struct that says how large it is, so that older and newer libraries take it."""

    def __init__(self, **fields):
        super().__init__(size=ctypes.sizeof(self), **fields)


class GdsConfig(_Sized):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("device", c_int32),
                ("cufile", c_int32), ("gpu_decode", c_int32), ("io_uring", c_int32),
                ("cufile_threads", c_uint32), ("measure", c_int32),
                ("cuda_library", c_char_p), ("cufile_library", c_char_p)]


class Info(_Sized):
    _fields_ = [("size", c_uint32), ("cuda_state", c_uint32), ("cufile_state", c_uint32),
                ("cuda_code", c_int32), ("cufile_code", c_int32), ("cuda_version", c_int32),
                ("cufile_version", c_int32), ("nvidia_fs_version", c_uint32),
                ("nr_devices", c_uint32), ("device", c_int32), ("compute_capability", c_uint32),
                ("numa_node", c_int32), ("has_decoder", c_uint32), ("reserved", c_uint32),
                ("device_nbytes", c_uint64), ("device_name", c_char * 64),
                ("pci_bus_id", c_char * 32), ("why_no_cuda", c_char * 256),
                ("why_no_cufile", c_char * 256), ("staging_nbytes", c_uint64),
                ("chunk_nbytes", c_uint64), ("chunk_origin", c_uint32),
                ("io_workers", c_uint32), ("chunk_measured_ns", c_uint64),
                ("why_chunk", c_char * 192)]


class ManagerConfig(_Sized):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("enabled", c_int32),
                ("max_concurrent", c_uint32), ("alignment", c_uint32), ("threads", c_uint32),
                ("prefetch_batch_nbytes", c_uint64), ("pool_nbytes", c_uint64),
                ("staging_nbytes", c_uint64), ("chunk_nbytes", c_uint64), ("direct", c_int32),
                ("log_level", c_int32), ("log_callback", c_void_p), ("log_user_data", c_void_p),
                ("gds", POINTER(GdsConfig))]


class FileInfo(_Sized):
    _fields_ = [("size", c_uint32), ("path", c_uint32), ("nbytes", c_uint64),
                ("cached_nbytes", c_uint64), ("alignment", c_uint32), ("reserved", c_uint32),
                ("file_system", c_char * 16), ("why", c_char * 256)]


Progress = CFUNCTYPE(None, c_void_p, c_void_p, c_uint64, c_uint64)


class JobConfig(_Sized):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("priority", c_int32),
                ("memory", c_uint32), ("progress", Progress), ("user_data", c_void_p)]


class Range(ctypes.Structure):
    _fields_ = [("file", c_void_p), ("offset", c_uint64), ("nbytes", c_uint64),
                ("destination", c_uint64), ("codec", c_uint32), ("reserved", c_uint32),
                ("uncompressed_nbytes", c_uint64)]


class Vectors(_Sized):
    _fields_ = [("size", c_uint32), ("reserved", c_uint32), ("file", c_void_p),
                ("offset", c_uint64), ("vector_nbytes", c_uint64), ("stride_nbytes", c_uint64),
                ("nr_vectors", c_uint64)]


class Item(_Sized):
    _fields_ = [("size", c_uint32), ("tensor", c_uint32), ("address", c_uint64),
                ("nbytes", c_uint64), ("checksum", c_uint64)]


class Report(_Sized):
    _fields_ = [("size", c_uint32), ("result", c_int32), ("total_nbytes", c_uint64),
                ("done_nbytes", c_uint64), ("path_nbytes", c_uint64 * 8),
                ("operations", c_uint64), ("elapsed_ns", c_uint64), ("waited_ns", c_uint64),
                ("cpu_ns", c_uint64), ("bytes_per_second", c_uint64),
                ("ceiling_bytes_per_second", c_uint64), ("why", c_char * 256),
                ("error", c_char * 256)]


class Stats(_Sized):
    _fields_ = [("size", c_uint32), ("jobs_running", c_uint32), ("jobs_begun", c_uint64),
                ("jobs_completed", c_uint64), ("jobs_failed", c_uint64),
                ("jobs_cancelled", c_uint64), ("operations", c_uint64), ("nbytes", c_uint64),
                ("path_nbytes", c_uint64 * 8), ("peak_bytes_per_second", c_uint64),
                ("average_bytes_per_second", c_uint64),
                ("effective_bytes_per_second", c_uint64), ("average_latency_ns", c_uint64),
                ("busy_ns", c_uint64), ("pool_nbytes", c_uint64), ("pool_in_use", c_uint64),
                ("pool_high_water", c_uint64)]


class SafetensorsTensor(_Sized):
    _fields_ = [("size", c_uint32), ("file", c_uint32), ("name", c_char_p),
                ("dtype", c_char_p), ("nr_dims", c_uint32), ("bits", c_uint32),
                ("dims", c_uint64 * MAX_DIMS), ("offset", c_uint64), ("nbytes", c_uint64)]


_FUNCTIONS = {
    "ds_result_name": (c_char_p, c_int32),
    "ds_result_message": (c_char_p, c_int32),
    "ds_gds_get_info": (c_int32, POINTER(GdsConfig), POINTER(Info)),
    "ds_gds_create": (c_int32, POINTER(ManagerConfig), POINTER(c_void_p)),
    "ds_gds_destroy": (None, c_void_p),
    "ds_gds_backend": (c_void_p, c_void_p),
    "ds_gds_backend_info": (c_int32, c_void_p, POINTER(Info)),
    "ds_gds_has_device": (c_bool, c_void_p),
    "ds_gds_alloc": (c_int32, c_void_p, c_uint64, POINTER(c_uint64)),
    "ds_gds_free": (c_int32, c_void_p, c_uint64),
    "ds_gds_memory_read": (c_int32, c_void_p, c_void_p, c_uint64, c_uint64),
    "ds_gds_file_open": (c_int32, c_void_p, c_char_p, POINTER(c_void_p)),
    "ds_gds_file_close": (None, c_void_p),
    "ds_gds_file_get_info": (c_int32, c_void_p, POINTER(FileInfo)),
    "ds_gds_load": (c_int32, c_void_p, POINTER(Range), c_uint32, POINTER(JobConfig),
                    POINTER(c_void_p)),
    "ds_gds_prefetch_vectors": (c_int32, c_void_p, POINTER(Vectors), c_void_p, c_uint64,
                                c_uint64, POINTER(JobConfig), POINTER(c_void_p)),
    "ds_gds_read_vectors": (c_int32, c_void_p, POINTER(Vectors), c_uint64, c_uint64, c_uint64,
                            POINTER(JobConfig), POINTER(c_void_p)),
    "ds_gds_job_wait": (c_int32, c_void_p, c_uint64),
    "ds_gds_job_cancel": (c_bool, c_void_p),
    "ds_gds_job_progress": (c_bool, c_void_p, POINTER(c_uint64), POINTER(c_uint64)),
    "ds_gds_job_destroy": (None, c_void_p),
    "ds_gds_job_get_item": (c_int32, c_void_p, c_uint32, POINTER(Item)),
    "ds_gds_job_get_report": (c_int32, c_void_p, POINTER(Report)),
    "ds_gds_calibrate": (c_int32, c_void_p, POINTER(c_uint64)),
    "ds_gds_get_stats": (c_int32, c_void_p, POINTER(Stats)),
    "ds_gds_reset_stats": (None, c_void_p),
    "ds_safetensors_open": (c_int32, c_char_p, c_char_p, ctypes.c_size_t, POINTER(c_void_p)),
    "ds_safetensors_close": (None, c_void_p),
    "ds_safetensors_count": (c_uint32, c_void_p),
    "ds_safetensors_get": (c_int32, c_void_p, c_uint32, POINTER(SafetensorsTensor)),
    "ds_safetensors_count_files": (c_uint32, c_void_p),
    "ds_safetensors_file": (c_char_p, c_void_p, c_uint32),
}


def _candidates():
    chosen = os.environ.get("DS_RUNTIME_LIBRARY")
    if chosen:
        return [chosen]
    # Beside an installed package (PREFIX/share/ds-runtime/python), then where the loader looks.
    here = os.path.dirname(os.path.abspath(__file__))
    prefix = os.path.normpath(os.path.join(here, "..", "..", "..", ".."))
    folders = [os.path.join(prefix, lib) for lib in ("lib", "lib64")]
    if os.path.isdir(folders[0]):
        folders += sorted(os.path.join(folders[0], name) for name in os.listdir(folders[0])
                          if name.endswith("-linux-gnu"))
    found = [path for folder in folders
             if os.path.exists(path := os.path.join(folder, "libds_runtime.so"))]
    return found + ["libds_runtime.so", ctypes.util.find_library("ds_runtime") or ""]


def _load():
    failures = []
    for path in filter(None, _candidates()):
        try:
            library = ctypes.CDLL(path)
            break
        except OSError as why:
            failures.append(str(why))
    else:
        raise ImportError("libds_runtime.so was not found; DS_RUNTIME_LIBRARY may name it ("
                          + "; ".join(failures) + ")")
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name, None)
        if function is None:
            raise ImportError(f"{library._name} has no {name}(): it is of another version, "
                              "or was built without CUDA")
        function.restype = result
        function.argtypes = arguments
    return library


lib = _load()


class Handle:
    """
    The C manager. Ended by the last of its users, whichever that is: the interpreter drops objects
    of a cycle, and all of them at its end, in any order.
    """

    def __init__(self, value):
        self.value = value
        self._nr_users = 0
        self._lock = threading.Lock()

    def hold(self):
        with self._lock:
            self._nr_users += 1

    def drop(self):
        with self._lock:
            self._nr_users -= 1
            ends = not self._nr_users
        if ends:
            lib.ds_gds_destroy(self.value)


class User:
    """Something that needs the C manager: calls _hold() at its start, and _drop() as its last."""

    _handle = None

    def _hold(self, handle):
        handle.hold()
        self._handle = handle

    def _drop(self):
        handle, self._handle = self._handle, None
        if handle:
            handle.drop()

    def __del__(self):
        self._drop()

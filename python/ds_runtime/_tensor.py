# SPDX-License-Identifier: MIT
"""Tensors in memory of the pool, and how others see them: numpy, DLPack, CUDA's array interface."""
import atexit
import ctypes
import math
import threading
from ctypes import (CFUNCTYPE, POINTER, PYFUNCTYPE, c_char_p, c_int, c_int32, c_int64, c_uint8,
                    c_uint16, c_uint64, c_void_p, py_object)

from ._library import User, check, lib

# DLPack's numbers.
_CPU, _CUDA, _CUDA_HOST, _CUDA_MANAGED = 1, 2, 3, 13
_INT, _UINT, _FLOAT, _BFLOAT, _COMPLEX, _BOOL = 0, 1, 2, 4, 5, 6


class DType:
    """A type of elements: its name in safetensors, and what others call it."""

    def __init__(self, name, bits, dlpack=None, typestr=None, torch=None):
        self.name = name
        self.bits = bits
        self.dlpack = dlpack  # code, or None: DLPack gets the bytes only
        self.typestr = typestr  # as in numpy, or None: numpy has no such type
        self.torch = torch

    def __repr__(self):
        return self.name


_DTYPES = {d.name: d for d in (
    DType("BOOL", 8, _BOOL, "|b1", "bool"),
    DType("U8", 8, _UINT, "|u1", "uint8"),
    DType("I8", 8, _INT, "|i1", "int8"),
    DType("U16", 16, _UINT, "<u2", "uint16"),
    DType("I16", 16, _INT, "<i2", "int16"),
    DType("U32", 32, _UINT, "<u4", "uint32"),
    DType("I32", 32, _INT, "<i4", "int32"),
    DType("U64", 64, _UINT, "<u8", "uint64"),
    DType("I64", 64, _INT, "<i8", "int64"),
    DType("F16", 16, _FLOAT, "<f2", "float16"),
    DType("F32", 32, _FLOAT, "<f4", "float32"),
    DType("F64", 64, _FLOAT, "<f8", "float64"),
    DType("BF16", 16, _BFLOAT, None, "bfloat16"),
    DType("C64", 64, _COMPLEX, "<c8", "complex64"),
    DType("F8_E4M3", 8, None, None, "float8_e4m3fn"),
    DType("F8_E5M2", 8, None, None, "float8_e5m2"),
    DType("F8_E8M0", 8, None, None, "float8_e8m0fnu"),
)}


def dtype_of(name, bits=8):
    """Types that are not known (of less than a byte, for instance) are but bytes to others."""
    return _DTYPES.get(name) or DType(name, bits)


class Memory(User):
    """Memory of a manager's pool; freed when nobody refers to it any more."""

    address = 0

    def __init__(self, handle, nbytes):
        self._hold(handle)
        address = c_uint64()
        check(lib.ds_gds_alloc(handle.value, max(nbytes, 1), ctypes.byref(address)),
              f"{nbytes} bytes of memory")
        self.address = address.value
        self.nbytes = nbytes

    def __del__(self):
        if self.address:
            lib.ds_gds_free(self._handle.value, self.address)
        self._drop()


class Tensor(User):
    """Loaded values: an address, a shape, a type, and whatever keeps the memory alive."""

    def __init__(self, name, dtype, shape, address, memory, device, handle):
        self.name = name
        self.dtype = dtype
        self.shape = tuple(shape)
        self.address = address
        self.device = device  # "cpu" or "cuda:N"
        self.checksum = None
        self._memory = memory
        self._hold(handle)
        self.nbytes = (math.prod(self.shape) * dtype.bits + 7) // 8

    def __repr__(self):
        shape = ", ".join(map(str, self.shape))
        return f"<ds_runtime.Tensor {self.name!r} {self.dtype}[{shape}] on {self.device}>"

    @property
    def is_host(self):
        return self.device == "cpu"

    def tobytes(self):
        """A copy of the bytes."""
        if self.is_host:
            return ctypes.string_at(self.address, self.nbytes)
        to = ctypes.create_string_buffer(self.nbytes)
        self._read(ctypes.addressof(to))
        return to.raw

    def _read(self, to):
        if self.nbytes:
            check(lib.ds_gds_memory_read(lib.ds_gds_backend(self._handle.value), to,
                                         self.address, self.nbytes), "reading a tensor back")

    def as_bytes(self):
        """The same memory as a vector of U8."""
        return Tensor(self.name, _DTYPES["U8"], (self.nbytes,), self.address, self._memory,
                      self.device, self._handle)

    def _interface(self):
        if not self.dtype.typestr:
            raise AttributeError(f"numpy has no type {self.dtype}; see as_bytes()")
        return {"version": 3, "shape": self.shape, "typestr": self.dtype.typestr,
                "data": (self.address if self.nbytes else 0, False), "strides": None}

    @property
    def __array_interface__(self):
        if not self.is_host:
            raise AttributeError("the tensor is in device memory")
        return self._interface()

    @property
    def __cuda_array_interface__(self):
        if self.is_host:
            raise AttributeError("the tensor is in host memory")
        return {**self._interface(), "stream": None}

    def numpy(self):
        """In host memory: an array that shares it. In device memory: a copy of it."""
        import numpy

        if not self.dtype.typestr:
            raise TypeError(f"numpy has no type {self.dtype}; as_bytes().numpy() has the bytes")
        if not self.nbytes:
            return numpy.empty(self.shape, self.dtype.typestr)
        if self.is_host:
            return numpy.asarray(self)
        to = numpy.empty(self.shape, self.dtype.typestr)
        self._read(to.ctypes.data)
        return to

    def torch(self):
        """A torch tensor that shares the memory."""
        import torch

        if not self.dtype.torch:
            raise TypeError(f"torch has no type {self.dtype}; as_bytes().torch() has the bytes")
        if self.dtype.dlpack is not None and self.dtype.name not in ("U16", "U32", "U64"):
            return torch.from_dlpack(self)
        # What not every version of torch takes from DLPack.
        return torch.from_dlpack(self.as_bytes()).view(
            getattr(torch, self.dtype.torch)).reshape(self.shape)

    def __dlpack_device__(self):
        return (_CPU, 0) if self.is_host else (_CUDA, int(self.device.partition(":")[2]))

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        """The bytes are there for every stream, so `stream` needs no waiting."""
        if copy or (dl_device is not None and tuple(dl_device) != self.__dlpack_device__()):
            raise BufferError("the memory is shared, not copied")
        if self.dtype.dlpack is None:
            raise BufferError(f"DLPack has no type {self.dtype}; see as_bytes()")
        return _export(self)


# ---------------------------------------------------------------------- DLPack

class _DLTensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32),
                ("ndim", c_int32), ("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16),
                ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)),
                ("byte_offset", c_uint64)]


class _DLManagedTensor(ctypes.Structure):
    pass


_Deleter = CFUNCTYPE(None, c_void_p)
_DLManagedTensor._fields_ = [("tensor", _DLTensor), ("manager_ctx", c_void_p),
                             ("deleter", c_void_p)]

_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = py_object, (c_void_p, c_char_p, c_void_p)
_CapsuleDestructor = PYFUNCTYPE(None, c_void_p)
# By address: in a destructor the capsule is nobody's any more, and must not be referred to.
_is_valid = PYFUNCTYPE(c_int, c_void_p, c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi))
_get = PYFUNCTYPE(c_void_p, c_void_p, c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))

_exports = {}  # address of a managed tensor: what keeps it alive
_exports_lock = threading.Lock()


@_Deleter
def _release(managed):
    with _exports_lock:
        kept = _exports.pop(managed, None)
    del kept


@_CapsuleDestructor
def _drop_capsule(capsule):
    # Whoever takes the tensor renames the capsule, and calls the deleter himself.
    if _is_valid(capsule, b"dltensor"):
        _release(_get(capsule, b"dltensor"))


@atexit.register
def _forget_deleters():
    """What others still hold must not call back into an interpreter that is gone."""
    with _exports_lock:
        for managed, *_ in _exports.values():
            managed.deleter = None


def _export(t):
    managed = _DLManagedTensor()
    shape = (c_int64 * max(len(t.shape), 1))(*t.shape)
    kind, number = t.__dlpack_device__()
    managed.tensor = _DLTensor(t.address if t.nbytes else None, kind, number, len(t.shape),
                               t.dtype.dlpack, t.dtype.bits, 1, shape, None, 0)
    managed.deleter = ctypes.cast(_release, c_void_p).value
    address = ctypes.addressof(managed)
    with _exports_lock:
        _exports[address] = (managed, shape, t if t.nbytes else None)
    return _new(address, b"dltensor", ctypes.cast(_drop_capsule, c_void_p))


# ------------------------------------------------------------ destinations

class Destination:
    """Memory of somebody else's that a load writes to, held until it has ended."""

    def __init__(self, what, address, nbytes, is_host):
        self.what = what
        self.address = address
        self.nbytes = nbytes
        self.is_host = is_host


def _is_contiguous(shape, strides):
    expected = 1
    for n, stride in zip(reversed(shape), reversed(strides)):
        if n != 1 and stride != expected:
            return False
        expected *= n
    return True


def _from_dlpack(obj):
    capsule = obj.__dlpack__()
    address = id(capsule)
    if not _is_valid(address, b"dltensor"):
        raise TypeError("the destination's DLPack capsule is of no known kind")
    t = ctypes.cast(_get(address, b"dltensor"), POINTER(_DLManagedTensor)).contents.tensor
    shape = [t.shape[i] for i in range(t.ndim)]
    if t.strides and not _is_contiguous(shape, [t.strides[i] for i in range(t.ndim)]):
        raise ValueError("the destination is not contiguous")
    nbytes = (math.prod(shape) * t.bits * t.lanes + 7) // 8
    if t.device_type not in (_CPU, _CUDA, _CUDA_HOST, _CUDA_MANAGED):
        raise TypeError(f"the destination is on a device of DLPack's kind {t.device_type}")
    return Destination((obj, capsule), (t.data or 0) + t.byte_offset, nbytes,
                       t.device_type in (_CPU, _CUDA_HOST))


def _from_cuda(obj):
    described = obj.__cuda_array_interface__
    address, is_read_only = described["data"]
    size = int(described["typestr"][2:])
    strides = described.get("strides")
    if is_read_only:
        raise ValueError("the destination is read-only")
    if strides and not _is_contiguous(described["shape"], [s // size for s in strides]):
        raise ValueError("the destination is not contiguous")
    return Destination(obj, address, math.prod(described["shape"]) * size, False)


def _from_buffer(obj):
    view = memoryview(obj)
    if view.readonly:
        raise ValueError("the destination is read-only")
    if not view.c_contiguous:
        raise ValueError("the destination is not contiguous")
    if not view.nbytes:
        return Destination(view, 0, 0, True)
    held = (ctypes.c_char * view.nbytes).from_buffer(view)
    return Destination(held, ctypes.addressof(held), view.nbytes, True)


def destination_of(obj):
    """Where an array, a tensor or a buffer lies."""
    if isinstance(obj, Tensor):
        return Destination(obj, obj.address, obj.nbytes, obj.is_host)
    try:
        return _from_buffer(obj)
    except TypeError:
        pass
    if hasattr(obj, "__dlpack__"):
        return _from_dlpack(obj)
    if hasattr(obj, "__cuda_array_interface__"):
        return _from_cuda(obj)
    raise TypeError(f"{type(obj).__name__} has neither a buffer, nor __dlpack__, nor "
                    "__cuda_array_interface__")

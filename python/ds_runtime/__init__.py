# SPDX-License-Identifier: MIT
"""
Files into CUDA or host memory, by ds-runtime: models, ranges of files, vectors.

    import ds_runtime

    for name, tensor in ds_runtime.open("model.safetensors", device="cuda"):
        weights[name] = tensor.torch()      # or torch.from_dlpack(tensor), cupy.asarray(tensor)

A thin layer over ds_runtime_gds.h (libds_runtime.so; DS_RUNTIME_LIBRARY names another one).
Needs nothing but Python; numpy and torch are used where they are asked for.
"""
from ._library import Cancelled, Error, NotFound, OutOfMemory
from ._manager import File, Load, Manager, Model, Report, Vectors
from ._tensor import DType, Tensor

__all__ = ["Cancelled", "DType", "Error", "File", "Load", "Manager", "Model", "NotFound",
           "OutOfMemory", "Report", "Tensor", "Vectors", "open"]


def open(path, device="auto", **options):
    """A Model, on a manager of its own; see Manager for device and options."""
    return Manager(device, **options).open(path)

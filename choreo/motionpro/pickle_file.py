"""Reading tensors out of a pickle that holds more than tensors, without running anything of it.

ComfyUI and torch refuse such files, rightly: a pickle may call any function while it is read. Here every name
in it that is not one of torch's few makers of tensors stands for an object that does nothing.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

_TENSOR_MAKERS = {
    "torch._utils": ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"),
    "torch": (
        "Size",
        "device",
        "float16",
        "float32",
        "float64",
        "bfloat16",
        "int64",
        "int32",
        "uint8",
        "bool",
    ),
}


class _Inert:
    """Stands for an object of a class that is not loaded; whatever is done to it has no effect."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None: ...

    def __setstate__(self, _state: Any) -> None: ...

    def __call__(self, *_args: Any, **_kwargs: Any) -> _Inert:
        return self

    def __setitem__(self, _key: Any, _value: Any) -> None: ...

    def add(self, _item: Any) -> None: ...

    def append(self, _item: Any) -> None: ...

    def extend(self, _items: Any) -> None: ...


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if name in _TENSOR_MAKERS.get(module, ()):
            return getattr(import_module(module), name)
        return _Inert


_READER = SimpleNamespace(__name__="inert", Unpickler=_Unpickler)


def read_tensors(path: Path) -> Any:
    """A torch file's contents on the CPU, memory-mapped; what is neither tensor nor plain data is inert.

    Raises ValueError for files that are not torch's zip archives of tensors.
    """
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
    except BadZipFile:
        raise ValueError(
            f"{path.name} is no torch file in the zip format: save it again with a newer torch."
        ) from None
    if any(name.endswith("constants.pkl") for name in names):  # torch.load would run these
        raise ValueError(f"{path.name} is a TorchScript archive, a program and not a file of weights.")
    try:
        return torch.load(path, map_location="cpu", mmap=True, weights_only=False, pickle_module=_READER)
    except Exception as error:  # a broken pickle may fail in any way
        raise ValueError(f"{path.name} could not be read: {error}") from error

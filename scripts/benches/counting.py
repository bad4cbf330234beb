"""Counts of work and memory: exact, and the same on every machine.

On the meta device tensors have shapes but no numbers, so a network of any size can be counted.
"""

from __future__ import annotations

import statistics
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

Work = Callable[[], object]
_aten = torch.ops.aten
_COPIES = (_aten.clone.default, _aten._to_copy.default)


@contextmanager
def fused_attention() -> Iterator[None]:
    """Attention as GPUs run it. Elsewhere torch takes it apart and keeps the matrix of weights.

    A replaced function and no torch mode: modes are off while a backward pass recomputes a layer.
    """

    def attention(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        if any(options.values()):
            raise ValueError(f"Only plain attention can be counted, not one with {options}.")
        return _aten._scaled_dot_product_flash_attention(q, k, v)[0]

    original = F.scaled_dot_product_attention
    F.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        F.scaled_dot_product_attention = original


@dataclass(frozen=True)
class Cost:
    """What a piece of work takes.

    operations: floating-point operations by operator; a multiplication and an addition are two.
    saved_activations, saved_weights: bytes that autograd keeps from a forward for its backward pass,
    every storage once; weights are the model's own or copies of them.
    """

    operations: Counter[str]
    saved_activations: int
    saved_weights: int

    @property
    def flops(self) -> int:
        return sum(self.operations.values())

    @property
    def saved(self) -> int:
        return self.saved_activations + self.saved_weights


def cost(work: Work, model: nn.Module) -> Cost:
    """Count `work`, which uses `model`."""
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    saving = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with fused_attention(), WeightCopies(model) as weights, FlopCounterMode(display=False) as counter, saving:
        work()
    sizes = {key: storage.nbytes() for key, storage in kept.items()}
    of_weights = sum(size for key, size in sizes.items() if key in weights.storages)
    operations = Counter({str(op): count for op, count in counter.get_flop_counts()["Global"].items()})
    return Cost(operations, sum(sizes.values()) - of_weights, of_weights)


class Elements(TorchDispatchMode):
    """Elements that all operations inside write: an addition, a copy or a comparison of one is one."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.count += sum(leaf.numel() for leaf in tree_leaves(output) if isinstance(leaf, Tensor))
        return output


def everything(work: Work) -> int:
    """Operations of `work`: those of products, and one for every element that any other operation writes."""
    with fused_attention(), Elements() as elements, FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() + elements.count


class Moved(TorchDispatchMode):
    """Bytes that all operations inside read and write: whole inputs and outputs, views for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if not func.is_view:
            leaves = tree_leaves((args, kwargs, output))
            self.count += sum(leaf.nbytes for leaf in leaves if isinstance(leaf, Tensor))
        return output


def moved_bytes(work: Work) -> int:
    """Bytes that the operations of `work` read and write, each of them on its own."""
    with fused_attention(), Moved() as moved:
        work()
    return moved.count


class WeightCopies(TorchDispatchMode):
    """Remembers the storages of a model's weights and of all copies made of them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.storages = {p.untyped_storage()._cdata: p.untyped_storage() for p in model.parameters()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in _COPIES and args[0].untyped_storage()._cdata in self.storages:
            storage = output.untyped_storage()
            self.storages[storage._cdata] = storage  # kept, so that its address is not given out again
        return output


class LiveBytes(TorchDispatchMode):
    """Bytes of the tensors made inside that are alive, now and at most."""

    def __init__(self, existing: Iterable[Tensor]) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known = {t.untyped_storage()._cdata for t in existing}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        return output

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._remove, key, size)

    def _remove(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def peak_bytes(work: Work, existing: Iterable[Tensor]) -> int:
    """Most bytes of tensors alive at once in `work`, without those that `existing` lists."""
    with fused_attention(), LiveBytes(existing) as live:
        work()
    return live.most


class Watch(TorchDispatchMode):
    """Calls of a network and the operations it executes, all of them and those after its last tap."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.operations = self._at_last_tap = 0
        self._inside = False

    @property
    def after_last_tap(self) -> int:
        return self.operations - self._at_last_tap

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += self._inside
        return func(*args, **(kwargs or {}))

    def enter(self, *_: Any) -> None:
        self.calls += 1
        self._inside = True

    def tap(self, *_: Any) -> None:
        if self._inside:  # a recomputation in the backward pass fires again
            self._at_last_tap = self.operations

    def leave(self, *_: Any) -> None:
        self._inside = False


@contextmanager
def watched(network: nn.Module, taps: Iterable[str]) -> Iterator[Watch]:
    """Watch a network whose modules `taps` are read."""
    with Watch() as watch:
        handles = [network.get_submodule(name).register_forward_hook(watch.tap) for name in taps]
        handles.append(network.register_forward_pre_hook(watch.enter))
        handles.append(network.register_forward_hook(watch.leave, always_call=True))  # after an exception too
        try:
            yield watch
        finally:
            for handle in handles:
                handle.remove()


def median_seconds(works: Mapping[str, Work], repetitions: int) -> dict[str, float]:
    """Median time of each work, taken in turns so that all see the same machine."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repetitions):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(measured) for name, measured in times.items()}

"""The targets of a reference that files hold."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from ..contract import Target
from .motionclone import MotionClone
from .s2v2v import S2V2V


@runtime_checkable
class Kept(Protocol):
    """A target that files hold."""

    kind: ClassVar[str]

    def stored(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What the header says (JSON), and the tensors."""
        ...

    @classmethod
    def restored(cls, header: dict[str, Any], tensors: dict[str, Tensor]) -> Target:
        """The target again; takes what it reads out of `tensors`. Raises ValueError for impossible data."""
        ...


Reading = MotionClone | S2V2V  # of one noise level
READINGS: dict[str, type[Reading]] = {kept.kind: kept for kept in (MotionClone, S2V2V)}

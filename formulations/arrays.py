"""The arrays that programs are made of."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
"""An array of float64."""
IntegerArray = NDArray[np.int64]
"""An array of int64."""


def set_frozen_state(instance: Any, state: list[Any]) -> None:
    """Restore a frozen dataclass with slots from a pickle or a deep copy, its arrays read-only again."""
    for field, value in zip(fields(instance), state, strict=True):
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
        object.__setattr__(instance, field.name, value)

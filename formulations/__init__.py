"""The mathematics: integer programs over plain arrays.

Nothing in this package knows about finance, files or a particular solver. Every program is a
:class:`Formulation` over a :class:`TrackingProgram`, written in cvxpy so that it can be compared with the paper
line by line.
"""

from formulations.bounding_box import bounding_box
from formulations.buffer_edge import BufferEdge
from formulations.deadband import Deadband
from formulations.diagonal import extract_diagonal
from formulations.dual_bound import DualBound
from formulations.formulation import Formulation, Model
from formulations.integer_hull import IntegerHull
from formulations.penalty import Penalty
from formulations.program import (
    FloatArray,
    IntegerArray,
    ProgramArrays,
    ProgramError,
    TrackingProgram,
    set_frozen_state,
)
from formulations.restriction import Restriction, restrict
from formulations.search_form import SearchForm

__all__ = [
    "BufferEdge",
    "Deadband",
    "DualBound",
    "FloatArray",
    "Formulation",
    "IntegerArray",
    "IntegerHull",
    "Model",
    "Penalty",
    "ProgramArrays",
    "ProgramError",
    "Restriction",
    "SearchForm",
    "TrackingProgram",
    "bounding_box",
    "extract_diagonal",
    "restrict",
    "set_frozen_state",
]

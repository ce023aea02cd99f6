"""The mathematics: integer programs over plain arrays.

Nothing in this package knows about finance, files or a particular solver. Every program is a
:class:`Formulation` over a :class:`TrackingProgram`, written in cvxpy so that it can be compared with the paper
line by line.
"""

from formulations.arrays import FloatArray, IntegerArray, set_frozen_state
from formulations.bounding_box import OUTWARD, bounding_box
from formulations.buffer_edge import BufferEdge
from formulations.deadband import Deadband
from formulations.diagonal import extract_diagonal
from formulations.domain import Domain
from formulations.dual_bound import DualBound
from formulations.formulation import Formulation, Model, Priced
from formulations.integer_hull import IntegerHull
from formulations.norm_cap import NormCap
from formulations.order_cost import OrderCost
from formulations.penalty import Penalty
from formulations.pricing import Price, accurate_price, exact_price, price
from formulations.program import ARRAYS, NONE, ProgramArrays, ProgramError, TrackingProgram, decided_side
from formulations.residual import Residual
from formulations.restriction import Restriction, restrict
from formulations.row import Row
from formulations.rule_box import rule_box
from formulations.rule_refutation import refuted
from formulations.rules import Rules
from formulations.search_form import SearchForm
from formulations.separable_cost import Costs, CostTables

__all__ = [
    "ARRAYS",
    "NONE",
    "OUTWARD",
    "BufferEdge",
    "CostTables",
    "Costs",
    "Deadband",
    "Domain",
    "DualBound",
    "FloatArray",
    "Formulation",
    "IntegerArray",
    "IntegerHull",
    "Model",
    "NormCap",
    "OrderCost",
    "Penalty",
    "Price",
    "Priced",
    "ProgramArrays",
    "ProgramError",
    "Residual",
    "Restriction",
    "Row",
    "Rules",
    "SearchForm",
    "TrackingProgram",
    "accurate_price",
    "bounding_box",
    "decided_side",
    "exact_price",
    "extract_diagonal",
    "price",
    "refuted",
    "restrict",
    "rule_box",
    "set_frozen_state",
]

"""A cvxpy problem as plain arrays: minimise c'x + c₀ with b − Ax in a product of cones, some x integer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from dynopt_milp.errors import InputError, SolverError
from formulations import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ConicProgram:
    """Conic data, in the order zero cone, non-negative cone, second-order cones.

    Attributes
    ----------
    cost : ndarray, shape (N,)
        c.
    offset : float
        c₀.
    matrix : csr_array, shape (M, N)
        A.
    right : ndarray, shape (M,)
        b.
    equalities, inequalities : int
        Rows of the zero and of the non-negative cone.
    cones : tuple of int
        Rows of each second-order cone; the first row bounds the norm of the others.
    whole : ndarray of bool, shape (N,)
        Which variables are integer.
    columns : dict
        The columns of each cvxpy variable, by its id.
    """

    cost: FloatArray
    offset: float
    matrix: csr_array
    right: FloatArray
    equalities: int
    inequalities: int
    cones: tuple[int, ...]
    whole: NDArray[np.bool_]
    columns: dict[int, slice]


def conic_program(problem: cp.Problem) -> ConicProgram:
    """The conic data of a mixed-integer problem.

    Raises
    ------
    InputError
        If the problem needs cones other than second-order ones (exponential, power, semidefinite).
    SolverError
        If cvxpy cannot compile it.
    """
    try:
        with np.errstate(invalid="ignore"):  # cvxpy bounds expressions by interval arithmetic: zero cost × no limit
            data: dict[str, Any] = problem.get_problem_data(cp.SCIP)[0]
        offset = data["param_prob"].apply_parameters()[1]
    except cp.error.SolverError as error:
        raise InputError(
            f"expected constraints made of linear and second-order-cone terms; cvxpy says: {error}", field="constraints"
        ) from error
    except Exception as error:  # cvxpy raises many kinds; what it compiles is the user's
        raise SolverError(f"cvxpy cannot compile the problem: {error}") from error
    dims = data["dims"]
    if dims.exp or dims.psd or getattr(dims, "p3d", None) or getattr(dims, "pnd", None):
        raise InputError("expected constraints made of linear and second-order-cone terms", field="constraints")
    compiled = data["param_prob"]
    whole = np.zeros(len(data["c"]), dtype=bool)
    boolean = sorted(data["bool_vars_idx"])
    whole[sorted(data["int_vars_idx"]) + boolean] = True
    matrix, right = csr_array(data["A"]), np.asarray(data["b"], dtype=np.float64)
    if boolean:  # 0 ≤ x ≤ 1 as rows of the non-negative cone
        places = (np.arange(len(boolean)), boolean)
        unit = csr_array((np.ones(len(boolean)), places), shape=(len(boolean), matrix.shape[1]))
        first = dims.zero + dims.nonneg
        matrix = csr_array(_stack(matrix[:first], unit, -unit, matrix[first:]))
        right = np.concatenate([right[:first], np.ones(len(boolean)), np.zeros(len(boolean)), right[first:]])
    columns = {
        variable.id: slice(start, start + variable.size)
        for variable in compiled.variables
        for start in [compiled.var_id_to_col[variable.id]]
    }
    return ConicProgram(
        cost=np.asarray(data["c"], dtype=np.float64),
        offset=float(np.asarray(offset).sum()),
        matrix=matrix,
        right=right,
        equalities=int(dims.zero),
        inequalities=int(dims.nonneg) + 2 * len(boolean),
        cones=tuple(int(size) for size in dims.soc),
        whole=whole,
        columns=columns,
    )


def _stack(*blocks: csr_array) -> csr_array:
    from scipy.sparse import vstack

    return csr_array(vstack(blocks))

"""pysystemtrade's own search, out of a copy of it on this machine: it is no dependency, and none of it is here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from dynopt_milp.errors import InputError

HOME = "systems.provided.dynamic_small_system_optimise"

Search = Callable[[dict[str, Any]], Callable[[], Any]]
"""From the arguments of a day, in dicts and a frame, to a call that gives the positions."""


def their_search(checkout: Path) -> Search:
    """The search of a folder that pysystemtrade was cloned into.

    Parameters
    ----------
    checkout : Path
        Stays on the import path of the process.

    Raises
    ------
    InputError
        If its modules cannot be imported from there: no such folder, or something it needs is not installed.
    """
    sys.path.insert(0, str(checkout))
    try:
        objective = import_module(f"{HOME}.optimisation").objectiveFunctionForGreedy
        speed_control = import_module(f"{HOME}.buffering").speedControlForDynamicOpt
        covariance = import_module("sysquant.estimators.covariance").covarianceEstimate
        costs = import_module("sysquant.estimators.mean_estimator").meanEstimates
        weights = import_module("sysquant.optimisation.weights").portfolioWeights
    except (ImportError, AttributeError) as error:
        raise InputError(f"cannot be imported from {checkout}: {error}", field="pysystemtrade") from error

    def prepared(arguments: dict[str, Any]) -> Callable[[], Any]:
        matrix, speed = arguments["covariance_matrix"], arguments["speed_control"]
        theirs = {name: weights(arguments[name]) for name in ("contracts_optimal", "per_contract_value")}
        theirs |= {"previous_positions": weights(arguments["previous_positions"]), "costs": costs(arguments["costs"])}
        theirs["covariance_matrix"] = covariance(matrix.to_numpy(), list(matrix.columns))
        theirs["speed_control"] = speed_control(speed.trade_shadow_cost, speed.tracking_error_buffer)
        return lambda: objective(**theirs).optimise_positions()

    return prepared

"""The guide's comparison of static portfolios."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dynopt_milp.data import guide_frames, read_guide_folder, simulated_market
from dynopt_milp.errors import HistoryError
from dynopt_milp.guide.current import replaceable
from dynopt_milp.io.labelled import positive, whole_number
from dynopt_milp.problem.plausible import MOST_CAPITAL, MOST_RISK
from dynopt_milp.strategy.static_portfolios import (
    JUMBO,
    SR_COST_LIMIT,
    Universe,
    all_weather,
    cheapest,
    groups,
    jumbo,
    risk_parity,
    select_by_cost,
    single_best,
)


@replaceable
def run_portfolio_comparison(
    capital: float = 1_000_000, risk_target: float = 0.2, max_instruments: int = 20, *, data_directory: Any = None
) -> tuple[dict[str, dict[str, float]], dict[str, pd.DataFrame], pd.DataFrame, dict[str, list[str]]]:
    """The static portfolios, and the data they are made of.

    Parameters
    ----------
    capital, risk_target : float
        Accepted for the guide's sake; the portfolios do not depend on them.
    max_instruments : int
        Of the optimized selection.
    data_directory : path, optional
        The guide's folder, ``{symbol}_daily_data.csv`` with ``instruments.csv``. Default: the simulated market.

    Returns
    -------
    strategies : dict
        Shares of risk by instrument for ``"Risk Parity"``, ``"All Weather"``, ``"Optimized Selection"``,
        ``"Single Best"`` and, where there are 50 instruments, ``"Jumbo Portfolio"``.
    data : dict
        Frames by day with ``Last``, ``returns``, ``FX`` and, where it is known, ``Contract_Month``.
    instruments_df : DataFrame
        ``Symbol``, ``Name``, ``Multiplier``, ``SR_cost``...
    asset_classes : dict
        Instruments by asset class.

    Raises
    ------
    DataError
        If the folder cannot be read.
    HistoryError
        If no instrument costs at most 0.01 Sharpe ratio points a trade.
    """
    positive(capital, "capital", most=MOST_CAPITAL)
    positive(risk_target, "risk_target", most=MOST_RISK)
    whole_number(max_instruments, "max_instruments", least=1)
    market = simulated_market() if data_directory is None else read_guide_folder(data_directory)
    data, instruments_df = guide_frames(market)
    costs = instruments_df.set_index("Symbol")["SR_cost"]
    suitable = sorted(select_by_cost(costs))
    if not suitable:
        raise HistoryError(
            f"no instrument costs at most {SR_COST_LIMIT:g} Sharpe ratio points a trade", field="SR_cost"
        )
    known = market.specifications.loc[suitable]
    universe = Universe(known["asset_class"], costs[suitable], known["underlying"])
    rules = {"Risk Parity": risk_parity(universe), "All Weather": all_weather(universe)}
    rules["Optimized Selection"] = cheapest(universe, count=max_instruments)
    rules["Single Best"] = single_best(universe)
    if len(suitable) >= JUMBO[0]:
        rules["Jumbo Portfolio"] = jumbo(universe)
    strategies = {
        name: {str(symbol): float(share) for symbol, share in shares.items()} for name, shares in rules.items()
    }
    return strategies, {name: data[name] for name in suitable}, instruments_df, groups(universe.asset_classes)

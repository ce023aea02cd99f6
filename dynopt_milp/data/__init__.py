"""Market data: reading and cleaning prices, exchange rates and contract specifications.

:class:`Market` is strictly checked; the readers make one from what files have, by the rules of
:mod:`dynopt_milp.data.assemble`, and report what they dropped in ``Market.notes``. The package also ships contract
specifications of its own (facts; price and volatility levels are typical round numbers).
"""

from dynopt_milp.data.folders import read_market
from dynopt_milp.data.frames import market_from_frames
from dynopt_milp.data.guide_folder import read_guide_folder
from dynopt_milp.data.guide_market import market_from_guide_frames
from dynopt_milp.data.guide_view import guide_frames
from dynopt_milp.data.market import DataNote, Market
from dynopt_milp.data.pysystemtrade_folder import read_pysystemtrade
from dynopt_milp.data.simulation.simulated import simulated_market

__all__ = [
    "DataNote",
    "Market",
    "guide_frames",
    "market_from_frames",
    "market_from_guide_frames",
    "read_guide_folder",
    "read_market",
    "read_pysystemtrade",
    "simulated_market",
]

"""House rules of a portfolio, as values: ``Problem(..., rules=[margin(7_500, 250_000), max_holdings(20)])``.

Each function makes a frozen value that can be compared, pickled and written to a problem file. Numbers are for all
instruments, or a Series or dict by instrument; names are those of the problem. Positions that limits leave one value
(``no_trade``, say) are exempt from :func:`lot`, :func:`min_position`, :func:`min_order` and :func:`max_order`, and
count everywhere else. Several rules of a kind hold all at once.
"""

from dynopt_milp.rules.counts import max_holdings, max_orders, one_of
from dynopt_milp.rules.from_file import rule_from_dict
from dynopt_milp.rules.groups import group
from dynopt_milp.rules.risks import risk, tracking_error
from dynopt_milp.rules.rule import Rule
from dynopt_milp.rules.shares import cost, gross, net, turnover
from dynopt_milp.rules.sizes import lot, max_order, min_order, min_position
from dynopt_milp.rules.sums import exposure, margin

__all__ = [
    "Rule",
    "cost",
    "exposure",
    "gross",
    "group",
    "lot",
    "margin",
    "max_holdings",
    "max_order",
    "max_orders",
    "min_order",
    "min_position",
    "net",
    "one_of",
    "risk",
    "rule_from_dict",
    "tracking_error",
    "turnover",
]

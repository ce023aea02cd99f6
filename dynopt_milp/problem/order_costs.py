"""What orders cost beside their contracts, in a trader's units: a fee, a least commission, an impact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynopt_milp.errors import FormatError, InputError
from dynopt_milp.io.labelled import Vector, refuse, to_vector
from dynopt_milp.problem.plausible import MOST_CAPITAL
from formulations import FloatArray, OrderCost, set_frozen_state

PARTS = ("per_order", "minimum", "commission", "impact", "rolls")
"""The fields of :class:`OrderCosts`."""
MOST_HELD = 1e6
"""Contracts; what a position costs least is looked for between zero and what is held."""
ROUND_OFF = 1e-9
"""By how much a commission may exceed what it is a part of; so much is rounded away."""


Arrays = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]
"""Those, of n instruments."""


@dataclass(frozen=True, slots=True, eq=False)
class OrderCosts:
    """What an order costs beside what each of its contracts does.

    An order of q > 0 contracts costs

        per_order + max(minimum − commission·q, 0) + impact·q^{3/2}

    beside cost_in_weight_terms × weight per contract × q (``Problem.from_market``: cost_per_contract × q), of which
    commission·q is a part: what counts towards the minimum. In the objective it counts λ times, and so does what the
    rolls until the next rebalance cost, ``rolls`` orders of what is held.

    Parameters
    ----------
    per_order : Series, dict, sequence or number
        A fee for every order, share of capital (``Problem.from_market``: base currency; and so are the next three).
    minimum : Series, dict, sequence or number
        What an order pays in commission at least.
    commission : Series, dict, sequence or number
        What of the cost of a contract is commission, at most all of it. It says which orders reach the minimum, and is
        not added to anything.
    impact : Series, dict, sequence or number
        What an order of one contract costs because it moves the price; one of q contracts costs q^{3/2} times as much,
        as a price moves with the square root of what is traded.
    rolls : Series, dict, sequence or number
        Orders that rolls take until the next rebalance: rolls a year × trades of a roll ÷ rebalances a year
        (:func:`~dynopt_milp.holding_cost` of a cost of 1). ``holding_cost`` is the same of what each contract costs.

    Notes
    -----
    Sources of the square root: R. Almgren et al., *Direct estimation of equity market impact* (2005); B. Tóth et al.,
    *Anomalous price impact and the critical nature of liquidity in financial markets* (2011).
    """

    per_order: Vector | float = 0.0
    minimum: Vector | float = 0.0
    commission: Vector | float = 0.0
    impact: Vector | float = 0.0
    rolls: Vector | float = 0.0

    __setstate__ = set_frozen_state

    def among(self, instruments: tuple[str, ...], divided_by: float = 1.0) -> OrderCosts:
        """The same as arrays in the order of the instruments, read-only, money divided by a capital.

        Raises
        ------
        InputError
            If a number is missing, negative or not finite, or names an unknown instrument.
        """
        arrays = {name: to_vector(getattr(self, name), instruments, name) + 0.0 for name in PARTS}
        for name, array in arrays.items():
            bad = (array < 0) | (array > MOST_CAPITAL)
            refuse(bad, array, instruments, name, f"a number that is not negative, at most {MOST_CAPITAL:g}")
            if name != "rolls":
                with np.errstate(over="ignore"):
                    arrays[name] = array / divided_by
            arrays[name].setflags(write=False)
        return OrderCosts(**arrays)

    def arrays(self) -> Arrays:
        """The fields of what :meth:`among` returned."""
        per_order, minimum, commission, impact, rolls = (np.asarray(getattr(self, name)) for name in PARTS)
        return per_order, minimum, commission, impact, rolls

    @property
    def some(self) -> bool:
        """Whether an order costs anything beside its contracts, of what :meth:`among` returned."""
        per_order, minimum, _, impact, _ = self.arrays()
        return bool(per_order.any() or minimum.any() or impact.any())

    def of_orders(self, contracts: FloatArray) -> FloatArray:
        """What orders of so many contracts cost beside them, of what :meth:`among` returned, shape (n,)."""
        return OrderCost(*self.arrays()).of_orders(contracts)

    def to_dict(self) -> dict[str, list[float]]:
        """What a problem file has, of what :meth:`among` returned: a list for each part that is not zero."""
        return {name: part.tolist() for name, part in zip(PARTS, self.arrays(), strict=True) if part.any()}

    def penalty(self, multiplier: float, cost: FloatArray, holding: FloatArray) -> OrderCost:
        """What counts in the objective, of what :meth:`among` returned.

        Parameters
        ----------
        multiplier : float
            λ.
        cost, holding : ndarray, shape (n,)
            γ and λη u: what trading, and holding, a contract counts. Commissions are cut to them by their round-off.
        """
        per_order, minimum, commission, impact, rolls = self.arrays()
        counted = np.minimum(multiplier * commission, cost)
        with np.errstate(divide="ignore", invalid="ignore"):
            counted = np.where((rolls > 0) & (minimum > 0), np.minimum(counted, holding / rolls), counted)
        return OrderCost(multiplier * per_order, multiplier * minimum, counted, multiplier * impact, rolls + 0.0)


def order_costs_of(given: Any, instruments: tuple[str, ...], divided_by: float = 1.0) -> OrderCosts | None:
    """What was given as an argument, as arrays; None where orders cost nothing beside their contracts.

    Raises
    ------
    InputError
        If it is anything else, or :meth:`OrderCosts.among` refuses a number.
    """
    if given is None:
        return None
    if not isinstance(given, OrderCosts):
        raise InputError(f"expected OrderCosts, found {type(given).__name__}", field="order_costs")
    made = given.among(instruments, divided_by)
    return made if made.some else None


def check_order_costs(
    orders: OrderCosts, instruments: tuple[str, ...], cost: FloatArray, holding: FloatArray, held: FloatArray
) -> None:
    """Refuse costs of orders that do not fit the others.

    Parameters
    ----------
    orders : OrderCosts
        As :meth:`OrderCosts.among` returned it.
    instruments : tuple of str
    cost, holding : ndarray, shape (n,)
        Of trading, and of holding, one contract, in the unit of the commission.
    held : ndarray, shape (n,)
        Contracts.

    Raises
    ------
    InputError
        If a commission is more than the cost of a contract, rolls take orders whose contracts cost less than their
        commission, or more is held than can be looked through.
    """
    per_order, minimum, commission, impact, rolls = orders.arrays()
    refuse(
        commission > cost * (1 + ROUND_OFF), commission, instruments, "commission",
        "at most the cost of a contract, of which it is a part",
    )  # fmt: skip
    refuse(
        (minimum > 0) & (rolls * commission > holding * (1 + ROUND_OFF)), rolls, instruments, "rolls",
        "at most the cost of holding a contract ÷ its commission (give holding_cost, too)",
    )  # fmt: skip
    some = (per_order > 0) | (minimum > 0) | (impact > 0)
    refuse(
        some & (np.abs(held) > MOST_HELD), held, instruments, "previous_positions",
        f"at most {MOST_HELD:.0f} contracts where orders have a cost of their own",
    )  # fmt: skip


def order_costs_from_dict(content: Any, source: str, check_list: Callable[[Any, str], None]) -> OrderCosts:
    """The costs that a problem file has: a list for each part that is not zero.

    Parameters
    ----------
    content : Any
    source : str
        What errors call it.
    check_list : callable
        Refuses, by its name, what is no list with an entry for each instrument.

    Raises
    ------
    FormatError
        If it is anything else.
    """
    if not isinstance(content, Mapping):
        raise FormatError(f"expected an object, found {type(content).__name__}", field=source)
    for name, part in content.items():
        if name not in PARTS:
            raise FormatError(f"is not one of {', '.join(PARTS)}", field=f"{source}: {name}")
        check_list(part, f"{source}: {name}")
    return OrderCosts(**content)

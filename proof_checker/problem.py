"""What a problem file says, in exact numbers: a box, groups, rows, caps, and straight lines for what positions cost."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

from proof_checker.exact import Refused, exact, whole

FORMATS = ("dynopt-milp problem 1", "dynopt-milp problem 2")
NEEDED = {
    "format", "instruments", "covariance", "weight_per_contract", "optimal_positions", "previous_positions",
    "cost_in_weight_terms", "cost_multiplier",
}  # fmt: skip
SIDES = {"lower", "upper"}
FIELDS = SIDES | {
    "rules", "holding_cost", "order_costs", "underlying", "margin", "capital", "long_only", "no_trade", "reduce_only",
    "same_side", "close", "one_side",
}  # fmt: skip
ORDER_COSTS = ("per_order", "minimum", "commission", "impact", "rolls")
SUMS = {  # the form of what is added up, its upper bound (where empty: lower and upper), and its other arguments
    "margin": ("gross", "budget", {"per_contract"}), "exposure": ("net", "", {"coefficients"}),
    "gross": ("gross", "limit", {}), "net": ("net", "", {}), "turnover": ("turnover", "limit", {}),
    "cost": ("cost", "budget", {}), "max_holdings": ("holdings", "most", {}), "max_orders": ("orders", "most", {}),
    "group": ("", "", {"names", "of", "per_contract"}), "one_of": ("holdings", "names", {}),
}  # fmt: skip
GROUPS = {"net": "net", "gross": "gross", "contracts": "net", "margin": "gross"}
CAPS = {"risk": {"names", "covariance"}, "tracking_error": {"target"}}
SIZES = {"lot": 1, "min_position": 0, "min_order": 0, "max_order": math.inf}  # what has no such rule
EDGE = Fraction(1, 2**39)  # of a limit, and of all that is added up: what a rule forgives as round-off
INF = math.inf


class Row(NamedTuple):
    """Σ coefficientᵢ · form(kᵢ) ≤ limit."""

    form: str
    coefficients: list[Fraction]
    limit: Fraction


class Cap(NamedTuple):
    """‖G(k − centre)‖ ≤ limit, with G = RU of a covariance (its place), columns multiplied by signs (0: left out)."""

    place: int
    signs: list[int]
    centre: list[Fraction]
    limit: Fraction


class Piece(NamedTuple):
    """Multiples of a lot from first to last, which are allowed.

    On them the cost, and then what each row adds up, are constant + slope·z + v|z − p|^{3/2} + w|z|^{3/2}.
    """

    first: Any
    last: Any
    lot: int
    lines: list[tuple[Any, Any, Any, Any]]


class Problem:
    """A problem file.

    Attributes
    ----------
    names, held, target, weight : list
        Of the instruments; p, τ and u.
    covariances : list of matrices
        Σ, and those that caps have of their own.
    lower, upper : list
        The box, with infinite ends.
    groups : list of lists of places
        No two of a group may have opposite signs.
    rows, caps : list
    pieces : list of lists
        The allowed positions of each instrument, limits apart.
    hash : str
        Of all this but the covariances.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        allowed = NEEDED | (FIELDS if content["format"] == FORMATS[1] else SIDES)
        unknown = set(content) - allowed | set(content.get("order_costs", {})) - set(ORDER_COSTS)
        if content["format"] not in FORMATS or unknown:
            raise Refused("the problem has an unknown format, or unknown fields")
        self.content, self.names = content, names_in(content["instruments"])
        if len(content["covariance"]) != len(self.names):
            raise Refused("the covariance has another size than there are instruments")
        self.covariances = [[self.each(row) for row in content["covariance"]]]
        self.held = [whole(p) for p in content["previous_positions"]]
        names = ("optimal_positions", "weight_per_contract", "cost_in_weight_terms")
        self.target, self.weight, cost = (self.each(list(content[name])) for name in names)
        holding, orders = self.each(content.get("holding_cost", 0)), content.get("order_costs", {})
        self.trading = [c * u for c, u in zip(cost, self.weight, strict=True)]  # of one contract
        self.holding = [c * u for c, u in zip(holding, self.weight, strict=True)]
        self.times, parts = exact(content["cost_multiplier"]), [self.each(orders.get(name, 0)) for name in ORDER_COSTS]
        self.fee, self.minimum, self.commission, self.impact, self.rolls = parts
        if min(self.times, *self.weight, *self.trading, *self.holding, *(min(part) for part in parts)) < 0:
            raise Refused("a weight, a cost or a multiplier is negative")
        self.lower, self.upper, self.groups = self.limits()
        self.rows: list[Row] = []
        self.caps: list[Cap] = []
        self.sizes: dict[str, list[Any]] = {kind: [free] * len(self.names) for kind, free in SIZES.items()}
        if not isinstance(content.get("rules", []), list):
            raise Refused("rules are no list")
        for rule in content.get("rules", []):
            self.add(rule)
        self.pieces = [self.split(i) for i in range(len(self.names))]
        said = (self.names, self.weight, self.target, self.lower, self.upper, self.groups, self.rows, self.caps)
        self.hash = hashlib.sha256(repr((said, self.pieces)).encode()).hexdigest()

    def each(self, given: Any, missing: Any = None) -> list[Fraction]:
        """A number for each instrument, of a list, of numbers by name, or of one for all."""
        if isinstance(given, list) and len(given) == len(self.names):
            given = dict(zip(self.names, given, strict=True))
        by = given if isinstance(given, dict) else dict.fromkeys(self.names, given)
        if set(by) - set(self.names):
            raise Refused("there are numbers for instruments that are not in the problem")
        return [exact(by.get(name, missing)) for name in self.names]

    def limits(self) -> tuple[list[Any], list[Any], list[list[int]]]:
        """The box that all limits leave, and the groups."""
        members = {}
        for limit in ("no_trade", "long_only", "reduce_only", "same_side", "close", "one_side"):
            value = self.content.get(limit, False)
            listed = isinstance(value, list) and set(value) <= set(self.names)
            if not listed and not isinstance(value, bool):
                raise Refused(f"{limit} is not true, false or a list of instruments")
            members[limit] = {i for i, name in enumerate(self.names) if value is True or (value and name in value)}
        lower, upper = (
            [far if at in (None, far) else whole(at) for at in self.content.get(side, [None] * len(self.names))]
            for side, far in (("lower", -INF), ("upper", INF))
        )
        for i, (p, t) in enumerate(zip(self.held, self.target, strict=True)):
            between = {
                "long_only": (0, INF), "reduce_only": (min(p, 0), max(p, 0)), "close": (0, 0),
                "same_side": (-INF if t < 0 else 0, INF if t > 0 else 0),
            }  # fmt: skip
            ends = [between[limit] for limit in between if i in members[limit]]
            for low, high in [(p, p)] if i in members["no_trade"] else ends:
                lower[i], upper[i] = max(lower[i], low), min(upper[i], high)
        sizes: dict[str, list[int]] = {}
        of = [(name or "").strip() for name in self.content.get("underlying", self.names)]
        for i, (name, own) in enumerate(zip(of, self.names, strict=True)):
            if i in members["one_side"]:
                sizes.setdefault(name or own, []).append(i)
        groups = []
        for group in sizes.values():
            fixed = [lower[i] for i in group if lower[i] == upper[i]]
            if not min(fixed, default=0) < 0 < max(fixed, default=0):
                groups.append(group)
                continue
            for i in group:  # the rule cannot be kept: the others stay between zero and what is held
                if lower[i] < upper[i]:
                    lower[i], upper[i] = max(lower[i], min(self.held[i], 0)), min(upper[i], max(self.held[i], 0))
        return *one_sided(groups, lower, upper), groups

    def add(self, rule: dict[str, Any]) -> None:
        """A rule is rows, a cap, or sizes that a position may have."""
        rule = {name: value for name, value in rule.items() if value is not None}
        kind, names = rule["rule"], names_in(rule.get("names", self.names))
        form, most, others = SUMS.get(kind, ("", "limit", CAPS.get(kind, {})))
        allowed = {"rule", *others} | ({"contracts"} if kind in SIZES else {most} if most else {"lower", "upper"})
        if set(rule) - allowed or set(names) - set(self.names) or kind not in SUMS | CAPS | SIZES:
            raise Refused(f"the rule {kind}, or an argument or an instrument of it, is not known")
        several = {"group": 1, "one_of": 2}.get(kind, 0)
        if (several and len(rule["names"]) < several) or (kind in SUMS and not most and not SIDES & set(rule)):
            raise Refused(f"the rule {kind} has no bound, or too few instruments")
        counts = [int(name in names) for name in self.names]
        if kind in SIZES:
            sizes, given = self.sizes[kind], rule["contracts"]
            join: Any = {"lot": math.lcm, "max_order": min}.get(kind, max)
            named = given if isinstance(given, dict) else dict.fromkeys(self.names, given)
            for i, contracts in ((self.names.index(name), whole(number)) for name, number in named.items()):
                if not (kind == "lot") <= contracts <= 2**53:
                    raise Refused(f"the rule {kind} has a number that is too small or too large")
                if self.lower[i] < self.upper[i]:  # what has one position left is free of it
                    sizes[i] = join(sizes[i], contracts) if kind != "lot" else min(join(sizes[i], contracts), 2**53)
        elif kind in CAPS:
            place, centre = 0, self.each(0) if kind == "risk" else self.target
            if "target" in rule:
                centre = self.each(rule["target"])
            if "covariance" in rule:
                rows, order = rule["covariance"]["rows"], rule["covariance"]["instruments"]
                at = [order.index(name) if name in names else -1 for name in self.names]
                place = len(self.covariances)
                self.covariances.append([[exact(0 if min(a, b) < 0 else rows[a][b]) for b in at] for a in at])
            self.caps.append(Cap(place, counts, centre, exact(rule["limit"]) * (1 + EDGE)))
        else:
            what = rule.get("of", "net") if kind == "group" else kind
            if what in ("gross", "net", "turnover"):
                by = self.weight
            elif what == "margin":
                each = rule.get("per_contract")
                if isinstance(each, list):
                    raise Refused("margins of a rule are a number, or numbers by name")
                if each is None:  # those of the problem, null where one is not known
                    known = zip(self.names, self.content["margin"], strict=True)
                    each = {name: number for name, number in known if name in names}
                by = self.each(each, missing=None if kind == "margin" else 0)
            else:
                by = self.each(rule["coefficients"] if what == "exposure" else 1, missing=0)
            above = rule.get("upper") if not most else 1 if kind == "one_of" else rule[most]
            for way, limit in ((1, above), (-1, rule.get("lower"))):
                if limit is not None:
                    coefficients = [way * a * c for a, c in zip(by, counts, strict=True)]
                    bound = way * exact(limit) + EDGE * abs(exact(limit))
                    self.rows.append(Row(GROUPS[what] if kind == "group" else form, coefficients, bound))

    def split(self, i: int) -> list[Piece]:
        """The allowed positions of an instrument, in pieces."""
        p, fee, minimum, paid = self.held[i], self.fee[i], self.minimum[i], self.commission[i]

        def order(contracts: Any) -> Any:
            """What an order costs beside its contracts, impact apart."""
            return fee + max(minimum - paid * contracts, 0) if contracts else 0

        forms: dict[str, Callable[[Any], Any]] = {
            "net": lambda z: z, "gross": abs, "turnover": lambda z: abs(z - p), "holdings": lambda z: int(z != 0),
            "orders": lambda z: int(z != p), "cost": lambda z: self.trading[i] * abs(z - p) + order(abs(z - p)),
        }  # fmt: skip

        def cost(z: Any) -> Any:
            return self.times * (forms["cost"](z) + self.holding[i] * abs(z) + self.rolls[i] * order(abs(z)))

        def counted(row: Row, z: Any) -> Any:
            """With the round-off that is forgiven taken off."""
            by = row.coefficients[i] * forms[row.form](z)
            return by - EDGE * abs(by)

        functions: list[Callable[[Any], Any]] = [cost, *(partial(counted, row) for row in self.rows)]
        impacts: list[tuple[Any, Any]] = [(self.times * self.impact[i], self.times * self.rolls[i] * self.impact[i])]
        impacts += [((row.form == "cost") * row.coefficients[i] * (1 - EDGE) * self.impact[i], 0) for row in self.rows]
        # Lines end at 0 and p, where a piece is one point, and q contracts from either, where order() has a kink:
        # … c−q−1 | c−q … c−1 | c | c+1 … c+q | c+q+1 …
        kinks = {0, math.floor(minimum / paid)} if paid else {0}
        begins = sorted({at for centre in (0, p) for q in kinks for at in (centre - q, centre + q + 1)})
        lot, small, small_order, large = (contracts[i] for contracts in self.sizes.values())
        pieces = []
        for first, last in zip([-INF, *begins], [*(at - 1 for at in begins), INF], strict=True):
            at, step = (last, -1) if first == -INF else (first, 1)  # a position, and the way to the others if there are
            slopes = [step * (f(at + step) - f(at)) for f in functions]
            lines = [(f(at) - b * at, b, *w) for f, b, w in zip(functions, slopes, impacts, strict=True)]
            if at:  # zero is always allowed, if the order to it is not too large
                first = max(first, small if at > 0 else -INF, p + small_order if at > p else -INF)
                last = min(last, -small if at < 0 else INF, p - small_order if at < p else INF)
            first, last = multiples(max(first, p - large), min(last, p + large), lot)
            if first <= last:
                pieces.append(Piece(first, last, lot, lines))
        return pieces


def read(text: Any) -> Any:
    """JSON in which no name is repeated."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise Refused("a field is there twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


def names_in(value: Any) -> list[str]:
    """A list of distinct texts."""
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name.strip() for name in value):
        raise Refused("expected a list of names")
    if len(set(value)) < len(value):
        raise Refused("a name is there twice")
    return list(value)


def multiples(first: Any, last: Any, lot: int) -> tuple[Any, Any]:
    """The first and the last multiple of a lot between two ends."""
    return first if first == -INF else -(-first // lot) * lot, last if last == INF else last // lot * lot


def one_sided(groups: list[list[int]], lower: list[Any], upper: list[Any]) -> tuple[list[Any], list[Any]]:
    """The box without the side that a member of a group, which has to be long or short, takes from the others."""
    lower, upper = lower[:], upper[:]
    for group in groups:
        long, short = any(lower[i] > 0 for i in group), any(upper[i] < 0 for i in group)
        for i in group:
            lower[i], upper[i] = max(lower[i], 0 if long else -INF), min(upper[i], 0 if short else INF)
    return lower, upper

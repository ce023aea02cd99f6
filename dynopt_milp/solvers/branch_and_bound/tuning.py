"""How long each phase of the search goes on: no proof rests on a number here.

Each line: the unit; what it means; where it comes from. Without an origin it was set by hand on weekly rebalances of 27
to 42 futures, where the race of comparisons/solver_race shows what the whole takes.
"""

# The root in one call, which nothing interrupts (some milliseconds).
ROOT_SECONDS = 0.2  # seconds; with less time left it is not tried
ROOT_CONTRACTS = 100  # contracts of the program; with more it is not tried
ROOT_WORK = 2_000  # nodes × variables; after the first few nodes, at most
GREEDY_STEPS = 5_000  # contracts; the greedy start ends there

# With rules.
NEARBY = 12  # contracts; how far from what is known a first portfolio is looked for, where rules leave no finite box

# Nodes by phase.
CONE_NODES = 400  # nodes; with the cone bound alone, at least
CONE_WORK = 40_000  # nodes × variables; with the cone bound alone, where that is more
HULL_NODES = 100  # nodes; with the hull bound, before levels are made for the sphere search

# Between nodes.
NODES_UNCHECKED = 10  # nodes of 0.05 to 100 ms; after so many, at least, the deadline and Ctrl-C are looked at
WORK_UNCHECKED = 2_000  # nodes × variables; the same where that is more nodes
SECONDS_CHECKED = 3.0  # seconds; with less time left they are looked at after each node
IMPROVE_WORK = 2_000_000  # steps × variables²; of the local search, after which the deadline is looked at
STACK_CAPACITY = 128  # open nodes; room to begin with, doubled when it is full
WORTH_CROPPING = 0.7  # share of the tables' entries; with more of them left, new tables do not pay
DIVE_ROUNDS = 3  # rounds of descent; after each rounding of a dive

# The diagonal and the levels of the sphere search.
DIAGONAL_STEPS = 40  # Newton steps; at most, for the first diagonal
LEVEL_STEPS = 2  # Newton steps; from one level to the next
FRACTION_FLOOR = 0.05  # weight beside f(1 − f); every variable is worth something, whatever its target's fraction is
WIDEST = 1_000  # positions of a variable; with more the sphere search is left out
SPHERE_WORK = 1.5  # nodes ÷ variables²; of the first search, which needs few nodes where it is better than the tree
FEW_LEVELS = 60  # variables; with more only every fourth level is sharpened, as levels cost the fourth power
MOST_LEVELS = 200  # variables; with more there is no sphere search

# What is not begun when less time is left; measured on one core, rounded up.
SECONDS_A_CUBE = 4e-8  # seconds ÷ variables³; a diagonal
SECONDS_A_FOURTH = 2e-10  # seconds ÷ variables⁴; a dive, or levels
SECONDS_AN_ENTRY = 1e-8  # seconds ÷ entry of the tables; each time all envelopes are drawn
SECONDS_A_SPHERE_NODE = 2e-7  # seconds ÷ variable; a node of the sphere search

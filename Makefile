# Everything runs in .venv, made here from Python >= 3.11 and the versions pinned in requirements.lock; what is tested with
# the oldest versions allowed in .venv-oldest, from requirements-oldest.lock.
PYTHON ?= python3
BIN := .venv/bin
SECONDS ?= 600
SEED ?= 0
WORKERS ?= 1
# Numerical libraries on one thread each: these problems are small, and results then do not depend on the machine.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test attack fuzz test-oldest wheel-check wheel-check-oldest wheel-pages-oldest check format study-greedy study-naive study-static study-gap study-swap study-agreement study-race study-holding study-rules study-rules-years study-proofs study-frontier study-day-to-day study-why study-before study-gap-before docs lock lock-oldest clean

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/compiled ## Example problems and 20 simulated years of weekly rebalances, greedy against exact
	@$(BIN)/python -m dynopt_milp demo

test: .venv/compiled ## Run the tests (two at a time)
	@$(BIN)/python -m pytest -n 2 --dist worksteal

attack: .venv/compiled ## Every claim against exact arithmetic: make attack SECONDS=600 [SEED=0] [WORKERS=2]
	@$(BIN)/python -m tests.attack --seconds $(SECONDS) --seed $(SEED) --workers $(WORKERS)

fuzz: .venv/compiled ## Files changed at random, through every reader: make fuzz SECONDS=600 [SEED=0]
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --seed $(SEED)

test-oldest: .venv-oldest/kernels ## Run the tests with the oldest versions allowed
	@NUMBA_CACHE_DIR=$(KERNELS) .venv-oldest/bin/python -m pytest -n 2 --dist worksteal

wheel-check: .venv/installed ## Install the wheel away from here; its modules, pages and commands
	@.ci/wheel-check requirements.lock

wheel-check-oldest: .venv/installed ## The same with the oldest versions allowed, and what pysystemtrade pins
	@.ci/wheel-check requirements-oldest.lock .ci/pysystemtrade.txt

wheel-pages-oldest: .venv/installed ## The same, and every page runs from that wheel (ten minutes)
	@.ci/wheel-check requirements-oldest.lock .ci/pysystemtrade.txt pages

check: .venv/installed ## Lint, format check and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: .venv/installed ## Format the code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

study-greedy: .venv/compiled ## The greedy search in full and carried along: make study-greedy DATA=folder (comparisons/greedy_search)
	@$(BIN)/python -m comparisons.greedy_search $(DATA)

study-naive: .venv/compiled ## What a naive model claims, against the truth (comparisons/naive_model)
	@$(BIN)/python -m comparisons.naive_model

study-static: .venv/compiled ## Fifteen years static and dynamic: make study-static DATA=folder (comparisons/static_vs_dynamic)
	@$(BIN)/python -m comparisons.static_vs_dynamic $(DATA)

study-gap: .venv/compiled ## How far from the best is greedy, fifteen years of real futures: make study-gap DATA=folder
	@$(BIN)/python -m comparisons.greedy_gap $(DATA)

study-swap: .venv/compiled ## What a day costs with the swap-ins: make study-swap DATA=folder [PYSYSTEMTRADE=its clone] (comparisons/swap_in)
	@$(BIN)/python -m comparisons.swap_in $(DATA) $(PYSYSTEMTRADE)

study-agreement: .venv/compiled ## Branch and bound against SCIP on 540 weekly rebalances: make study-agreement DATA=folder
	@$(BIN)/python -m comparisons.agreement $(DATA)

study-race: .venv/compiled ## Solvers side by side, and time against size: make study-race DATA=folder (comparisons/solver_race)
	@$(BIN)/python -m comparisons.solver_race $(DATA)

study-frontier: .venv/compiled ## What exactness is worth: make study-frontier DATA=folder [WORKERS=2] (comparisons/frontier)
	@$(BIN)/python -m comparisons.frontier $(DATA) --workers $(WORKERS)

study-why: .venv/compiled ## What explanations cost: make study-why INSTANCES=folder (comparisons/why)
	@$(BIN)/python -m comparisons.why $(INSTANCES)

study-day-to-day: .venv/compiled ## Rebalances from the optimum before: make study-day-to-day DATA=folder (comparisons/day_to_day)
	@$(BIN)/python -m comparisons.day_to_day $(DATA)

study-holding: .venv/compiled ## Sizes on one side and the cost of holding: make study-holding DATA=folder (comparisons/holding)
	@$(BIN)/python -m comparisons.holding $(DATA)

study-rules: .venv/compiled ## House rules against other solvers: make study-rules DATA=folder [INSTANCES=folder] (comparisons/rules)
	@$(BIN)/python -m comparisons.rules $(DATA) $(if $(INSTANCES),--instances $(INSTANCES))

study-rules-years: .venv/compiled ## Fifteen years with house rules: make study-rules-years DATA=folder (comparisons/rules)
	@$(BIN)/python -m comparisons.rules.years $(DATA)

study-proofs: .venv/compiled ## Which problems have a proof: make study-proofs DATA=folder [INSTANCES=folder] (comparisons/proofs)
	@$(BIN)/python -m comparisons.proofs $(DATA) $(if $(INSTANCES),--instances $(INSTANCES))

study-before: .venv/compiled ## As fast as before, and the same answers? make study-before DATA=folder BEFORE=checkout (comparisons/before_after)
	@$(BIN)/python -m comparisons.before_after $(DATA) $(BEFORE)

study-gap-before: .venv/compiled ## Gap studies through two checkouts: make study-gap-before DATA=folder BEFORE=checkout (comparisons/before_after)
	@$(BIN)/python -m comparisons.before_after.gap_cells $(DATA) $(BEFORE)

docs: .venv-docs/installed ## Build the documentation site into site/; a dead reference fails
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict  # with --quiet it would count no warnings

lock: ## Pin today's versions anew
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install --quiet --upgrade setuptools ".[dev]"
	@.venv-lock/bin/python -m pip freeze --all --exclude dynopt-milp --exclude pip > requirements.lock
	@rm -rf .venv-lock build && $(PYTHON) -m venv .venv-lock
	@$(PYTHON) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'], sep='\n')" \
	  | .venv-lock/bin/python -m pip install --quiet -r /dev/stdin
	@.venv-lock/bin/python -m pip freeze > requirements-docs.lock
	@rm -rf .venv-lock

lock-oldest: ## Pin the oldest versions allowed anew, and today's of what those need
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@$(PYTHON) -m tests.floors > .venv-lock/floors.txt
	@.venv-lock/bin/python -m pip install --quiet -r .venv-lock/floors.txt ".[test]"
	@.venv-lock/bin/python -m pip freeze --all --exclude dynopt-milp --exclude pip > requirements-oldest.lock
	@rm -rf .venv-lock build

clean: ## Remove what was made
	@rm -rf .venv .venv-docs .venv-oldest build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis ./*.egg-info

# An environment with the versions of a lock file and the package itself, editable: $(call set-up,FOLDER,LOCK)
define set-up
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(1) (once, a minute or two) ..." >&2
	@rm -rf $(1) && $(PYTHON) -m venv $(1)
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check -r $(2)
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endef
COMPILE := -c 'from dynopt_milp.adapters.book import ordinary_day as day; from dynopt_milp.solvers.branch_and_bound import warm_up_ruled; \
  from dynopt_milp import example_problem, prove, solve; day.compile_all(); warm_up_ruled(); \
  solve(example_problem(), "greedy"); prove(example_problem(50_000))' 2>/dev/null

.venv/installed: requirements.lock pyproject.toml
	$(call set-up,.venv,requirements.lock)
	@touch $@

.venv/compiled: .venv/installed
	@echo "Compiling the branch and bound (once, a minute or two) ..." >&2
	@$(BIN)/python $(COMPILE)
	@touch $@

.venv-oldest/installed: requirements-oldest.lock pyproject.toml
	$(call set-up,.venv-oldest,requirements-oldest.lock)
	@touch $@

# Kernels of their own: numba's cache beside the source has those of .venv, for one version of numba.
KERNELS := .venv-oldest/kernels
$(KERNELS): .venv-oldest/installed $(wildcard dynopt_milp/solvers/*/*.py) dynopt_milp/proof/plain_tree.py dynopt_milp/why/near_optimal_tree.py
	@rm -rf $@
	@NUMBA_CACHE_DIR=$@ .venv-oldest/bin/python $(COMPILE)
	@touch $@

# The site is built from the sources without importing them: its environment needs none of the library's packages, and
# .venv, which the tests wait for, none of the site's.
.venv-docs/installed: requirements-docs.lock
	@rm -rf .venv-docs && $(PYTHON) -m venv .venv-docs
	@.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.lock
	@touch $@

"""``python -m dynopt_milp``: the command line."""

from dynopt_milp.cli import main

main()

"""``python -m dynopt_milp``: the command line."""

from dynopt_milp.commands.cli import main

main()

"""An attack on what the package claims: random and constructed problems, with exact arithmetic as the referee.

``python -m tests.attack --seconds 600`` (``make attack``) runs it for as long as it is given.
"""

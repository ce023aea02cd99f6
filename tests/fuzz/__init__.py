"""Files changed at random, through every reader: each change has its outcome in a table.

``tables`` takes a file apart, ``mutators`` are the changes, ``sources`` the folders and what is read from them,
``trial`` is one change and the judgement.
"""

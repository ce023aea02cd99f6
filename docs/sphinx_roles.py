"""Sphinx roles in docstrings become links of the reference; a griffe extension."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`(?P<short>~?)(?P<path>[\w.]+)`")


def linked(found: re.Match[str]) -> str:
    """The link of a dotted path; a name by itself is code."""
    path = found["path"]
    if "." not in path:
        return f"`{path}`"
    return f"[`{path.rpartition('.')[2] if found['short'] else path}`][{path}]"


class SphinxRoles(Extension):
    """Rewrites the docstring of every object."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Before anything is made of the docstring."""
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(linked, obj.docstring.value)

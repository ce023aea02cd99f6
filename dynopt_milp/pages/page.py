"""A page from its template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.io.colours import COLOURS, ON_DARK
from dynopt_milp.pages.charts import NARROWER


def write_page(path: str | Path, page: str) -> Path:
    """Write a page, atomically; where it was written.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    path = Path(path)
    write_atomically(path, page)
    return path


def render(template: str, **content: Any) -> str:
    """A page as HTML: one file, nothing is loaded from elsewhere.

    Parameters
    ----------
    template : str
        In the package, ``"gap/report.html.j2"``, say. It extends ``pages/base.html.j2``. What is not markup is escaped,
        and a name that is not given raises.
    **content
        What the template names.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("dynopt_milp", ""), autoescape=select_autoescape(["j2"]), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page: str = environment.get_template(template).render(
        colours=COLOURS, colours_on_dark=ON_DARK, narrower=NARROWER[::-1], **content
    )
    return page

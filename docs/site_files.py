"""The site has the paths of the repository, so that a link that works in one works in the other.

A hook of mkdocs: pages of ``docs/`` get that folder back in their paths, and the pages and pictures outside it are
added.
"""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

OUTSIDE = ("*.md", "LICENSE", "CITATION.cff", "comparisons/**/*.md", "comparisons/*/*.png")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site under the paths they have in the repository."""
    root = Path(config.config_file_path).parent
    docs = Path(config.docs_dir).relative_to(root).as_posix()
    site = [file for file in files if file.src_dir != config.docs_dir]
    for file in files:
        if file.src_dir == config.docs_dir and file.inclusion is not InclusionLevel.EXCLUDED:
            site.append(File.generated(config, f"{docs}/{file.src_uri}", abs_src_path=file.abs_src_path))
    for pattern in OUTSIDE:
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root).as_posix()
            site.append(File.generated(config, name, abs_src_path=str(path)))
    return Files(site)

"""The site of the documentation: `make docs` builds it into build/docs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "smtp-integrator"
author = "the smtp-integrator authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "smtp-integrator"
html_show_copyright = False
html_favicon = html_logo = "../icon.svg"
myst_heading_anchors = 3
# What is indented is a console's or a program's; no lexer is right for all of it.
highlight_language = "none"
nitpicky = True

# The sidebar. In index.md it would be noise for those who read the files where they lie.
_CONTENTS = """
```{toctree}
:hidden:

tutorial
```
"""
for _caption, _folder in {
    "How to": "how-to",
    "Reference": "reference",
    "Explanation": "explanation",
}.items():
    _CONTENTS += f"""
```{{toctree}}
:hidden:
:caption: {_caption}
:glob:

{_folder}/**
```
"""


def setup(app: Sphinx) -> None:
    """Give the first page the sidebar's contents."""
    app.connect("source-read", _add_contents)


def _add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    if page == "index":
        source[0] += _CONTENTS

"""The site of the documentation: `make docs` builds it into build/docs."""

from __future__ import annotations

from typing import Any

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

_FOLDERS = {"How to": "how-to", "Reference": "reference", "Explanation": "explanation"}


def setup(app: Any) -> None:  # noqa: ANN401 - Sphinx, which only its own environment has
    """Give the first page the sidebar: in index.md it would be noise for who reads the files."""
    app.connect("source-read", _add_contents)


def _add_contents(_app: Any, page: str, source: list[str]) -> None:  # noqa: ANN401 - as above
    if page == "index":
        folders = (
            _toctree(f"{it}/**", ":glob:", f":caption: {name}") for name, it in _FOLDERS.items()
        )
        source[0] += "\n".join([_toctree("tutorial"), *folders])


def _toctree(pages: str, *options: str) -> str:
    return "\n".join(["", "```{toctree}", ":hidden:", *options, "", pages, "```", ""])

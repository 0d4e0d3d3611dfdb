"""What is wrong with an option, said to the operator."""

from __future__ import annotations


class Problem(Exception):  # noqa: N818 - to the operator it is a problem, not an error
    """Why an option is wrong, and the remedy; without the option's name and without its value."""

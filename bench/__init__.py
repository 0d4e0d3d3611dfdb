"""Measures what a hook of a charm costs: ``python -m bench --charm PATH``.

Juju starts a charm anew for each event, and each hook command is a process. The bench runs a
charm's own dispatch so, with hook commands that cost next to nothing, beside a charm that does
nothing. It measures the charm and ops, and neither Juju nor itself.
"""

"""The completion of bash for the command line: ``source <(python -m localjuju.completion)``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from localjuju.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCRIPT = """\
_localjuju() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]}} flags=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "{commands}" -- "$word")
        return
    fi
    case $command in
{cases}
    esac
    mapfile -t COMPREPLY < <(
        case $word in
            -*) compgen -W "$flags" -- "$word" ;;
            *) compgen -W "$(_localjuju_names)" -- "$word"; compgen -f -- "$word" ;;
        esac
    )
}}

# The applications and units of the model; one name may be seen often.
_localjuju_names() {{
    "${{COMP_WORDS[0]}}" status --format=json 2>/dev/null |
        grep -oE '"[a-z][a-z0-9-]*/[0-9]+"' | tr -d '"' | sed 'p; s,/.*,,' | sort -u
}}

complete -o filenames -F _localjuju juju localjuju
"""


def script() -> str:
    """Return the script, for what the commands take here."""
    cases = [
        f'        {name}) flags="{" ".join(_written(spec))}" ;;'
        for name, (_, spec, _) in sorted(COMMANDS.items())
    ]
    names = " ".join(sorted([*COMMANDS, "version"]))
    return _SCRIPT.format(commands=names, cases="\n".join(cases))


def _written(spec: Mapping[str, str]) -> list[str]:
    """Write a command's flags as one gives them; ``m,model`` is one flag in two spellings."""
    names = sorted({name for given in spec for name in given.split(",")})
    return [f"-{name}" if len(name) == 1 else f"--{name}" for name in names]


if __name__ == "__main__":
    sys.stdout.write(script())

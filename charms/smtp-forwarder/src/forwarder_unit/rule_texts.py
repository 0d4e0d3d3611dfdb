"""Whether rules can work, before the forwarder is told of them."""

import pathlib
import tempfile

from unit_service import files


def problems(text: str, in_force: pathlib.Path) -> list[str]:
    """Return a message for each error, with its line and key.

    Args:
        text: the rules, as YAML.
        in_force: the file of the rules that the forwarder has, which need no check.
    """
    if files.read(in_force) == text:
        return []
    # What checks rules takes longer to import than most hooks run.
    from forwarder import configuration  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "rules")
        path.write_text(text, encoding="utf-8")
        try:
            configuration.load_rules(path)
        except configuration.ConfigurationError as error:
            return [problem.replace(f"{path}:", "line ") for problem in error.problems]
    return []

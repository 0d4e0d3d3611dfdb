"""YAML documents checked by a schema, with errors that name the line and the key, and no value.

A rejected value is never repeated, because it may be a password in the wrong place.
"""

import dataclasses
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema
import yaml

from forwarder import addresses

_DOMAIN = re.compile(r"[^\s@<>,;:\x00-\x20]+")
_ENDPOINT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):[0-9]{1,5}")
_HIGHEST_PORT = 65535
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "empty",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}

_PARSED = {f"tag:yaml.org,2002:{name}" for name in ("float", "int", "timestamp")}

Path = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is wrong in a document: the line, counted from 1, the key, and what to write there."""

    line: int
    key: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.line}: {self.key}: {self.remedy}"
            if self.key
            else f"{self.line}: {self.remedy}"
        )


class DocumentError(Exception):
    """A document is wrong; `problems` has all that was found, by line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class Document:
    """A YAML document, and the line of each of its keys."""

    def __init__(self, text: str, schema: Mapping[str, Any]) -> None:
        """Read and check a document; an empty one is an empty mapping.

        Raises:
            DocumentError: if it is not YAML, or not what the schema says.
        """
        self._lines: dict[Path, int] = {}
        problems: list[Problem] = []
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            problems += self._number(node, ()) if node else []
            self.data: dict[str, Any] = {} if problems else yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise DocumentError([_syntax_problem(error)]) from None
        except RecursionError:
            # An anchor may also stand in what it names.
            raise DocumentError([Problem(1, "", "this is nested too deep")]) from None
        if not problems:
            validator = jsonschema.Draft202012Validator(schema, format_checker=_CHECKER)
            found: Iterator[Any] = validator.iter_errors(self.data)  # pyright: ignore[reportUnknownMemberType]
            problems = [self._problem(error) for error in found]
        if problems:
            raise DocumentError(sorted(problems, key=lambda problem: (problem.line, problem.key)))

    def problem(self, path: Path, remedy: str) -> Problem:
        """Return a problem at a key."""
        key = ".".join(f"[{part}]" if isinstance(part, int) else str(part) for part in path)
        while path and path not in self._lines:
            path = path[:-1]
        return Problem(self._lines.get(path, 1), key.replace(".[", "["), remedy)

    def _number(self, node: yaml.Node, path: Path) -> Iterator[Problem]:
        """Note each key's line, and yield what YAML itself would pass over or fail at."""
        if isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                self._lines[(*path, index)] = child.start_mark.line + 1
                yield from self._number(child, (*path, index))
        elif isinstance(node, yaml.MappingNode):
            for key, child in node.value:
                inner = (*path, str(key.value))
                repeated = inner in self._lines
                self._lines[inner] = key.start_mark.line + 1
                if repeated:
                    yield self.problem(inner, "this key stands there already; write it once")
                yield from self._number(key, inner)
                yield from self._number(child, inner)
        elif not _has_value(node):
            yield self.problem(path, "there is no such date or number; put text in quotes")

    def _problem(self, error: jsonschema.ValidationError) -> Problem:
        path = tuple(error.absolute_path)
        rule, instance, schema = _parts(error)
        if error.validator == "additionalProperties":
            known: Mapping[str, Any] = schema["properties"]
            unknown = next(str(name) for name in instance if name not in known)
            return self.problem((*path, unknown), f"unknown; use one of {', '.join(known)}")
        if error.validator == "required":
            missing = next(name for name in rule if name not in instance)
            return self.problem((*path, missing), "is missing")
        return self.problem(path, _remedy(str(error.validator), rule))


def _has_value(node: yaml.Node) -> bool:
    """Tell whether what looks like a date or a number is one."""
    if node.tag not in _PARSED:
        return True
    try:
        yaml.constructor.SafeConstructor().construct_object(node)  # pyright: ignore[reportUnknownMemberType]
    except ValueError:
        return False
    return True


def _parts(error: jsonschema.ValidationError) -> tuple[Any, Any, Any]:
    """Return the rule that was broken, the value that broke it, and the schema around the rule."""
    return error.validator_value, error.instance, error.schema


def _remedy(validator: str, rule: Any) -> str:  # noqa: ANN401 - a schema has rules of all kinds
    if validator == "type":
        wanted = [rule] if isinstance(rule, str) else rule
        return f"write {' or '.join(_TYPES[name] for name in wanted)}"
    remedies = {
        "enum": lambda: f"write one of {', '.join(map(str, rule))}",
        "format": lambda: f"write {_FORMATS[rule]}",
        "pattern": lambda: "this has characters that cannot stand here",
        "minimum": lambda: f"write at least {rule}",
        "exclusiveMinimum": lambda: f"write more than {rule}",
        "maximum": lambda: f"write at most {rule}",
        "minLength": lambda: "must not be empty",
        "minItems": lambda: f"name at least {rule}",
    }
    return remedies[validator]() if validator in remedies else f"breaks the rule {validator}"


def _syntax_problem(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or "not YAML"
    # A duplicate anchor or an unknown alias is quoted by PyYAML; those are names, not values.
    return Problem(mark.line + 1 if mark else 1, "", f"this is not YAML: {said}")


_FORMATS = {
    "address": "an address such as ada@example.com",
    "domain": "a domain such as example.com",
    "endpoint": "HOST:PORT, such as 127.0.0.1:25 or [::1]:25",
    "line": "one line of text",
    "loopback": "a loopback address and a port, such as 127.0.0.1:9025",
    "network": "a network such as 10.0.0.0/8",
}
_CHECKER = jsonschema.FormatChecker(formats=())


@_CHECKER.checks("address")
def _is_address(value: object) -> bool:
    return not isinstance(value, str) or addresses.is_address(value)


@_CHECKER.checks("domain")
def _is_domain(value: object) -> bool:
    return not isinstance(value, str) or _DOMAIN.fullmatch(value) is not None


@_CHECKER.checks("endpoint")
def is_endpoint(value: object) -> bool:
    """Return whether a value, if it is text at all, is `HOST:PORT` or `[ADDRESS]:PORT`."""
    if not isinstance(value, str):
        return True
    match = _ENDPOINT.fullmatch(value)
    return match is not None and int(value.rpartition(":")[2]) <= _HIGHEST_PORT


@_CHECKER.checks("line")
def _is_line(value: object) -> bool:
    return not isinstance(value, str) or value.isprintable()


@_CHECKER.checks("loopback", raises=ValueError)
def _is_loopback(value: object) -> bool:
    if not isinstance(value, str):
        return True
    host = value.rpartition(":")[0].strip("[]")
    return is_endpoint(value) and ipaddress.ip_address(host).is_loopback


@_CHECKER.checks("network", raises=ValueError)
def _is_network(value: object) -> bool:
    if isinstance(value, str):
        ipaddress.ip_network(value, strict=False)
    return True

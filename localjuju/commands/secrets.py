"""Commands on secrets, of the user and of charms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localjuju import errors, flags, life, model, output, secret_store
from localjuju.commands.registry import FORMAT, MODEL, Call, command

if TYPE_CHECKING:
    from localjuju.model import Grant, Model, Secret

_MINUTE = 60


@command("add-secret", MODEL | {"file": flags.TEXT, "info": flags.TEXT})
def add_secret(call: Call) -> str:
    """Add a secret of the user and print its URI."""
    where, name = call.model(), call.word(0, "missing secret name")
    with where.lock:
        _check_name(where, name)
        content = _content(call, call.words[1:])
        if not content:
            raise errors.JujuError("missing secret value or filename", errors.USAGE)
        secret = model.Secret(
            id=secret_store.new_id(),
            label=name,
            description=call.parsed.text("info"),
            revisions={1: model.Revision(1, content)},
        )
        where.secrets[secret.id] = secret
    return f"{secret.uri}\n"


@command("grant-secret", MODEL)
def grant_secret(call: Call) -> None:
    """Let applications read a user secret; no hook tells them."""
    where = call.model()
    with where.lock:
        secret, names = _secret_and_applications(call, where)
        for name in names:
            secret.grants[name] = model.Grant(name)


@command("remove-secret", MODEL | {"revision": flags.INT})
def remove_secret(call: Call) -> None:
    """Remove a user secret, or one revision."""
    call.at_most(1)
    where = call.model()
    with where.lock:
        secret = _user_secret(call, where)
        revision = call.parsed.integer("revision", 0) or None
        if revision and revision not in secret.revisions:
            raise errors.JujuError(f'secret revision "{secret.id}/{revision}" not found')
        secret_store.remove(where, secret, revision)
        life.settle(where)


@command("revoke-secret", MODEL)
def revoke_secret(call: Call) -> None:
    """End the applications' permission to read a user secret."""
    where = call.model()
    with where.lock:
        secret, names = _secret_and_applications(call, where)
        for name in names:
            secret.grants.pop(name, None)


@command("secrets", FORMAT | MODEL | {"owner": flags.TEXT}, "list-secrets")
def secrets(call: Call) -> str:
    """List the model's secrets."""
    call.at_most(0)
    where, owner = call.model(), call.parsed.text("owner")
    with where.lock:
        found = [one for one in where.secrets.values() if owner in ("", *_owner_names(where, one))]
        if form := call.parsed.text("format"):
            return output.show({one.id: _describe(one) for one in found}, form)
        rows = [_row(one) for one in sorted(found, key=lambda one: (_owner(one), -one.latest))]
    return output.table(
        [("ID", "Name", "Owner", "Rotation", "Revision", "Last updated"), *rows], right=(4,)
    )


def _row(secret: Secret) -> tuple[str, ...]:
    name = "-" if secret.owner else secret.label
    seconds = int((model.now() - secret.updated).total_seconds())
    ago = f"{seconds} seconds ago" if seconds < _MINUTE else f"{seconds // _MINUTE} minutes ago"
    about = (secret.rotate, str(secret.latest), ago)
    return secret.id, name, _owner(secret), *about


@command(
    "show-secret",
    FORMAT | MODEL | {"r,revision": flags.INT, "reveal": flags.BOOL, "revisions": flags.BOOL},
)
def show_secret(call: Call) -> str:
    """Show a secret; its content too with ``--reveal``."""
    call.at_most(1)
    where, form = call.model(), call.parsed.text("format", "yaml")
    with where.lock:
        secret = _any_secret(where, call.word(0, "require a secret URI or name"))
        data = (
            _revealed(call, secret, form) if call.parsed.boolean("reveal") else _describe(secret)
        )
        if call.parsed.boolean("revisions"):
            data["revisions"] = [_revision(one) for one in secret.revisions.values()]
        if secret.grants:
            data["access"] = [_access(where, one) for one in secret.grants.values()]
    return output.show({secret.id: data}, form)


def _revealed(call: Call, secret: Secret, form: str) -> dict[str, Any]:
    number = call.parsed.integer("revision", secret.latest)
    if number not in secret.revisions:
        raise errors.JujuError(f'secret revision "{secret.id}/{number}" not found')
    content = output.ordered(secret.revisions[number].content)
    data = _describe(secret, secret_store.checksum(content))
    return data | {
        "revision": number,
        "content": {"Data": content} if form == "json" else content,
    }


@command(
    "update-secret",
    MODEL | {"auto-prune": flags.BOOL, "file": flags.TEXT, "info": flags.TEXT, "name": flags.TEXT},
)
def update_secret(call: Call) -> None:
    """Change a user secret; a new content is a new revision."""
    where = call.model()
    with where.lock:
        secret, name = _user_secret(call, where), call.parsed.text("name")
        content = _content(call, call.words[1:])
        if name and name != secret.label:
            _check_name(where, name)
        secret.label = name or secret.label
        secret.description = call.parsed.text("info", secret.description)
        if "auto-prune" in call.parsed.flags:
            secret.auto_prune = call.parsed.boolean("auto-prune")
        if content:
            secret_store.add_revision(secret, content)
        secret_store.prune(secret)
        life.settle(where)


def _check_name(where: Model, name: str) -> None:
    if any(not one.owner and one.label == name for one in where.secrets.values()):
        raise errors.JujuError(f'secret with name "{name}" already exists')


def _content(call: Call, words: list[str]) -> dict[str, str]:
    return secret_store.parse_content(words, call.parsed.text("file"), call.read_bytes)


def _secret_and_applications(call: Call, where: Model) -> tuple[Secret, list[str]]:
    call.at_most(2)
    names = call.word(1, "missing application name").split(",")
    secret = _user_secret(call, where, where.release.words.user_secret_to_grant_unknown)
    for name in names:
        if name not in where.applications:
            unknown = where.release.words.grant_application_unknown
            raise errors.JujuError(unknown.format(uri=secret.uri, app=name))
    return secret, names


def _user_secret(call: Call, where: Model, unknown: str = "") -> Secret:
    secret = _any_secret(where, call.word(0, "missing secret URI or name"), unknown)
    if secret.owner:
        raise errors.JujuError("permission denied")
    return secret


def _any_secret(where: Model, identifier: str, unknown: str = "") -> Secret:
    secret = secret_store.by_name(where, identifier)
    if secret is None:
        unknown = unknown or where.release.words.user_secret_unknown
        raise errors.JujuError(unknown.format(name=identifier))
    return secret


def _owner(secret: Secret) -> str:
    return secret.owner or "<model>"


def _owner_names(where: Model, secret: Secret) -> list[str]:
    if not secret.owner:
        return ["user", f"model-{where.uuid}", where.name]
    kind = "unit" if "/" in secret.owner else "application"
    return [secret.owner, f"{kind}-{secret.owner.replace('/', '-')}"]


def _describe(secret: Secret, checksum: str = "") -> dict[str, Any]:
    data: dict[str, Any] = {
        "revision": secret.latest,
        "checksum": checksum,
        "expires": secret.expires and output.rfc3339(secret.expires),
        "rotation": secret.rotate,
        "rotates": secret.rotates and output.rfc3339(secret.rotates),
        "owner": _owner(secret),
        "description": secret.description,
        "label" if secret.owner else "name": secret.label,
    }
    data = {key: value for key, value in data.items() if value}
    data["created"] = output.rfc3339(secret.created)
    data["updated"] = output.rfc3339(secret.updated)
    return data


def _access(where: Model, grant: Grant) -> dict[str, str]:
    kind = "unit" if "/" in grant.subject else "application"
    scope = f"model-{where.uuid}"
    if grant.relation_id is not None:
        scope = where.relations[grant.relation_id].tag
    target = f"{kind}-{grant.subject.replace('/', '-')}"
    return {"target": target, "scope": scope, "role": "view"}


def _revision(revision: model.Revision) -> dict[str, Any]:
    created = output.rfc3339(revision.created)
    return {
        "revision": revision.number,
        "backend": "internal",
        "created": created,
        "updated": created,
    }

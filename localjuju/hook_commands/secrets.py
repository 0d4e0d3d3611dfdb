"""Hook commands of secrets. All that they change waits for the hook's good end."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from localjuju import errors, flags, model, secret_store
from localjuju.context import SecretChange
from localjuju.hook_commands.registry import SHOW, Call, command

if TYPE_CHECKING:
    from localjuju.context import Context
    from localjuju.model import Secret

_CONTENT = {
    "description": flags.TEXT,
    "expire": flags.TEXT,
    "file": flags.TEXT,
    "label": flags.TEXT,
    "owner": flags.TEXT,
    "rotate": flags.TEXT,
}
_ROTATE = {"never", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly"}
_SUBJECT = {"r,relation": flags.TEXT, "unit": flags.TEXT}


@command("secret-add", _CONTENT)
def secret_add(context: Context, call: Call) -> str:
    """Create a secret and print its URI, with the model: so it is read in other models too."""
    owner = call.parsed.text("owner", "application")
    if owner not in ("application", "unit"):
        raise errors.JujuError(f'secret owner "{owner}" not valid', errors.USAGE)
    if owner == "application" and not context.is_leader:
        raise errors.JujuError("this unit is not the leader")
    content = _content(call, call.words)
    if not content:
        raise errors.JujuError("missing secret value or filename", errors.USAGE)
    secret = model.Secret(
        id=secret_store.new_id(),
        owner=context.unit.application if owner == "application" else context.unit.name,
        label=_free_label(context, call.parsed.text("label")),
        description=call.parsed.text("description"),
        rotate=_rotate(call) or "never",
        expire=call.parsed.text("expire"),
        revisions={1: model.Revision(1, content)},
    )
    context.changes.created[secret.id] = secret
    return f"secret://{context.where.uuid}/{secret.id}\n"


@command("secret-get", SHOW | {"label": flags.TEXT, "peek": flags.BOOL, "refresh": flags.BOOL})
def secret_get(context: Context, call: Call) -> str:
    """Print a secret's content, or one key of it."""
    uri, label = call.word(0), call.parsed.text("label")
    if not uri and not label:
        raise errors.JujuError("require either a secret URI or label", errors.USAGE)
    peek, refresh = call.parsed.boolean("peek"), call.parsed.boolean("refresh")
    if peek and refresh:
        raise errors.JujuError("specify one of --refresh or --peek but not both", errors.USAGE)
    secret = _by_uri_or_label(context, uri, label)
    _relabel(context, secret, uri, label)
    content = _pending_content(context, secret, peek=peek, refresh=refresh)
    if content is None:
        content = secret_store.read(
            secret, context.unit, label=label if uri else "", peek=peek, refresh=refresh
        )
    return _show_content(call, content)


def _show_content(call: Call, content: dict[str, str]) -> str:
    if len(call.words) < 2:  # noqa: PLR2004 - a URI alone
        return call.show(content)
    key = call.word(1).partition("#")[0]
    if key not in content:
        raise errors.JujuError(f'secret key "{key}" not found')
    text = content[key]
    return call.show(base64.b64encode(text.encode()).decode() if "#" in call.word(1) else text)


def _relabel(context: Context, secret: Secret, uri: str, label: str) -> None:
    """An owner that reads with a new label renames its secret."""
    manages = secret.owner == context.unit.name or context.is_leader
    renames = bool(uri and label) and secret_store.is_owner(secret, context.unit) and manages
    if renames and context.secret_label(secret) != label:
        _change(context, secret).label = _free_label(context, label, secret)


def _pending_content(
    context: Context, secret: Secret, *, peek: bool, refresh: bool
) -> dict[str, str] | None:
    """What this hook itself has written, where the read shows it."""
    change = context.changes.updated.get(secret.id)
    if change and change.content is not None and (peek or refresh or _is_new(context, secret)):
        change.track = change.track or refresh
        return change.content
    if _is_new(context, secret):
        return secret.revisions[1].content
    return None


def _is_new(context: Context, secret: Secret) -> bool:
    return secret.id in context.changes.created


@command("secret-grant", _SUBJECT)
def secret_grant(context: Context, call: Call) -> None:
    """Let the remote application of a relation, or one of its units, read a secret."""
    call.at_most(1)
    secret = _managed(context, call)
    if not call.parsed.text("relation") and context.hook.relation_id is None:
        raise errors.JujuError("missing relation ID", errors.USAGE)
    relation = context.relation(call.parsed.text("relation"), "--relation")
    remote = relation.other(context.unit.application).application
    subject = call.parsed.text("unit") or remote
    if subject.partition("/")[0] != remote:
        raise errors.JujuError(f'unit "{subject}" is not in relation "{relation.key}"')
    context.changes.grants.append((secret.id, model.Grant(subject, relation.id)))


@command("secret-ids", SHOW)
def secret_ids(context: Context, call: Call) -> str:
    """List the secrets that the unit owns; for the leader, its application's too."""
    call.at_most(0)
    removed = {secret_id for secret_id, revision in context.changes.removed if revision is None}
    owned = [*secret_store.owned_by(context.where, context.unit)]
    owned += context.changes.created.values()
    return call.show([one.id for one in owned if _manages(context, one) and one.id not in removed])


@command("secret-info-get", SHOW | {"label": flags.TEXT})
def secret_info_get(context: Context, call: Call) -> str:
    """Print what the owner may know about a secret, without its content."""
    call.at_most(1)
    uri, label = call.word(0), call.parsed.text("label")
    if bool(uri) == bool(label):
        raise errors.JujuError("require either a secret URI or label", errors.USAGE)
    secret = _by_uri_or_label(context, uri, label)
    secret_store.check_manager(context.where, secret, context.unit)
    info: dict[str, object] = {
        "label": context.secret_label(secret),
        "owner": "unit" if "/" in secret.owner else "application",
        "revision": secret.latest,
        "rotation": secret.rotate,
    }
    if secret.description:
        info["description"] = secret.description
    if secret.grants:
        info["access"] = [_access(context, grant) for grant in secret.grants.values()]
    return call.show({secret.id: info})


def _access(context: Context, grant: model.Grant) -> dict[str, str]:
    kind = "unit" if "/" in grant.subject else "application"
    relation = context.where.relations.get(-1 if grant.relation_id is None else grant.relation_id)
    return {
        "target": f"{kind}-{grant.subject.replace('/', '-')}",
        "scope": f"relation-{relation.key.replace(':', '.').replace(' ', '#')}"
        if relation
        else "",
        "role": "view",
    }


@command("secret-remove", {"revision": flags.INT})
def secret_remove(context: Context, call: Call) -> None:
    """Remove a secret, or one revision."""
    call.at_most(1)
    secret = _managed(context, call)
    revision = call.parsed.integer("revision", 0) or None
    context.changes.removed.append((secret.id, revision))


@command("secret-revoke", _SUBJECT | {"app,application": flags.TEXT})
def secret_revoke(context: Context, call: Call) -> None:
    """Take a permission back: of a relation, an application or a unit."""
    call.at_most(1)
    secret = _managed(context, call)
    subject = call.parsed.text("unit") or call.parsed.text("application") or None
    given = call.parsed.text("relation")
    if not subject and not given and context.hook.relation_id is None:
        raise errors.JujuError("missing application or unit", errors.USAGE)
    relation = context.relation(given, "--relation") if given or not subject else None
    context.changes.revokes.append((secret.id, subject, relation.id if relation else None))


@command("secret-set", _CONTENT)
def secret_set(context: Context, call: Call) -> None:
    """Change a secret; several changes in one hook make one revision."""
    secret = _managed(context, call)
    change = _change(context, secret)
    if content := _content(call, call.words[1:]):
        change.content = content
    if label := call.parsed.text("label"):
        change.label = _free_label(context, label, secret)
    change.description = call.parsed.text("description") or change.description
    change.rotate = _rotate(call) or change.rotate
    change.expire = call.parsed.text("expire") or change.expire


def _content(call: Call, words: list[str]) -> dict[str, str]:
    return secret_store.parse_content(words, call.parsed.text("file"), call.read)


def _by_uri_or_label(context: Context, uri: str, label: str) -> Secret:
    if uri:
        return context.find_secret(uri)
    created = context.changes.created.values()
    for secret in [*created, *secret_store.owned_by(context.where, context.unit)]:
        if context.secret_label(secret) == label:
            return secret
    if secret := secret_store.by_label(context.where, context.unit, label):
        return secret
    raise errors.JujuError(f'secret with label "{label}" not found')


def _managed(context: Context, call: Call) -> Secret:
    if not call.words:
        raise errors.JujuError("missing secret URI", errors.USAGE)
    secret = context.find_secret(call.word(0))
    secret_store.check_manager(context.where, secret, context.unit)
    return secret


def _manages(context: Context, secret: Secret) -> bool:
    return secret.owner == context.unit.name or context.is_leader


def _change(context: Context, secret: Secret) -> SecretChange:
    return context.changes.updated.setdefault(secret.id, SecretChange())


def _free_label(context: Context, label: str, own: Secret | None = None) -> str:
    """Check that no other secret of the owner has the label."""
    known = [*context.changes.created.values()]
    known += secret_store.owned_by(context.where, context.unit)
    if label and any(one is not own and context.secret_label(one) == label for one in known):
        raise errors.JujuError(f'secret with label "{label}" already exists')
    return label


def _rotate(call: Call) -> str:
    rotate = call.parsed.text("rotate")
    if rotate and rotate not in _ROTATE:
        raise errors.JujuError(f'rotate policy "{rotate}" not valid', errors.USAGE)
    return rotate

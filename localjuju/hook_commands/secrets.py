"""Hook commands of secrets. All that they change waits for the hook's good end."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from localjuju import errors, flags, model, output, secret_store
from localjuju.context import SecretChange
from localjuju.hook_commands.registry import SHOW, Call, command

if TYPE_CHECKING:
    import datetime as dt

    from localjuju.context import Context
    from localjuju.model import Secret
    from localjuju.secret_store import Reader

_CONTENT = {
    "description": flags.TEXT,
    "expire": flags.TEXT,
    "file": flags.TEXT,
    "label": flags.TEXT,
    "owner": flags.TEXT,
    "rotate": flags.TEXT,
}
_SUBJECT = {"r,relation": flags.TEXT, "unit": flags.TEXT}


@command("secret-add", _CONTENT)
def secret_add(context: Context, call: Call) -> str:
    """Create a secret and print its URI, with the model: so it is read in other models too."""
    owner = call.parsed.text("owner", "application")
    if owner not in ("application", "unit"):
        raise errors.JujuError(f'secret owner "{owner}" not valid', errors.USAGE)
    if owner == "application" and not context.is_leader:
        raise errors.JujuError("this unit is not the leader")
    rotate, expires = _rotate(call) or "never", _expires(call)
    content = _content(call, call.words)
    if not content:
        raise errors.JujuError("missing secret value or filename", errors.USAGE)
    secret_id, label = secret_store.new_id(), call.parsed.text("label")
    doing = f'create secrets: creating secret "{secret_id}"'
    if owner == "application":
        doing = f"executing leadership func: {doing}"
    _check_label(context, label, doing)
    secret = model.Secret(
        id=secret_id,
        owner=context.unit.application if owner == "application" else context.unit.name,
        label=label,
        description=call.parsed.text("description"),
        rotate=rotate,
        expires=expires,
        rotates=secret_store.next_rotation(rotate, model.now()),
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
        raise errors.JujuError("specify one of --peek or --refresh but not both", errors.USAGE)
    secret, reader = _readable(context, uri, label)
    own = label
    if reader is context.unit:
        _relabel(context, secret, uri, label)
        own = _own_label(context, secret, uri, label)
    content = _pending_content(context, secret, peek=peek, refresh=refresh)
    if content is None:
        how = "peek" if peek else "refresh" if refresh else ""
        content = secret_store.read(context.where, secret, reader, label=own, how=how)
    return _show_content(call, content)


def _own_label(context: Context, secret: Secret, uri: str, label: str) -> str:
    """The label by which the unit is to know the secret from now on; none leaves it as it is."""
    if not secret_store.is_owner(secret, context.unit):
        return label if uri else ""
    consumer = secret.consumers.get(context.unit.name)
    known = consumer is not None and consumer.label
    return label if context.where.release.secret_labels_stay and (uri or not known) else ""


def _show_content(call: Call, content: dict[str, str]) -> str:
    if len(call.words) < 2:  # noqa: PLR2004 - a URI alone
        return call.show(output.ordered(content))
    key = call.word(1).partition("#")[0]
    if key not in content:
        raise errors.JujuError(f'secret key value "{key}" not found')
    text = content[key]
    return call.show(base64.b64encode(text.encode()).decode() if "#" in call.word(1) else text)


def _relabel(context: Context, secret: Secret, uri: str, label: str) -> None:
    """An owner that reads with a new label renames its secret."""
    renames = bool(uri and label) and secret_store.manages(context.where, secret, context.unit)
    if renames and context.secret_label(secret) != label:
        _check_label(context, label, "updating secrets", secret)
        _change(context, secret).label = label


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
    relation = context.relation(call.parsed.text("relation"))
    secret = _own(context, _uri(call))
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
    mine = [one for one in owned if secret_store.manages(context.where, one, context.unit)]
    return call.show([one.id for one in mine if one.id not in removed])


@command("secret-info-get", SHOW | {"label": flags.TEXT})
def secret_info_get(context: Context, call: Call) -> str:
    """Print what the owner may know about a secret, without its content."""
    call.at_most(1)
    uri, label = call.word(0), call.parsed.text("label")
    if bool(uri) == bool(label):
        raise errors.JujuError("require either a secret URI or label", errors.USAGE)
    secret = _own(context, uri or _readable(context, uri, label)[0].id)
    info: dict[str, object] = {
        "revision": secret.latest,
        "label": context.secret_label(secret),
        "owner": "unit" if "/" in secret.owner else "application",
    }
    if secret.description:
        info["description"] = secret.description
    if not _is_new(context, secret) or secret.rotate != "never":
        info["rotation"] = secret.rotate
    for name, moment in (("rotates", secret.rotates), ("expires", secret.expires)):
        if moment:
            info[name] = output.rfc3339(moment)
    if secret.grants:
        info["access"] = [_access(context, grant) for grant in secret.grants.values()]
    return call.show({secret.id: info})


def _access(context: Context, grant: model.Grant) -> dict[str, str]:
    kind = "unit" if "/" in grant.subject else "application"
    relation = context.where.relations.get(-1 if grant.relation_id is None else grant.relation_id)
    return {
        "target": f"{kind}-{grant.subject.replace('/', '-')}",
        "scope": relation.tag if relation else "",
        "role": "view",
    }


@command("secret-remove", {"revision": flags.INT})
def secret_remove(context: Context, call: Call) -> None:
    """Remove a secret, or one revision."""
    call.at_most(1)
    revision = call.parsed.integer("revision", 0) or None
    if secret := _managed(context, call, "removing secrets"):
        context.changes.removed.append((secret.id, revision))


@command("secret-revoke", _SUBJECT | {"app,application": flags.TEXT})
def secret_revoke(context: Context, call: Call) -> None:
    """Take a permission back: of a relation, an application or a unit."""
    call.at_most(1)
    subject = call.parsed.text("unit") or call.parsed.text("application") or None
    given = call.parsed.text("relation")
    if not subject and not given and context.hook.relation_id is None:
        raise errors.JujuError("missing relation or application or unit", errors.USAGE)
    relation = context.relation(given) if given or not subject else None
    if secret := _managed(context, call, "revoking secrets"):
        context.changes.revokes.append((secret.id, subject, relation.id if relation else None))


@command("secret-set", _CONTENT)
def secret_set(context: Context, call: Call) -> None:
    """Change a secret; several changes in one hook make one revision."""
    rotate, expires = _rotate(call), _expires(call)
    content, doing = _content(call, call.words[1:]), "updating secrets"
    secret = _managed(context, call, doing)
    if secret is None:
        return
    change = _change(context, secret)
    change.content = content or change.content
    if label := call.parsed.text("label"):
        _check_label(context, label, doing, secret)
        change.label = label
    change.description = call.parsed.text("description") or change.description
    change.rotate = rotate or change.rotate
    change.expires = expires or change.expires


def _content(call: Call, words: list[str]) -> dict[str, str]:
    return secret_store.parse_content(words, call.parsed.text("file"), call.read)


def _readable(context: Context, uri: str, label: str) -> tuple[Secret, Reader]:
    """The secret that is named, and what the unit is in the secret's model."""
    created = context.changes.created
    if uri:
        if secret := created.get(secret_store.parse_uri(uri)):
            return secret, context.unit
        return secret_store.find_readable(context.where, context.unit, uri)
    for secret in [*created.values(), *secret_store.owned_by(context.where, context.unit)]:
        if context.secret_label(secret) == label:
            return secret, context.unit
    if found := secret_store.by_label(context.where, context.unit, label):
        return found
    raise errors.JujuError(context.where.release.words.secret_label_unknown.format(label=label))


def _uri(call: Call) -> str:
    if not call.words:
        raise errors.JujuError("missing secret URI", errors.USAGE)
    secret_store.parse_uri(call.word(0))
    return call.word(0)


def _own(context: Context, uri: str) -> Secret:
    """A secret that the unit manages; in Juju 4.0, one of others is as good as none."""
    secret = context.known_secret(uri)
    if secret and secret_store.manages(context.where, secret, context.unit):
        return secret
    if secret is None or context.where.release.secrets_are_checked_late:
        raise errors.JujuError(f'secret "{secret_store.parse_uri(uri)}" not found')
    if secret_store.is_owner(secret, context.unit):
        raise errors.JujuError("this unit is not the leader")
    raise errors.JujuError("permission denied")


def _managed(context: Context, call: Call, doing: str) -> Secret | None:
    """The secret to change, or None where that is found out when the hook is committed."""
    uri = _uri(call)
    if not context.where.release.secrets_are_checked_late:
        return _own(context, uri)
    secret = context.known_secret(uri)
    if secret and not secret_store.manages(context.where, secret, context.unit):
        context.refuse(f'{doing}: "{context.unit.name}" is not allowed to manage this secret')
        return None
    return secret


def _change(context: Context, secret: Secret) -> SecretChange:
    return context.changes.updated.setdefault(secret.id, SecretChange())


def _check_label(context: Context, label: str, doing: str, own: Secret | None = None) -> None:
    """Check that no other secret of the owner has the label, now or when the hook is committed."""
    known = [*context.changes.created.values()]
    known += secret_store.owned_by(context.where, context.unit)
    if not label or all(one is own or context.secret_label(one) != label for one in known):
        return
    problem = f'secret with label "{label}" already exists'
    if not context.where.release.secrets_are_checked_late:
        raise errors.JujuError(problem)
    context.refuse(f"{doing}: {problem}")


def _expires(call: Call) -> dt.datetime | None:
    text = call.parsed.text("expire")
    return secret_store.expiry(text) if text else None


def _rotate(call: Call) -> str:
    rotate = call.parsed.text("rotate")
    if rotate and rotate not in secret_store.ROTATE_POLICIES:
        raise errors.JujuError(f'rotate policy "{rotate}" not valid', errors.USAGE)
    return rotate

"""The releases of Juju that localjuju plays, and all in which they differ.

``LOCALJUJU_RELEASE`` names the one that a controller plays as it starts. Whatever is the same in
all of them stands where it is done; what is not is a field here. Sources: for 4.0 what a
controller of 4.0.15 on LXD machines answered, kept as a table in the tests; for 3.6 its source.
"""

from __future__ import annotations

import dataclasses
import os

from localjuju import errors

DEFAULT = "4.0"
VARIABLE = "LOCALJUJU_RELEASE"


@dataclasses.dataclass(frozen=True)
class Words:
    """What a release says when it refuses; names in braces stand for what is refused.

    Attributes:
        application_incomplete: ``juju refresh`` of an application that is not there.
        application_unknown: ``juju integrate`` with an application that is not there.
        bases_missing: ``juju deploy`` of a charm whose manifest has no bases.
        databag_application_unknown: ``relation-get`` of an application outside of the relation.
        databag_unit_unknown: ``relation-get`` of a unit outside of the relation.
        endpoint_unknown: ``juju integrate`` with an endpoint that the charm lacks.
        endpoints_ambiguous: ``juju integrate`` where several pairs of endpoints fit.
        endpoints_unfit: ``juju integrate`` where none fits.
        grant_application_unknown: ``juju grant-secret`` to an application that is not there.
        leader_unknown: ``juju run`` on the leader of an application that is not there.
        model_exists: ``juju add-model`` with a name that is taken.
        option_unknown: ``juju config`` of an option that the charm lacks.
        relation_exists: ``juju integrate`` of what is related.
        relation_unknown: ``juju remove-relation`` of what is not.
        resource_unknown: ``resource-get`` of a resource that is not there.
        secret_denied: ``secret-get`` without a grant.
        secret_label_unknown: ``secret-get`` by a label that is nobody's.
        secret_unknown: ``secret-get`` of a secret that is not there.
        unit_healthy: ``juju resolve`` of a unit that is not in error.
        user_secret_unknown: commands on a user secret that is not there.
        user_secret_to_grant_unknown: ``juju grant-secret`` and ``revoke-secret`` of such a one.
    """

    application_incomplete: str
    application_unknown: str
    bases_missing: str
    databag_application_unknown: str
    databag_unit_unknown: str
    endpoint_unknown: str
    endpoints_ambiguous: str
    endpoints_unfit: str
    grant_application_unknown: str
    leader_unknown: str
    model_exists: str
    option_unknown: str
    relation_exists: str
    relation_unknown: str
    resource_unknown: str
    secret_denied: str
    secret_label_unknown: str
    secret_unknown: str
    unit_healthy: str
    user_secret_to_grant_unknown: str
    user_secret_unknown: str


@dataclasses.dataclass(frozen=True)
class Release:
    """What one release of Juju says and does where another says or does something else.

    Attributes:
        name: the release, as ``LOCALJUJU_RELEASE`` names it.
        version: the version of its agents.
        words: what it says.
        failed_tasks_exit: the exit code of ``juju run`` where a task failed, or had no unit or
            wrong parameters: then it is no refusal but a task that fails.
        bare_secret_ids: hooks whose ``JUJU_SECRET_ID`` is the ID alone.
        config_hooks: how many config-changed one ``juju config`` brings.
        databags_are_open: whether a unit may read all databags of its own side.
        grants_need_life: whether a grant in the scope of a dying relation fails the hook when it
            is committed.
        late_peers: whether units are told that a peer was removed only after their next refresh;
            and the one that goes has no relation-broken of its peers, which come last.
        leader_hears_itself: whether a leader is told of what it writes to its peers.
        machines_tell_life: whether the statuses of machines tell their life, and neither the
            agent's version nor since when they run.
        refused_readers_track: whether a unit that tried to read a secret without a grant counts
            as a reader: it tracks a revision, and is told of newer ones.
        reset_is_told: whether ``juju config --reset`` alone brings config-changed.
        secret_labels_stay: whether a unit of the owner goes on knowing a secret by the label by
            which it has read it, after the owner gave it another.
        secrets_are_checked_late: whether ``secret-set``, ``secret-remove``, ``secret-revoke`` of
            what a unit does not own and ``secret-add`` with a label in use succeed, and fail the
            hook when it is committed; of what is not there, they do nothing.
        show_unit_tells_own: whether the application-data of ``juju show-unit`` are those of the
            unit's own application; then it tells nothing of the unit itself.
        task_end_is_shown: whether the timing of a task tells when it was completed.
        unit_addresses: the keys under which a unit's databag has its address.
        variables: what the environment of each hook has beside what all releases set.
    """

    name: str
    version: str
    words: Words
    failed_tasks_exit: int
    bare_secret_ids: frozenset[str]
    config_hooks: int
    databags_are_open: bool
    grants_need_life: bool
    late_peers: bool
    leader_hears_itself: bool
    machines_tell_life: bool
    refused_readers_track: bool
    reset_is_told: bool
    secret_labels_stay: bool
    secrets_are_checked_late: bool
    show_unit_tells_own: bool
    task_end_is_shown: bool
    unit_addresses: tuple[str, ...]
    variables: tuple[str, ...]


_3_6 = Release(
    name="3.6",
    version="3.6.12",
    words=Words(
        application_incomplete='application "{app}" not found',
        application_unknown='application "{app}" not found',
        bases_missing="charm does not define any bases, not valid",
        databag_application_unknown="permission denied",
        databag_unit_unknown=(
            'cannot read settings for unit "{unit}" in relation "{key}": '
            'unit "{unit}": settings not found'
        ),
        endpoint_unknown='application "{app}" has no "{endpoint}" relation',
        endpoints_ambiguous='ambiguous relation: "{first} {last}" could refer to {choices}',
        endpoints_unfit="no relations found",
        grant_application_unknown='application "{app}" not found',
        leader_unknown='unit "{app}/leader" not found (not found)',
        model_exists=(
            'failed to create new model: model "{name}" for admin already exists (already exists)'
        ),
        option_unknown='unknown option "{option}"',
        relation_exists='cannot add relation "{key}": relation {key} already exists '
        "(already exists)",
        relation_unknown='relation "{first} {last}" not found',
        resource_unknown='could not download resource: resource "{resource}" not found',
        secret_denied="permission denied",
        secret_label_unknown='secret with label "{label}" not found',
        secret_unknown='secret "{id}" not found',
        unit_healthy='unit "{unit}" is not in an error state',
        user_secret_to_grant_unknown='secret "{name}" not found',
        user_secret_unknown='secret "{name}" not found',
    ),
    failed_tasks_exit=1,
    bare_secret_ids=frozenset(),
    config_hooks=1,
    databags_are_open=False,
    grants_need_life=True,
    late_peers=False,
    leader_hears_itself=False,
    machines_tell_life=False,
    refused_readers_track=False,
    reset_is_told=True,
    secret_labels_stay=False,
    secrets_are_checked_late=False,
    show_unit_tells_own=False,
    task_end_is_shown=True,
    unit_addresses=("egress-subnets", "ingress-address", "private-address"),
    variables=(),
)

_RELATING = 'adding relation between endpoints "{first}" and "{last}": '
_CANNOT_RELATE = f'{_RELATING}cannot relate endpoints "{{first}}" and "{{last}}": '

_4_0 = Release(
    name="4.0",
    version="4.0.15",
    words=Words(
        application_incomplete=(
            '"{app}" deploy incomplete, please try refresh again in a little bit.'
        ),
        application_unknown=(
            f"{_CANNOT_RELATE}no candidates for {{end}}: relation endpoint not found"
        ),
        bases_missing="charm metadata without bases in manifest not valid",
        databag_application_unknown='getting application "{app}" not found',
        databag_unit_unknown="relation unit not found",
        endpoint_unknown=(
            f"{_CANNOT_RELATE}no candidates for {{end}}: relation endpoint not found"
        ),
        endpoints_ambiguous=(
            f'{_CANNOT_RELATE}ambiguous relation: "{{first}} {{last}}" could refer to {{choices}}'
        ),
        endpoints_unfit=f"{_CANNOT_RELATE}no compatible endpoints found between applications",
        grant_application_unknown=(
            'failed to grant/revoke secret: cannot change access to "{uri}" for "{app}": '
            'application "{app}" not found'
        ),
        leader_unknown=(
            'getting leader unit for {app}: application "{app}" not found in leases (not found)'
        ),
        model_exists="model admin/{name} already exists (already exists)",
        option_unknown='invalid application config: unknown option "{option}"',
        relation_exists=(
            f'{_RELATING}cannot add relation "{{first}}", "{{last}}": '
            "relation {first} {last}: already exists"
        ),
        relation_unknown="relation with endpoints [{first} {last}] or id 0 not found (not found)",
        resource_unknown=(
            "could not download resource: HTTP request failed: Get "
            "https://{address}/model/{model}/units/{tag}/resources/{resource}: "
            "getting UUID of resource {resource} for application {app}: resource not found"
        ),
        secret_denied='"{unit}" is not allowed to read this secret',
        secret_label_unknown='secret URI for consumer label "{label}" not found',
        secret_unknown="getting latest secret revision: secret not found",
        unit_healthy='resolving unit: checking unit "{uuid}" status: unit is not in error state',
        user_secret_to_grant_unknown=(
            'getting user secret for label "{name}": secret with label "{name}" not found '
            "(secret not found)"
        ),
        user_secret_unknown=(
            'getting user secret for label "{name}": secret with label "{name}" not found'
        ),
    ),
    failed_tasks_exit=0,
    bare_secret_ids=frozenset({"secret-expired", "secret-remove", "secret-rotate"}),
    config_hooks=2,
    databags_are_open=True,
    grants_need_life=False,
    late_peers=True,
    leader_hears_itself=True,
    machines_tell_life=True,
    refused_readers_track=True,
    reset_is_told=False,
    secret_labels_stay=True,
    secrets_are_checked_late=True,
    show_unit_tells_own=True,
    task_end_is_shown=False,
    unit_addresses=("egress-subnets", "ingress-address"),
    variables=(
        "JUJU_CHARM_TRACE_CONFIG_CA_CERT",
        "JUJU_CHARM_TRACE_CONFIG_GRPC",
        "JUJU_CHARM_TRACE_CONFIG_HTTP",
    ),
)

RELEASES = {one.name: one for one in (_3_6, _4_0)}


def chosen() -> Release:
    """The release that the environment names, or the default one.

    Raises:
        errors.JujuError: if it names none that is here.
    """
    name = os.environ.get(VARIABLE) or DEFAULT
    if name not in RELEASES:
        raise errors.JujuError(f'{VARIABLE}: "{name}" is none of {", ".join(RELEASES)}')
    return RELEASES[name]

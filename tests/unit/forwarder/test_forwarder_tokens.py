"""The one token of a relay, and the refresh tokens that are kept, without a forwarder around."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

import smtp_oauth
from forwarder import channel, oauth
from tests import token_endpoint

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from tests.token_endpoint import Endpoint


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with token_endpoint.serving(lifetime=3600.0) as endpoint:
        yield endpoint


def test_nothing_is_fetched_any_more_once_it_is_closed(
    tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    grant = smtp_oauth.Grant.of(endpoint.content("client-secret"))
    source = oauth.Source(grant, endpoint.ca, tmp_path / "kept")

    async def close_as_somebody_asks() -> None:
        tokens = oauth.Tokens(source, lambda: None)
        await tokens.get()
        tokens._token = None  # pyright: ignore[reportPrivateUsage]
        asking = asyncio.create_task(tokens.get())
        await asyncio.sleep(0)
        tokens.close()
        with pytest.raises(channel.UnavailableError):
            await asking
        task = tokens._task  # pyright: ignore[reportPrivateUsage]
        await asyncio.wait([task], timeout=60)
        assert task.done()

    asyncio.run(close_as_somebody_asks())
    assert len(endpoint.issued) == 1


def test_a_relay_that_is_tried_for_a_while_costs_no_refresh_token(
    tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    endpoint.rotates = True
    first, *others = (
        smtp_oauth.Grant.of(endpoint.content("refresh-token") | {"refresh-token": new})
        for new in (endpoint.issue_refresh_token() for _ in range(12))
    )

    def fetch(grant: smtp_oauth.Grant) -> str:
        return oauth.Source(grant, endpoint.ca, tmp_path / "kept").fetch().value

    tried = [fetch(grant) for grant in (first, others[0], first, *others[1:], others[-2])]
    assert tried == endpoint.issued
    kept = json.loads((tmp_path / "kept").read_text())
    assert len(kept) == 8


@pytest.mark.parametrize("damaged", ["", "[1]", "{", '{"a": 1}'])
def test_a_file_that_is_damaged_is_as_if_there_was_none(
    tmp_path: pathlib.Path, endpoint: Endpoint, damaged: str
) -> None:
    (tmp_path / "kept").write_text(damaged)
    grant = smtp_oauth.Grant.of(endpoint.content("refresh-token"))
    assert oauth.Source(grant, endpoint.ca, tmp_path / "kept").fetch().value in endpoint.issued

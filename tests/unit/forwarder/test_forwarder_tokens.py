"""The one token of a relay, and the refresh tokens that are kept, without a forwarder around."""

from __future__ import annotations

import asyncio
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

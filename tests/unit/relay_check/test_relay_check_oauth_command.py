"""The command with the keys of a grant in a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from checking import PASSWORD, at, run
from scripted_relay import Behaviour, ScriptedRelay

if TYPE_CHECKING:
    import pathlib

    from tests import token_endpoint


def test_refresh_token_is_redeemed_on_demand_alone(
    endpoint: token_endpoint.Endpoint, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "keys.json").write_text(json.dumps(endpoint.content("refresh-token")))
    (tmp_path / "ca.pem").write_text(endpoint.ca)
    arguments = [
        *["--user", endpoint.client.user, "--oauth-file", str(tmp_path / "keys.json")],
        *["--ca-file", str(tmp_path / "ca.pem"), "--timeout", "60"],
    ]
    with ScriptedRelay(Behaviour(capabilities=("AUTH XOAUTH2",))) as relay:
        kept = run(*at(relay), *arguments)
        redeemed = run(*at(relay), *arguments, "--redeem-refresh-token")

    assert kept.code == redeemed.code == 0
    assert "note: a refresh token serves one holder" in kept.stdout
    assert "AUTH" not in relay.conversations[0].verbs
    assert "chosen: XOAUTH2" in redeemed.stdout
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "--oauth-file: must be one JSON object, its values strings"),
        (b"{}", "--oauth-file: must be one JSON object, its values strings"),
        (b'["S3cret-Zebra-41"]', "--oauth-file: must be one JSON object, its values strings"),
        (b'{"client-id": 1}', "--oauth-file: must be one JSON object, its values strings"),
        (b'{"client-secret": "S3cret-Zebra-41', "--oauth-file: must be one JSON object"),
        (b"zebra\xff", "--oauth-file: its content is not UTF-8"),
        (b'{"client-secret": "S3cret-Zebra-41"}', "key token-url is missing: set it to the"),
        (b'{"client_secret": "S3cret-Zebra-41"}', "there is no key client_secret: did you mean"),
    ],
)
def test_oauth_file_that_makes_no_grant(
    tmp_path: pathlib.Path, content: bytes, message: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)

    result = run("--host", "relay.test", "--port", "25", "--user", "u", "--oauth-file", str(path))

    assert result.code == 64
    assert message in result.stderr
    assert PASSWORD not in result.stderr

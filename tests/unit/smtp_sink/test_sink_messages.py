import base64
import json
import mailbox
import pathlib

import hypothesis
import pytest
from hypothesis import strategies

from smtp_sink import messages, results

ENVELOPE = messages.Envelope(
    sender="from@example.com",
    recipients=("to@example.com", "cc@example.com"),
    listener="tls",
    peer="127.0.0.1:4711",
    tls_version="TLSv1.3",
    auth_user="user",
)


@pytest.fixture
def store(tmp_path: pathlib.Path) -> messages.MessageStore:
    return messages.MessageStore(tmp_path / "messages")


@hypothesis.settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(content=strategies.binary())
def test_any_content_is_kept_and_shown(store: messages.MessageStore, content: bytes) -> None:
    message = store.get(store.add(content, ENVELOPE))
    assert message.content() == content
    assert message.size() == len(content)
    assert message.envelope == ENVELOPE
    shown = results.describe(message)
    assert decoded(shown) == content
    assert shown["content-truncated"] == "false"
    assert "\0" not in "".join(shown.values())
    assert json.loads(results.summarize([message]))[0]["id"] == message.id


def decoded(shown: dict[str, str]) -> bytes:
    if shown["content-encoding"] == "utf-8":
        return shown["content"].encode()
    return base64.b64decode(shown["content"])


def test_the_newest_is_last(store: messages.MessageStore) -> None:
    added = [store.add(b"x", ENVELOPE) for _ in range(50)]
    assert [message.id for message in store.list()] == added
    assert store.newest().id == added[-1]
    assert len({message.received for message in store.list()}) == 50


def test_another_process_sees_the_same(
    store: messages.MessageStore, tmp_path: pathlib.Path
) -> None:
    other = messages.MessageStore(tmp_path / "messages")
    assert other.list() == []
    store.add(b"x", ENVELOPE)
    assert other.list() == store.list()


def test_clear_deletes_everything(store: messages.MessageStore, tmp_path: pathlib.Path) -> None:
    added = [store.add(b"x", ENVELOPE) for _ in range(3)]
    assert store.clear() == 3
    assert store.list() == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with pytest.raises(messages.NoSuchMessageError):
        store.get(added[0])
    with pytest.raises(messages.NoSuchMessageError):
        store.newest()
    assert store.clear() == 0
    store.add(b"y", ENVELOPE)
    assert store.newest().content() == b"y"


@pytest.mark.parametrize("message_id", ["", ".", "..", "../messages", "/etc/passwd", "no\0such"])
def test_an_id_is_no_path(store: messages.MessageStore, message_id: str) -> None:
    store.add(b"x", ENVELOPE)
    with pytest.raises(messages.NoSuchMessageError):
        store.get(message_id)


def test_a_deleted_message_is_missed(store: messages.MessageStore) -> None:
    store.add(b"x", ENVELOPE)
    message = store.newest()
    store.clear()
    for look in (message.content, message.size, message.subject):
        with pytest.raises(messages.NoSuchMessageError):
            look()


def test_a_message_whose_envelope_cannot_be_written_is_not_found(
    store: messages.MessageStore, tmp_path: pathlib.Path
) -> None:
    envelopes = tmp_path / "messages/envelopes"
    envelopes.rmdir()
    with pytest.raises(OSError, match="envelopes"):
        store.add(b"x", ENVELOPE)
    envelopes.mkdir()
    assert store.list() == []


def test_a_mail_reader_may_open_the_maildir(
    store: messages.MessageStore, tmp_path: pathlib.Path
) -> None:
    message_id = store.add(b"Subject: hello\r\n\r\nbody\r\n", ENVELOPE)
    reader = mailbox.Maildir(tmp_path / "messages/maildir")
    shown = reader[message_id]
    shown.set_subdir("cur")
    shown.set_flags("S")
    reader[message_id] = shown
    assert store.get(message_id).path.parent.name == "cur"
    assert store.newest().envelope == ENVELOPE
    assert store.clear() == 1


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        (b"Subject: hello\r\n", "hello"),
        (b"From: a\r\nsUBJECT:  two\r\n lines\r\n", "two lines"),
        (b"Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n", "Grüße"),
        (b"Subject: =?utf-8?B?abcde?=\r\n", "=?utf-8?B?abcde?="),
        (b"Subject: =?no-such-charset?Q?abc?=\r\n", "=?no-such-charset?Q?abc?="),
        ("Subject: Grüße\r\n".encode(), "Grüße"),
        (b"Subject: Gr\xfc\xdfe\r\n", "Gr\ufffd\ufffde"),
        (b"From: nobody\r\n", ""),
        (b"", ""),
    ],
)
def test_subjects(store: messages.MessageStore, header: bytes, subject: str) -> None:
    store.add(header + b"\r\nSubject: not this\r\n", ENVELOPE)
    assert store.newest().subject() == subject


def test_a_result_describes_a_message(store: messages.MessageStore) -> None:
    store.add(b"Subject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nbody\r\n", ENVELOPE)
    message = store.newest()
    assert results.describe(message) == {
        "id": message.id,
        "received": message.received,
        "listener": "tls",
        "peer": "127.0.0.1:4711",
        "tls-version": "TLSv1.3",
        "auth-user": "user",
        "sender": "from@example.com",
        "recipients": '["to@example.com", "cc@example.com"]',
        "size": "26",
        "path": str(message.path),
        "content": "Subject: Grüße\r\n\r\nbody\r\n",
        "content-encoding": "utf-8",
        "content-truncated": "false",
    }


@pytest.mark.parametrize("content", ["ü" * results.LIMIT, "xü" + "ü" * results.LIMIT])
def test_long_text_is_cut_between_characters(store: messages.MessageStore, content: str) -> None:
    store.add(content.encode(), ENVELOPE)
    shown = results.describe(store.newest())
    assert shown["content-encoding"] == "utf-8"
    assert shown["content-truncated"] == "true"
    assert shown["size"] == str(len(content.encode()))
    assert content.startswith(shown["content"])
    assert results.LIMIT - 2 < len(shown["content"].encode()) <= results.LIMIT


def test_long_octets_are_cut(store: messages.MessageStore) -> None:
    content = bytes(range(256)) * 1000
    store.add(content, ENVELOPE)
    shown = results.describe(store.newest())
    assert shown["content-encoding"] == "base64"
    assert shown["content-truncated"] == "true"
    assert content.startswith(decoded(shown))
    assert len(shown["content"]) == results.LIMIT


def test_a_list_too_long_keeps_the_newest(store: messages.MessageStore) -> None:
    many = messages.Envelope(
        sender="x" * 5000,
        recipients=tuple(f"{number}@example.com" for number in range(5000)),
        listener="plain",
        peer="127.0.0.1:1",
    )
    added = [store.add(b"Subject: " + b"y" * 5000 + b"\r\n", many) for _ in range(60)]
    text = results.summarize(store.list())
    listed = json.loads(text)
    assert len(text) <= results.LIMIT
    assert [line["id"] for line in listed] == added[-len(listed) :]
    assert 1 < len(listed) < 60
    assert listed[-1]["to"][0] == "0@example.com"
    assert len(results.describe(store.newest())["recipients"]) <= results.LIMIT


def test_a_list_goes_on_without_what_is_deleted_meanwhile(store: messages.MessageStore) -> None:
    kept, deleted = (store.add(b"x", ENVELOPE) for _ in range(2))
    arrived = store.list()
    store.get(deleted).path.unlink()
    assert [line["id"] for line in json.loads(results.summarize(arrived))] == [kept]


def test_a_list_line(store: messages.MessageStore) -> None:
    store.add(b"From: header@example.com\r\nSubject: hello\r\n\r\n", ENVELOPE)
    message = store.newest()
    assert json.loads(results.summarize([message])) == [
        {
            "id": message.id,
            "from": "from@example.com",
            "to": ["to@example.com", "cc@example.com"],
            "subject": "hello",
            "tls": "TLSv1.3",
            "user": "user",
            "received": message.received,
        }
    ]

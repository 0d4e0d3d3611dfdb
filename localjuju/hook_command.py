"""A hook command on a charm's PATH: it hands its command line to the controller.

A copy stands under the name of each hook command. A hook runs dozens of them, so it starts
with `-IS` and imports what is built in or nearly so; `_socket` is `socket` without its 10 ms.
"""

import _socket
import os
import sys


def main() -> int:
    """Send the command, print the answer, give its exit code."""
    context = os.environ.get("JUJU_CONTEXT_ID", "")
    address = os.environ.get("JUJU_AGENT_SOCKET_ADDRESS", "")
    if not context or not address:
        sys.stderr.write("ERROR JUJU_CONTEXT_ID not set\n")
        return 1
    words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]  # noqa: PTH119 - pathlib is slow
    stdin = sys.stdin.buffer.read() if _reads_stdin(words) else b""
    fields = [context.encode(), os.fsencode(os.getcwd()), stdin]  # noqa: PTH109 - likewise
    code, stdout, stderr = _ask(address, fields + [os.fsencode(word) for word in words])
    sys.stdout.buffer.write(stdout)
    sys.stderr.buffer.write(stderr)
    return int(code)


def _reads_stdin(words: list[str]) -> bool:
    after = words[words.index("--file") + 1 :] if "--file" in words else []
    return "--file=-" in words or after[:1] == ["-"]


def _ask(address: str, fields: list[bytes]) -> list[bytes]:
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(address)
    message = len(fields).to_bytes(8, "big")
    for field in fields:
        message += len(field).to_bytes(8, "big") + field
    connection.sendall(message)
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    connection.close()
    found: list[bytes] = []
    place = 8
    for _ in range(int.from_bytes(answer[:8], "big")):
        size = int.from_bytes(answer[place : place + 8], "big")
        found.append(answer[place + 8 : place + 8 + size])
        place += 8 + size
    return found


if __name__ == "__main__":
    sys.exit(main())

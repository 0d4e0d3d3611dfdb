import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from unit_service import processes

SECONDS = 10.0
STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
# The first thread ends, another goes on.
HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def started(process: subprocess.Popen[bytes]) -> processes.Process:
    found = processes.find(process.pid)
    assert found is not None
    return found


def test_the_current_process() -> None:
    assert processes.current().pid == os.getpid()
    assert processes.is_alive(processes.current())


def test_end(sleeper: subprocess.Popen[bytes]) -> None:
    process = started(sleeper)
    processes.end(process)
    assert not processes.is_alive(process)
    assert sleeper.wait() == -signal.SIGTERM
    processes.end(process)


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        processes.end(started(stubborn), timeout=0.1)
        assert stubborn.wait(SECONDS) == -signal.SIGKILL


def test_a_number_in_new_hands_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    earlier = processes.Process(sleeper.pid, "another boot/1")
    assert not processes.is_alive(earlier)
    processes.end(earlier)
    assert sleeper.poll() is None


def test_a_zombie_has_ended() -> None:
    process = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    assert processes.find(process) is None
    os.waitpid(process, 0)
    assert processes.find(process) is None


def test_a_process_runs_until_its_last_thread_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", HEADLESS], stdout=subprocess.PIPE) as headless:
        assert headless.stdout is not None
        headless.stdout.readline()
        try:
            process = started(headless)
            assert not processes.wait(process, timeout=0.5)
            processes.end(process)
            assert processes.find(headless.pid) is None
        finally:
            headless.kill()

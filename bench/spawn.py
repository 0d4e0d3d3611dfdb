"""Start a program, and print its seconds, processor seconds, peak of memory in KiB, exit code.

A process begins with its parent's peak of memory (`exec_mmap` in Linux's fs/exec.c keeps it), so
this is a parent that is smaller than any charm: run it with `-IS`.
"""

import os
import sys
import time

if __name__ == "__main__":
    program, output = sys.argv[1:]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)]
    begin = time.perf_counter()
    child = os.posix_spawn(program, [program], os.environ, file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begin
    processors = usage.ru_utime + usage.ru_stime
    code = os.waitstatus_to_exitcode(status)
    sys.stdout.write(f"{seconds} {processors} {usage.ru_maxrss} {code}\n")

"""Runs a command with what the systemd unit takes away from system calls: `python confined.py UNIT COMMAND...`.

Here: SystemCallFilter and MemoryDenyWriteExecute, by libseccomp and prctl, because no systemd runs where tests run. Not
here: namespaces and file systems. Invariant: a call that the unit does not allow fails with EPERM, as the unit says.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_NO_NEW_PRIVILEGES: Final = 38
_NO_WRITABLE_CODE: Final = 65
"""PR_SET_MDWE, of Linux 6.3 and later."""
_ALLOW: Final = 0x7FFF0000
_FAIL: Final = 0x00050000


def settings(unit: str, name: str) -> list[str]:
    """The values of a setting, in order; an empty one takes back those before."""
    return re.findall(rf"^{name}=(.*)$", unit, flags=re.MULTILINE)


def members(group: str) -> Iterator[str]:
    """The system calls of a group of systemd's, groups within it opened."""
    listed = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            yield from members(word)
        elif word and not word.startswith("#"):
            yield word


def allowed(unit: str) -> set[str]:
    """The system calls that are left, by the rules of systemd.exec(5)."""
    calls = set(members("@default"))
    for value in settings(unit, "SystemCallFilter"):
        for word in value.removeprefix("~").split():
            named = set(members(word)) if word.startswith("@") else {word}
            calls = calls - named if value.startswith("~") else calls | named
    return calls


def confine(unit: str) -> None:
    """From now on, for this process and all it starts."""
    libc, seccomp = ctypes.CDLL(None, use_errno=True), ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    calls = allowed(unit)
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_FAIL | errno.EPERM)))
    for name in calls:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others belong to other processors
            done = seccomp.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, ctypes.c_uint(0))
            assert done == 0, f"{name}: {done}"
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if "yes" in settings(unit, "MemoryDenyWriteExecute") and libc.prctl(_NO_WRITABLE_CODE, 1, 0, 0, 0):
        sys.stderr.write("confined: this kernel does not know PR_SET_MDWE\n")
    if done := seccomp.seccomp_load(context):
        raise OSError(-done, "seccomp_load")


if __name__ == "__main__":
    confine(Path(sys.argv[1]).read_text())
    os.execvp(sys.argv[2], sys.argv[2:])

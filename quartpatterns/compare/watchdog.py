"""Run a command that must not outlive the process which started it.

``python watchdog.py FDS COMMAND ...`` starts the command in a session of its own and waits for the
end of its standard input. The input ends when the parent closes it or dies, even by SIGKILL. The
watchdog then terminates the process group of the command. It only needs the standard library.

FDS are file descriptors, separated by commas, which stay open until the command has ended and
which the command does not inherit. A lock on such a file is held as long.

If the watchdog itself is killed, its parent ends the command. On Linux the kernel also terminates
the command then, because the parent may have been killed, too.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable

GRACE = 10.0  # seconds between SIGTERM and SIGKILL
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def stop_group(pid: int, reap: Callable[[], object]) -> None:
    """Terminate the process group *pid*; kill it after :data:`GRACE` seconds.

    Arguments:
        pid: The id of the group.
        reap: Collects the exit code of the leader, if it has exited.
    """
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + GRACE
        try:
            os.killpg(pid, sign)
            while time.monotonic() < deadline:
                reap()
                os.killpg(pid, 0)
                time.sleep(0.01)
        except ProcessLookupError:
            return


def inherited_sockets() -> list[int]:
    """Return the file descriptors of the parent that the command inherits."""
    found = []
    for name in os.listdir("/dev/fd"):
        # The descriptor of the folder itself is closed by now.
        with contextlib.suppress(OSError):
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
    return found


def parent_death_signal() -> Callable[[], object] | None:
    """Return a function that asks Linux to terminate its process when the parent dies."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes
    except ImportError:  # a Python without it
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> int:
    """Run the command in the arguments; return its exit code, as a shell does."""
    held, *command = sys.argv[1:]
    for number in filter(None, held.split(",")):
        os.set_inheritable(int(number), False)
    sockets = inherited_sockets()
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    terminated: list[int] = []
    signal.signal(signal.SIGTERM, lambda sign, _: terminated.append(sign))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C reaches the whole foreground group. The parent decides when the command ends.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
            close_fds=False,  # the command inherits the sockets
            preexec_fn=parent_death_signal(),  # safe: this process has one thread
        )
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201  for the log
        return 127
    # A socket that stays open here would accept connections when the command has closed it.
    for fd in sockets:
        os.close(fd)
    print(child.pid, flush=True)  # noqa: T201  the parent reads the process id
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(wake_reader, selectors.EVENT_READ)
        while child.poll() is None and not terminated:
            ready = {key.fd for key, _ in selector.select(timeout=1.0)}
            if wake_reader in ready:
                os.read(wake_reader, 512)
            if 0 in ready and not os.read(0, 512):
                break
    stop_group(child.pid, child.poll)
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())

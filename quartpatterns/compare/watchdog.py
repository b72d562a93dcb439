"""Run a command that must not outlive the process which started it.

``python watchdog.py COMMAND ...`` starts the command in a session of its own and waits for the end
of its standard input. The input ends when the parent closes it or dies, even by SIGKILL. The
watchdog then terminates the process group of the command. It only needs the standard library and
works on every POSIX system, unlike the parent-death signal of Linux.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time

GRACE = 10.0  # seconds between SIGTERM and SIGKILL


def stop_group(child: subprocess.Popen[bytes]) -> None:
    """Terminate the process group of *child*; kill it after :data:`GRACE` seconds."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + GRACE
        try:
            os.killpg(child.pid, sign)
            while time.monotonic() < deadline:
                child.poll()
                os.killpg(child.pid, 0)
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


def main() -> int:
    """Run the command in the arguments; return its exit code, as a shell does."""
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
            sys.argv[1:],
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
            close_fds=False,  # the command inherits the sockets
        )
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)  # noqa: T201  for the log
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
    stop_group(child)
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())

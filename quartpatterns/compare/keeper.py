"""Run a command that must not outlive the process which started it.

``python keeper.py COMMAND ...`` starts the command in a session of its own and waits on standard
input. When that closes (the starter stopped it, or was itself killed in whatever way) the
command's process group is asked to end, and ended by force where it does not. The keeper uses
only the standard library and works on every POSIX system, where Linux's parent-death signal
would not.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time

GRACE = 10.0  # seconds between asking and ending by force


def stop_group(child: subprocess.Popen[bytes]) -> None:
    """Ask the child's process group to end; end it by force after :data:`GRACE` seconds."""
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


def main() -> int:
    """Keep the command given as arguments; return its exit code, as a shell would."""
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda sign, _: asked.append(sign))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C reaches the whole foreground group; what is kept ends when its starter says so.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        child = subprocess.Popen(
            sys.argv[1:], stdin=subprocess.DEVNULL, stdout=2, start_new_session=True
        )
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)  # noqa: T201  a program's last word
        return 127
    print(child.pid, flush=True)  # noqa: T201  the starter reads the process id from here
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(wake_reader, selectors.EVENT_READ)
        while child.poll() is None and not asked:
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

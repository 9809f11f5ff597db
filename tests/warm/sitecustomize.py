"""Every Python that a test starts reads this first (PYTHONPATH): a command of ours has itself forked by the nursery.

Most of a command's life is the loading of libraries. The nursery (nursery.py) has loaded them once; it forks, and the
fork runs the very same words in this process's place: with its arguments, environment, folder, files and signals.
Processes that live long (`up`, `serve`, `work`, `demo`, `console`) start on their own, and so does all where no nursery answers.
"""

import os
import sys

NURSERY = "TESTS_NURSERY"
_LONG_LIVED = {"up", "serve", "work", "demo", "console"}


def _is_command(words: list[str]) -> bool:
    """Whether Python was started as `python -m ledgersafe …` or as the script `ledgersafe …`."""
    if words[:2] == ["-m", "ledgersafe"]:
        return not _LONG_LIVED & set(words[2:3])
    return bool(words) and os.path.basename(words[0]) == "ledgersafe" and not _LONG_LIVED & set(words[1:2])  # noqa: PTH119 - pathlib takes longer to load than all of this


def _hand_over(address: str) -> None:
    """Have the command run by a fork, forward signals to it, and end as it ends. Returns where nobody answers."""
    import json
    import signal
    import socket

    forwarded = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    with socket.socket(socket.AF_UNIX) as nursery:
        try:
            nursery.connect(f"\0{address}")
            socket.send_fds(nursery, [b"."], [0, 1, 2])
        except OSError:
            return
        mask = os.umask(0o022)
        os.umask(mask)
        job = {"words": sys.orig_argv[1:], "environment": dict(os.environ), "folder": os.getcwd(), "umask": mask}  # noqa: PTH109
        # From the moment the fork may exist, a signal is its own: none may end this process and leave the fork behind.
        signal.pthread_sigmask(signal.SIG_BLOCK, forwarded)
        nursery.sendall(json.dumps(job).encode("ascii") + b"\n")
        for number in forwarded:
            signal.signal(number, lambda number, _frame: nursery.sendall(bytes([number])))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, forwarded)
        ended = nursery.recv(2)
    if len(ended) < 2:
        sys.exit("the nursery has ended before the command")
    died, code = ended
    if died:
        signal.signal(code, signal.SIG_DFL)
        os.kill(os.getpid(), code)
    os._exit(code)


if (_address := os.environ.get(NURSERY)) and _is_command(sys.orig_argv[1:]):
    _hand_over(_address)

"""Two API processes at one port, as `ledgersafe up --processes 2` runs them. Usage: python -m bench.peers.pair PORT."""

import signal
import subprocess
import sys

from ledgersafe.db.embedded import die_with_parent

if __name__ == "__main__":
    command = [sys.executable, "-m", "ledgersafe", "serve", "--shared", "--port", sys.argv[1]]
    processes = [subprocess.Popen(command, preexec_fn=die_with_parent(signal.SIGTERM)) for _ in range(2)]
    signal.signal(signal.SIGTERM, lambda *_: [process.terminate() for process in processes])
    sys.exit(max(process.wait() for process in processes))

"""What clients, probes and the tables must show while the database is in trouble, and after."""

import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.attack.clients import Load, Log
from tests.attack.judge import faults, faults_of_api
from tests.attack.stand import Stand, eventually
from tests.attack.traffic import Traffic

TENANTS = ["north", "south"]
PATIENCE = 2.0
"""LEDGERSAFE_STATEMENT_TIMEOUT_SECONDS of these stands."""
RECOVERY_SECONDS = 5.0
PROBE_SECONDS = 15.0


class Scene:
    """A stand in trouble, under light load. One log for all scenes of a stand, as the judge looks at all of it."""

    def __init__(self, stand: Stand, log: Log, seed: int, name: str) -> None:
        self.stand = stand
        self.log = log
        self.seed = seed
        self.name = name
        self.pids = stand.pids()
        self.client = httpx.Client(trust_env=False, timeout=PROBE_SECONDS)
        self.slowest: dict[str, float] = {}

    @contextmanager
    def load(self) -> Generator[Load]:
        """A few clients; on the way out all of them have been answered, and everything is judged."""
        self.log.slowest_refusal = 0.0
        traffic = Traffic(self.seed, TENANTS, f"{self.name}-{self.seed}")
        with self.client, self.stand.load(self.log, traffic, clients=6, pause=0.02, again=0.3, seed=self.seed) as load:
            self.wait_for_answers(20)
            yield load
            load.drain()
            print(f"{self.name}: slowest 503 {self.log.slowest_refusal:.1f} s, slowest probes {self.slowest}")
        assert self.pids == self.stand.pids()
        assert faults(self.stand.of, self.log) == [], f"ATTACK_SEED={self.seed}"
        assert faults_of_api(self.stand.api(), TENANTS) == [], f"ATTACK_SEED={self.seed}"

    def wait_for_answers(self, number: int, seconds: float = 30) -> float:
        """Until so many more events were acknowledged; how long that took."""
        before = len(self.log.told)
        return eventually(lambda: len(self.log.told) >= before + number, seconds)

    def get(self, path: str, port: int) -> httpx.Response:
        """A probe without a key, timed."""
        began = time.monotonic()
        response = self.client.get(f"{self.stand.url(port)}{path}")
        took = round(time.monotonic() - began, 2)
        self.slowest[path] = max(self.slowest.get(path, 0), took)
        return response

    def is_down(self, *ports: int) -> None:
        """It lives, and says that it is not ready."""
        for port in ports or self.stand.ports:
            assert self.get("/livez", port).status_code == 200
            for path in ("/readyz", "/v1/health"):
                response = self.get(path, port)
                assert response.status_code == 503, f"{path}: {response.text}"
                assert int(response.headers["retry-after"]) > 0
                assert response.json()["db"] == "down"
        assert self.slowest["/livez"] < 1.0

    def stays_down(self, seconds: float, *, is_seen: bool = True) -> None:
        """For so long: nothing sent since is acknowledged, requests are told to come again; and probes say so.

        What was sent before may be: it was committed in time, and its answer waited for something else.
        `is_seen`: whether probes can know of this trouble.
        """
        began, told, refused = time.monotonic(), len(self.log.told), self.log.unsure["503"]
        while time.monotonic() < began + seconds:
            if is_seen:
                self.is_down()
            time.sleep(0.2)
        assert [one for one in self.log.told[told:] if one.sent_at > began] == [], "acknowledged without a database"
        assert self.log.unsure["503"] > refused, "nobody was told to come again"

    def comes_back(self, seconds: float = RECOVERY_SECONDS) -> None:
        """By itself, soon: probes and acknowledgements."""
        for port in self.stand.ports:
            eventually(lambda port=port: self.get("/readyz", port).status_code == 200, seconds)
        took = self.wait_for_answers(20, seconds)
        print(f"{self.name}: acknowledges again after {took:.1f} s")


@contextmanager
def held(stand: Stand) -> Generator[None]:
    """The whole server neither answers nor goes away."""
    postmaster = stand.server.pid
    assert postmaster is not None
    os.kill(postmaster, signal.SIGSTOP)  # first, so that it starts no other
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    pids = [postmaster, *(int(entry.name) for entry in entries if _parent_of(entry) == postmaster)]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _parent_of(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0

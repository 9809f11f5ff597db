"""The embedded Postgres, with real servers: closed to others, dying with its starter, taking over what was left."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree, which

import psycopg
import pytest

from ledgersafe.db.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    EmbeddedUrls,
    StartAbandoned,
    binaries,
    connection_of,
    processes,
    psql_binary,
    psql_environment,
)
from ledgersafe.db.embedded.account import Account

# It waits for nothing, so a session that runs it does not notice that its server is gone.
ENDLESS = b"DO $$ BEGIN LOOP NULL; END LOOP; END $$"
AS_ROOT = os.geteuid() == 0


def only_root(test):
    return pytest.mark.root(pytest.mark.skipif(not AS_ROOT, reason="only root can act as other users")(test))


@contextlib.contextmanager
def running(folder: Path, version: binaries.Version = 18) -> Iterator[tuple[EmbeddedPostgres, EmbeddedUrls]]:
    server = EmbeddedPostgres(folder, version=version)
    urls = server.start()
    try:
        yield server, urls
    finally:
        server.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[tuple[EmbeddedPostgres, EmbeddedUrls]]:
    with running(tmp_path_factory.mktemp("shared") / "data") as both:
        yield both


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "data"
    with running(folder):
        return folder


@pytest.fixture
def folder(made) -> Iterator[Path]:
    """A folder with a cluster that is not running. It is one for all tests, as making and copying take a second."""
    kept = {file: file.read_bytes() for file in (made / "postgres.json", made / "postgres" / "postgresql.conf")}
    yield made
    for file, content in kept.items():
        file.write_bytes(content)
        file.chmod(0o600)


def copy(source: Path, target: Path) -> Path:
    subprocess.run(["cp", "-a", source, target], check=True)
    return target


def ask(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return None if row is None else row[0]


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def eventually(happened: Callable[[], bool], seconds: float = 10) -> bool:
    give_up = time.monotonic() + seconds
    while not happened() and time.monotonic() < give_up:
        time.sleep(0.02)
    return happened()


def socket_folder(urls: EmbeddedUrls) -> Path:
    return Path(psql_environment(urls.app)["PGHOST"])


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("version", [16, 18])
def test_a_stop_and_a_start_keep_the_data(tmp_path, version):
    with running(tmp_path, version) as (server, urls):
        assert server.poll() is None
        assert str(ask(urls.owner, "SHOW server_version")).startswith(str(version))
        with psycopg.connect(urls.owner, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA s; CREATE TABLE s.kept AS SELECT 42 AS n")
        sockets, pid = socket_folder(urls), server.pid
    assert pid is not None
    assert not is_alive(pid)
    assert not sockets.exists()
    with running(tmp_path, version) as (_, again):
        assert again == urls, "other processes hold these URLs"
        assert ask(again.owner, "SELECT n FROM s.kept") == 42


def test_the_version_of_the_data_decides(tmp_path):
    with running(tmp_path, 16) as (server, _):
        assert server.note is None
    with running(tmp_path, 18) as (server, urls):
        assert server.version == 16
        assert "made by Postgres 16" in str(server.note)
        assert str(ask(urls.app, "SHOW server_version")).startswith("16")


def test_a_version_that_is_not_embedded_is_refused(tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedPostgresError, match=r"made by Postgres 15.*pg_dump"):
        EmbeddedPostgres(tmp_path).start()


def test_a_folder_that_is_no_cluster_is_left_alone(tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "letters.txt").write_text("dear")
    with pytest.raises(EmbeddedPostgresError, match="no Postgres cluster"):
        EmbeddedPostgres(tmp_path).start()
    assert (tmp_path / "postgres" / "letters.txt").read_text() == "dear"


def test_lost_passwords_are_said_to_be_lost(folder):
    (folder / "postgres.json").unlink()
    with pytest.raises(EmbeddedPostgresError, match="lost its passwords"):
        EmbeddedPostgres(folder).start()


def test_promises_are_kept_on_the_command_line_and_hints_in_the_file(shared):
    _, urls = shared
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "password_encryption": "scram-sha-256",
        "shared_buffers": "256MB",
        "max_wal_size": "4GB",
        "TimeZone": "UTC",
        "jit": "off",
        "server_encoding": "UTF8",
        "data_checksums": "on",
    }
    assert {name: ask(urls.app, f"SHOW {name}") for name in expected} == expected


def test_the_roles_have_no_more_than_they_need(shared):
    _, urls = shared
    query = (
        "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolinherit OR rolreplication OR rolbypassrls"
        " FROM pg_roles WHERE rolname = current_user"
    )
    assert ask(urls.app, query) is False
    assert ask(urls.owner, query) is False
    for statement in (
        "CREATE TABLE t ()",
        "CREATE SCHEMA t",
        "CREATE TEMPORARY TABLE t ()",
        "SET ROLE ledgersafe_owner",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(urls.app, statement)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(urls.app, dbname="postgres")


def test_files_and_folders_are_closed_to_others(shared, tmp_path):
    server, urls = shared
    folder = server._folder
    assert mode_of(folder / "postgres") == 0o700
    assert mode_of(socket_folder(urls)) == 0o700
    assert [mode_of(folder / name) for name in ("postgres.json", "postgres.log", "postgres.lock")] == [0o600] * 3
    assert connection_of(folder) == urls
    assert connection_of(tmp_path) is None


def test_no_password_is_shown(shared):
    server, urls = shared
    password = psql_environment(urls.app)["PGPASSWORD"]
    shown = repr(urls) + (server._folder / "postgres.log").read_text()
    with contextlib.suppress(OSError):
        shown += Path(f"/proc/{server.pid}/cmdline").read_text() + Path(f"/proc/{server.pid}/environ").read_text()
    assert password not in shown


def test_a_password_is_asked_for(shared):
    _, urls = shared
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(urls.app, password="guess")
    with pytest.raises(psycopg.OperationalError, match="requirepeer"):
        psycopg.connect(urls.app, requirepeer="somebody")


def test_psql_connects_without_a_password_on_its_command_line(shared):
    _, urls = shared
    environment = {"PATH": os.environ["PATH"], **psql_environment(urls.app)}
    done = subprocess.run(
        [psql_binary(), "-XAtc", "SELECT current_user"], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "ledgersafe_app\n", done.stderr


@only_root
def test_another_user_is_refused_even_with_the_password(shared):
    _, urls = shared
    nobody = pwd.getpwnam("nobody")
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        answer = "connected"
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            psycopg.connect(urls.app, connect_timeout=5)
        except Exception as error:  # noqa: BLE001 - told to the parent
            answer = str(error)
        os.write(write, answer.encode()[:2000])
        os._exit(0)
    os.waitpid(child, 0)
    assert "Permission denied" in os.read(read, 4000).decode()
    os.close(read)
    os.close(write)


@only_root
def test_root_runs_it_as_a_user_of_its_own_below_a_closed_folder(shared):
    server, _ = shared
    assert any(mode_of(parent) & 0o011 == 0 for parent in server._folder.parents), "this test wants a closed parent"
    status = Path(f"/proc/{server.pid}/status").read_text()
    uid = str(pwd.getpwnam("ledgersafe").pw_uid)
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status


@only_root
def test_programs_that_the_user_cannot_reach_are_copied_once(folder, monkeypatch):
    copies = Path(tempfile.mkdtemp(prefix="ledgersafe-test-"))
    copies.chmod(0o755)
    monkeypatch.setattr(binaries, "_COPIES", copies)
    monkeypatch.setattr(binaries, "_is_usable", lambda install, account: False)
    try:
        with running(folder) as (server, urls):
            assert ask(urls.app, "SELECT 1") == 1
            assert Path(f"/proc/{server.pid}/cmdline").read_text().startswith(str(copies))
        with running(folder):
            assert len(list(copies.iterdir())) == 1
    finally:
        rmtree(copies)


def test_mode_bits_tell_what_the_user_can_reach(tmp_path):
    file = tmp_path / "file"
    file.touch(0o644)
    status = file.stat()
    owner, stranger = Account(status.st_uid, status.st_gid, None), Account(status.st_uid + 1, status.st_gid + 1, None)
    tmp_path.chmod(0o700)
    assert owner.can_read(file)
    assert not stranger.can_read(file)
    assert stranger.can_read(Path("/etc/passwd"))
    assert not stranger.can_read(tmp_path / "missing")


@only_root
def test_an_ordinary_user_runs_it_too():
    nobody = pwd.getpwnam("nobody")
    spec = find_spec("ledgersafe")
    assert spec is not None
    assert spec.origin is not None
    packages = [str(Path(spec.origin).parents[1]), *(path for path in sys.path if path.endswith("site-packages"))]
    environment = {"PYTHONPATH": ":".join(packages), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    folder = Path(tempfile.mkdtemp(prefix="ledgersafe-test-"))
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    def run_as_nobody(python: str, code: str) -> subprocess.CompletedProcess[str]:
        command = [python, "-c", code, str(folder / "a b's")]
        return subprocess.run(
            command, env=environment, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/",
            capture_output=True, text=True,
        )  # fmt: skip

    def can_run(python: str) -> bool:
        with contextlib.suppress(OSError):
            return run_as_nobody(python, "import ledgersafe.db.embedded").returncode == 0
        return False

    try:
        candidates = [sys.executable, which("python3", path="/usr/local/bin:/usr/bin")]
        python = next((c for c in candidates if c is not None and can_run(c)), None)
        if python is None:
            pytest.skip("the user nobody can run no Python here that has Ledgersafe's dependencies")
        done = run_as_nobody(python, _START_ASK_STOP)
        assert done.stdout == f"ledgersafe_app {nobody.pw_uid}\n", done.stderr
    finally:
        rmtree(folder)


_START_ASK_STOP = """
import sys, psycopg
from pathlib import Path
from ledgersafe.db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
urls = server.start()
with psycopg.connect(urls.app) as connection:
    print(*connection.execute("SELECT current_user").fetchone(), Path(f"/proc/{server.pid}").stat().st_uid)
server.stop()
"""


def test_long_paths_spaces_and_quotes(tmp_path):
    folder = tmp_path / 'it\'s "here" $HOME; \\ %s' / ("x" * 200) / ("ü" * 100)
    with running(folder) as (_, urls):
        assert ask(urls.app, "SELECT 1") == 1


def test_a_second_start_on_one_folder_is_told_why_not(folder):
    with running(folder) as (server, urls):
        with pytest.raises(EmbeddedPostgresError, match=rf"already runs in .* \(process {os.getpid()}\)"):
            EmbeddedPostgres(folder).start()
        assert ask(urls.app, "SELECT 1") == 1
        assert server.start() == urls, "starting what runs changes nothing"


def test_after_a_kill_it_starts_again_though_a_session_goes_on(folder):
    with running(folder) as (server, urls):
        with contextlib.closing(psycopg.connect(urls.app, autocommit=True)) as busy:
            backend = busy.info.backend_pid
            busy.pgconn.send_query(ENDLESS)
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            assert eventually(lambda: server.poll() is not None)
            assert is_alive(backend)
            assert server.start() == urls
            assert not is_alive(backend)
        assert ask(urls.app, "SELECT 1") == 1


def test_a_stop_after_a_kill_leaves_no_session(folder):
    server = EmbeddedPostgres(folder)
    urls = server.start()
    with contextlib.closing(psycopg.connect(urls.app, autocommit=True)) as busy:
        busy.pgconn.send_query(ENDLESS)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server.stop()
        assert not is_alive(busy.info.backend_pid)


_START_AND_STAY = """
import sys, time
from pathlib import Path
from ledgersafe.db.embedded import EmbeddedPostgres, processes
if sys.argv[2] == "orphan":
    processes.die_with_parent = lambda signal_number: None
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""


def start_elsewhere(folder: Path, fate: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", _START_AND_STAY, str(folder), fate]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_a_server_left_by_a_killed_starter_is_taken_over(folder):
    starter, server = start_elsewhere(folder, "orphan")
    kill(starter)
    time.sleep(0.2)
    assert is_alive(server), "this test wants an orphan"
    with running(folder) as (again, urls):
        assert again.pid != server
        assert not is_alive(server)
        assert ask(urls.app, "SELECT 1") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells of a parent's death on Linux only")
def test_the_server_ends_with_its_killed_starter(folder):
    starter, server = start_elsewhere(folder, "")
    kill(starter)
    assert eventually(lambda: not is_alive(server))
    with running(folder) as (_, urls):
        assert ask(urls.app, "SELECT 1") == 1


def test_a_pid_file_whose_number_is_now_another_programs_does_not_matter(folder):
    (folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n/nowhere\n0\n5432\n\n\n\nready\n")
    with running(folder) as (_, urls):
        assert ask(urls.app, "SELECT 1") == 1


def test_a_copied_folder_does_not_disturb_the_first(folder, tmp_path):
    with running(folder):
        second_folder = copy(folder, tmp_path / "second")
    with running(folder) as (first, urls), running(second_folder) as (second, other):
        assert first.poll() is None
        assert second.poll() is None
        assert socket_folder(urls) != socket_folder(other)
        assert ask(urls.app, "SELECT 1") == ask(other.app, "SELECT 1") == 1


def test_a_socket_folder_opened_by_somebody_is_not_used_again(folder):
    with running(folder) as (_, urls):
        old = socket_folder(urls)
    old.mkdir(mode=0o755)
    try:
        with running(folder) as (_, urls):
            assert socket_folder(urls) != old
            assert ask(urls.app, "SELECT 1") == 1
    finally:
        old.rmdir()


def test_a_start_that_fails_shows_the_end_of_the_log_and_leaves_nothing(folder):
    with (folder / "postgres" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    server = EmbeddedPostgres(folder)
    with pytest.raises(EmbeddedPostgresError, match=r"did not start(.|\n)*no_such_setting"):
        server.start()
    assert server.pid is None
    with pytest.raises(EmbeddedPostgresError, match="did not start"):
        EmbeddedPostgres(folder).start()


@pytest.mark.parametrize("moments", [0, 5])
def test_an_abandoned_start_leaves_nothing_and_can_be_made_again(tmp_path, moments):
    asked = iter(range(1000))
    server = EmbeddedPostgres(tmp_path)
    with pytest.raises(StartAbandoned):
        server.start(lambda: next(asked) >= moments)
    assert not [p for p in processes.all_processes() if str(tmp_path) in p.command]
    with running(tmp_path) as (_, urls):
        assert ask(urls.app, "SELECT 1") == 1


def test_a_long_log_is_put_aside(folder, monkeypatch):
    monkeypatch.setattr("ledgersafe.db.embedded.server._LOG_BYTES", 10)
    for _ in range(2):
        with running(folder):
            pass
    assert (folder / "postgres.log.1").exists()

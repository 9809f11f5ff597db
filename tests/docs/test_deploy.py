"""The files that deploy, build and check: there is no container engine in the tests, so what they name is checked."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledgersafe.db.embedded import EmbeddedUrls, psql_binary, psql_environment
from ledgersafe.settings import Settings
from tests.conftest import clean_environment
from tests.docs.generate import REPOSITORY
from tests.docs.test_docs import _problem, _targets

_SETTINGS = {f"LEDGERSAFE_{name.upper()}" for name in Settings.model_fields}
_DEFAULT = re.compile(r"\$\{(?P<name>[A-Z_]+):-(?P<default>[^}]*)\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """compose.yaml as it is without an environment: every variable has its default."""
    text = (REPOSITORY / "compose.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{?\w+", text)) == {f"${{{match['name']}" for match in _DEFAULT.finditer(text)}
    return yaml.safe_load(_DEFAULT.sub(lambda match: match["default"], text))


def _ours(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in compose["services"].items() if service["image"] == "ledgersafe"}


def test_compose_runs_real_commands(compose: dict[str, Any]) -> None:
    services = _ours(compose)
    assert set(services) == {"migrate", "api", "worker", "console"}
    for service in services.values():
        program, *words = service["command"]
        assert (program, _problem(words)) == ("ledgersafe", None)
    assert services["migrate"]["command"] == ["ledgersafe", "db", "migrate"]


def test_compose_sets_real_settings_to_values_that_are_taken(compose: dict[str, Any], monkeypatch) -> None:
    for service in _ours(compose).values():
        assert set(service["environment"]) <= _SETTINGS
        for name, value in service["environment"].items():
            monkeypatch.setenv(name, value)
    chosen = Settings()
    assert chosen.database_url is not None
    assert chosen.owner_database_url is not None
    owner, app = chosen.owner_database_url.get_secret_value(), chosen.database_url.get_secret_value()
    assert (owner.split(":")[1], app.split(":")[1]) == ("//ledgersafe_owner", "//ledgersafe_app")


def test_only_migrate_has_the_owner_s_password(compose: dict[str, Any]) -> None:
    holders = {
        name for name, service in _ours(compose).items() if "LEDGERSAFE_OWNER_DATABASE_URL" in service["environment"]
    }
    assert holders == {"migrate"}


def test_compose_starts_in_order_and_is_open_to_this_machine_only(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api", "worker"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "127.0.0.1:8000:8000" in services["api"]["ports"]
    assert services["postgres"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    mounted = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())}
    assert mounted == set(compose["volumes"])
    assert {each["source"] for each in services["postgres"]["configs"]} == set(compose["configs"])


def test_the_api_and_the_worker_share_what_they_keep_in_files(compose: dict[str, Any]) -> None:
    """The raw zone and the key of seals are below LEDGERSAFE_DATA; what loads files is in the image."""
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    (data,) = re.findall(r"LEDGERSAFE_DATA=(\S+)", text)
    assert f"--owner=app --group=app {data}\n" in text
    assert "'.[console,files]'" in text
    for name in ("api", "worker"):
        assert f"data:{data}" in compose["services"][name]["volumes"]
        assert "LEDGERSAFE_RAW_ZONE" not in compose["services"][name]["environment"]


def test_the_console_of_compose_finds_the_api_and_nothing_else(compose: dict[str, Any]) -> None:
    """It is a client: it needs the API's address within, and no password, no files."""
    console, api = compose["services"]["console"], compose["services"]["api"]
    assert {name for name in console["environment"] if name != "LEDGERSAFE_LOG_FORMAT"} == {"LEDGERSAFE_URL"}
    assert console["environment"]["LEDGERSAFE_URL"] == f"http://api:{_option(api, '--port')}"
    assert "volumes" not in console
    assert (_option(console, "--host"), _option(console, "--port")) == ("0.0.0.0", "8501")  # noqa: S104
    assert console["ports"] == ["127.0.0.1:8501:8501"]
    assert console["depends_on"] == {"api": {"condition": "service_healthy"}}
    assert "http://127.0.0.1:8501/livez" in " ".join(console["healthcheck"]["test"])
    assert "console" in re.findall(r"'\.\[(.+)\]'", (REPOSITORY / "Dockerfile").read_text(encoding="utf-8"))[0]


def _option(service: dict[str, Any], name: str) -> str:
    command = service["command"]
    return command[command.index(name) + 1]


def test_the_roles_of_compose_can_be_made(compose: dict[str, Any], postgres: EmbeddedUrls) -> None:
    """Its SQL is run by psql, under other names, as the embedded server has these roles already."""
    statements = compose["configs"]["roles"]["content"].replace("ledgersafe", "composed")
    passwords = {
        name: str(value)
        for name, value in compose["services"]["postgres"]["environment"].items()
        if name.startswith("LEDGERSAFE_")
    }
    assert all(name in statements for name in passwords)

    def psql(url: str, script: str, **environment: str) -> str:
        return subprocess.run(
            [str(psql_binary()), "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--tuples-only", "--no-align"],
            env=clean_environment() | passwords | psql_environment(url) | environment,
            input=script,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    psql(postgres.superuser, statements)
    try:
        who = psql(
            postgres.superuser,
            "SELECT current_user",
            PGUSER="composed_app",
            PGPASSWORD=passwords["LEDGERSAFE_APP_PASSWORD"],
            PGDATABASE="composed",
        )
        assert who == "composed_app"
        owner = "SELECT pg_get_userbyid(datdba), rolsuper FROM pg_database, pg_roles"
        where = " WHERE datname = 'composed' AND rolname = 'composed_owner'"
        assert psql(postgres.superuser, owner + where) == "composed_owner|f"
    finally:
        psql(postgres.superuser, "DROP DATABASE composed; DROP ROLE composed_app; DROP ROLE composed_owner;")


def test_the_image_serves_as_nobody_special() -> None:
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    command = yaml.safe_load(next(line for line in lines if line.startswith("CMD ")).removeprefix("CMD "))
    assert " ".join(command) == "ledgersafe serve --host 0.0.0.0 --port 8000"
    assert _problem(command[1:]) is None
    assert next(line for line in lines if line.startswith("USER ")) != "USER root"
    assert "--require-hashes --requirement requirements.lock" in text
    assert "/livez" in text
    copied = {
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    }
    kept = {line[1:] for line in _lines(".dockerignore") if line.startswith("!")}
    assert copied == kept
    assert all((REPOSITORY / name).exists() for name in copied)


def test_the_lock_can_build_and_run_the_package() -> None:
    """The image is built from the locked files alone, so they must hold the build's own needs too."""
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    for name in ("hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers", "fastapi"):
        assert re.search(rf"^{name}==", lock, re.MULTILINE), name


def test_hooks_fetch_nothing_and_run_what_make_check_runs() -> None:
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    programs = {shlex.split(hook["entry"])[0].removeprefix(".venv/") for hook in hooks}
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    check = makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    assert programs == {f"bin/{name}" for name in re.findall(r"\$\(BIN\)/(\S+)", check)}


def test_ci_runs_what_is_there() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)
    made = {word for line in _lines(".ci/run") if line.startswith("make ") for word in line.split("||")[0].split()[1:]}
    assert made == {"check", "test", "attack"}
    assert made <= _targets()
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]


@pytest.mark.parametrize("code", [0, 2])
def test_ci_fails_as_make_fails(tmp_path: Path, code: int) -> None:
    """`make` is a stand-in that ends with the code, if it is asked for all that there is to run."""
    for name in (".ci", "bin"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(REPOSITORY / ".ci" / "run", tmp_path / ".ci" / "run")
    for name, script in (
        ("make", f'[ "$*" = "check test attack" ] && exit {code}; exit 9'),
        ("curl", "exit 0"),
        ("python3", "exit 0"),
        ("chromium", "exit 0"),
    ):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    done = subprocess.run([str(tmp_path / ".ci" / "run")], env=environment, capture_output=True, check=False)
    assert done.returncode == code, done.stderr


def _lines(name: str) -> list[str]:
    return (REPOSITORY / name).read_text(encoding="utf-8").splitlines()

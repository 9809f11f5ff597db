"""The documentation is true: what lists code is up to date, links resolve, and every command that is shown runs."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from ledgersafe.cli import app as cli
from ledgersafe.kernel.reasons import REASONS
from ledgersafe.settings import Settings
from tests.conftest import PLAIN, TestDatabase, clean_environment, free_port, stop, wait_until_ready
from tests.docs import generate, markdown
from tests.warm import cold

REPOSITORY = generate.REPOSITORY
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
RUN = (
    "README.md", "docs/contracts.md", "docs/files.md", "docs/http-api.md", "docs/runbook.md", "docs/seals.md",
)  # fmt: skip
"""The pages whose commands are run, in order, against one installation."""

_UP = ".venv/bin/ledgersafe up"
_ADDRESS = "http://127.0.0.1:8000"
_NO_CURL = "curl is not on this machine; the examples of the documentation need it"


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_up_to_date(name: str) -> None:
    written = (REPOSITORY / name).read_text(encoding="utf-8")
    assert written == generate.PAGES[name](), f"{name} is not what the code says; run `make docs`"


def test_the_data_model_is_up_to_date(test_database: TestDatabase) -> None:
    written = (REPOSITORY / generate.DATA_MODEL).read_text(encoding="utf-8")
    assert written == generate.data_model(test_database.owner_url), "the schema has changed; run `make docs`"


def test_the_readme_shows_the_demo_as_it_is() -> None:
    if not generate.DEMO.is_file():
        pytest.skip("demo/expected-output.md is not there; `ledgersafe demo --markdown` writes it")
    written = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert written == generate.readme(written), "the demo shows something else now; run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_resolve(page: Path) -> None:
    broken = [
        target
        for target in markdown.links(page.read_text(encoding="utf-8"))
        if not target.startswith(("https://", "http://", "mailto:")) and not _resolves(page, target)
    ]
    assert not broken


def _resolves(page: Path, target: str) -> bool:
    name, _, fragment = target.partition("#")
    path = (page.parent / name) if name else page
    return path.exists() and (not fragment or (path.suffix == ".md" and fragment in markdown.anchors(path)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_what_is_named_exists(page: Path) -> None:
    """Commands, options, make targets, settings, reason codes and files that a page names are real."""
    text = page.read_text(encoding="utf-8")
    assert not sorted(_unknown_commands(text))
    assert not sorted(set(re.findall(r"LEDGERSAFE_[A-Z_]+", text)) - _variables())
    assert not sorted(set(re.findall(r"`make ([a-z]+)", text)) - _targets())
    assert not sorted(
        set(re.findall(r"\b(?:202|400|401|403|413|422|503)[^`|\n]{0,12}`([A-Z_]{6,})`", text)) - {*REASONS}
    )
    paths = set(re.findall(r"`((?:src|tests|docs|deploy|demo)/[\w./-]+)`", text))
    assert not sorted(path for path in paths if not (REPOSITORY / path).exists())


def _variables() -> set[str]:
    return {f"LEDGERSAFE_{name.upper()}" for name in Settings.model_fields} | {"LEDGERSAFE_APP_PASSWORD"}


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _unknown_commands(text: str) -> Iterator[str]:
    typed = [markdown.commands(block).replace("\\\n", " ") for block in markdown.blocks(text)]
    spans = re.findall(r"`(ledgersafe [^`]+)`", text)
    for line in [*"\n".join(typed).splitlines(), *spans]:
        for match in re.finditer(r"(?:^|[ /(`])ledgersafe ((?:[^|;>)]|\\\|)+)", line):
            if (problem := _problem(match[1].split())) is not None:
                yield f"{line.strip()}: {problem}"


def _problem(words: list[str]) -> str | None:
    command: Any = typer.main.get_command(cli)
    while words and hasattr(command, "commands"):
        if words[0].startswith("--"):
            break
        if (below := command.commands.get(words[0])) is None:
            return f"no command {words[0]}"
        command, words = below, words[1:]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    return f"no option {unknown[0]}" if unknown else None


def test_a_wrong_command_would_be_noticed() -> None:
    wrong = "`ledgersafe fly` and `ledgersafe up --faster`\n```sh\n.venv/bin/ledgersafe keys made --x\n```\n"
    assert len(list(_unknown_commands(wrong))) == 3


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder as the reader has it, with `ledgersafe up` running in it; and the API's address, on a free port."""
    if shutil.which("curl") is None:
        pytest.skip(_NO_CURL)
    folder = tmp_path_factory.mktemp("reader")
    (folder / ".venv").symlink_to(sys.prefix)
    with _running_in(folder) as address:
        yield folder, address


@contextmanager
def _running_in(folder: Path) -> Generator[str]:
    """`ledgersafe up` in the reader's folder, ended on the way out; its address."""
    port = free_port()
    with (folder / "up.log").open("ab") as log:
        command = [*_UP.split(), "--port", str(port), "--no-console"]  # whoever tests may have one running
        process = subprocess.Popen(
            command, cwd=folder, env=clean_environment(), stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(address, process, seconds=60)
        yield address
    finally:
        stop(process)


@pytest.mark.parametrize("name", RUN)
def test_every_command_shown_runs(name: str, installation: tuple[Path, str]) -> None:
    folder, address = installation
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    script, expected = _script(markdown.blocks(text), address)
    environment = clean_environment() | {"LEDGERSAFE_URL": address, "XDG_STATE_HOME": str(folder / "state")}
    if name == "README.md":  # the first that a reader types starts as it does for him
        environment = cold(environment)
    done = subprocess.run(
        ["bash"],
        cwd=folder,
        env=environment,
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # a reader sees both
        text=True,
        timeout=240,
        check=False,
    )
    outputs = dict(_split(done.stdout))
    assert done.returncode == 0, f"block {max(outputs, default=0)} of {name} failed:\n{done.stdout}"
    for number, shown in expected.items():
        missing = [line for line in shown.splitlines() if line.strip() and not _is_in(line, outputs[number])]
        assert not missing, f"{name} shows what the command does not print: {missing}\nIt prints:\n{outputs[number]}"


def _script(found: list[markdown.Block], address: str) -> tuple[str, dict[int, str]]:
    """One bash script of all blocks with a mark before each; and the output shown below a block, by its number."""
    lines = ["set -euo pipefail"]
    expected: dict[int, str] = {}
    last: int | None = None
    for number, block in enumerate(found, start=1):
        typed = "\n".join(line for line in markdown.commands(block).splitlines() if not _is_run_elsewhere(line))
        if typed.strip():
            lines += [f"printf '\\n<<<{number}>>>\\n'", typed.replace(_ADDRESS, address)]
            last = number
        elif block.kind in ("json", "text") and last is not None:
            expected[last] = block.text
    return "\n".join(lines) + "\n", expected


def _is_run_elsewhere(line: str) -> bool:
    """`up` runs already; make targets are only checked to be there, as `make test` would run this very test."""
    if line.startswith("make "):
        assert set(line.split()[1:]) <= _targets(), line
        return True
    return line == _UP or line.startswith("git clone ")


def _split(output: str) -> Iterator[tuple[int, str]]:
    _, *parts = re.split(r"^<<<(\d+)>>>$", output, flags=re.MULTILINE)
    for number, text in zip(parts[::2], parts[1::2], strict=True):
        yield int(number), text


def _is_in(shown: str, output: str) -> bool:
    """Whether the output has the line; `…` stands for one word, however long, and any white space is as good as any."""
    pattern = r"\s+".join(re.escape(word).replace("…", r"[^\s\"]*") for word in shown.split())
    return re.search(pattern, output) is not None


def test_the_further_kinds_of_body_in_the_openapi_document_are_accepted(installation: tuple[Path, str]) -> None:
    """Those that tests/api does not send: other content types, and CloudEvents in headers."""
    folder, address = installation
    key = (folder / ".ledgersafe" / "key").read_text(encoding="ascii").strip()
    document = json.loads((REPOSITORY / "docs/openapi.json").read_text(encoding="utf-8"))
    sent: set[str] = set()
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, **PLAIN) as client:
        for path in ("/v1/events", "/v1/events:batch"):
            operation = document["paths"][path]["post"]
            for kind, content in operation["requestBody"]["content"].items():
                for example in content.get("examples", {}).values():
                    body = example["value"]
                    text = body if isinstance(body, str) else json.dumps(body)
                    answer = client.post(path, content=text.encode(), headers={"Content-Type": kind})
                    assert answer.status_code in (200, 201), answer.text
                    assert all(item["status"] < 300 for item in answer.json().get("results", ())), answer.text
                    sent.add(f"{path} {kind}")
        given = document["paths"]["/v1/events"]["post"]["parameters"]
        headers = {each["name"]: each["examples"]["binary"]["value"] for each in given}
        data = {"total_amount": "5.00", "line_items": [{"sku": "SKU-AAA", "qty": 1, "amount": "5.00"}]}
        assert client.post("/v1/events", json=data, headers=headers).status_code == 201
    assert len(sent) == 5


def test_a_backup_can_be_restored(tmp_path: Path) -> None:
    """The commands of docs/operations.md, with a loss in between."""
    _, _, below = (REPOSITORY / "docs/operations.md").read_text(encoding="utf-8").partition("\n## Backup and restore\n")
    backup, restore = [block.text for block in markdown.blocks(below) if block.kind == "sh"][:2]
    event = json.loads((REPOSITORY / "docs/openapi.json").read_text(encoding="utf-8"))["paths"]["/v1/events"]["post"]
    event = event["requestBody"]["content"]["application/json"]["example"]

    def send(address: str) -> int:
        key = (tmp_path / ".ledgersafe" / "key").read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(f"{address}/v1/events", json=event, headers=headers, **PLAIN).status_code

    (tmp_path / ".venv").symlink_to(sys.prefix)
    with _running_in(tmp_path) as address:
        assert send(address) == 201
    subprocess.run(["bash", "-euc", backup], cwd=tmp_path, check=True)
    assert (tmp_path / "ledgersafe-backup.tar").is_file()
    subprocess.run(["bash", "-euc", restore], cwd=tmp_path, check=True)
    assert (tmp_path / ".ledgersafe.broken").is_dir()
    with _running_in(tmp_path) as address:
        assert send(address) == 200
        environment = clean_environment() | {"LEDGERSAFE_URL": address}
        subprocess.run([".venv/bin/ledgersafe", "verify"], cwd=tmp_path, env=environment, check=True)


def test_the_runbook_knows_every_reason_that_an_operator_meets() -> None:
    """Each reason that parks an event, refuses a decision or means "not now" has its row."""
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| ", (REPOSITORY / "docs/runbook.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    met = {code for code, reason in REASONS.items() if reason.status in (202, 409, 503)}
    assert sorted(rows) == sorted(met)


def test_no_page_is_left_out_of_the_map() -> None:
    """Each page of docs/ is reached by a link, or by one to its folder."""
    reached = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in markdown.links(page.read_text(encoding="utf-8"))
    }
    folders = {path for path in reached if path.is_dir()}
    lost = [page for page in PAGES if page.parent != REPOSITORY and page not in reached and page.parent not in folders]
    assert not lost


def test_every_decision_names_what_enforces_it() -> None:
    pages = sorted((REPOSITORY / "docs" / "adr").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]}: "), page.name
        _, _, enforced = text.partition("**Enforced by** ")
        assert re.search(r"`tests/[\w/.]+`", enforced), f"{page.name} names no test"

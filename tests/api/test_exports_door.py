"""/v1/ledger/exports and `ledgersafe ledger export`, through a real process."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.api.answers import refused, rows
from tests.api.test_ledger_door import cash_sale, posted
from tests.conftest import Api, clean_environment


def ledgersafe(api: Api, *words: str) -> subprocess.CompletedProcess[bytes]:
    environment = clean_environment() | {"LEDGERSAFE_URL": api.url, "LEDGERSAFE_API_KEY": api.key}
    command = [sys.executable, "-m", "ledgersafe", "ledger", "export", *words]
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)


def test_a_run_its_file_and_its_end(api: Api, tenant: str) -> None:
    posted(api, tenant, *(cash_sale(tenant, number) for number in range(3)))
    of: dict[str, Any] = {"tenant_id": tenant}
    with api.client() as client:
        run = client.post("/v1/ledger/exports", params=of, json={"as_of": "2026-02-25", "notes": "month end"})
        assert run.status_code == 201
        body = run.json()
        assert (body["number"], body["status"], body["entries"], body["notes"]) == (1, "made", 3, "month end")
        assert client.get("/v1/ledger/exports/1", params=of).json() == body
        got = {
            form: client.get("/v1/ledger/exports/1/file", params=of | {"format": form}) for form in ("csv", "beancount")
        }
        assert got["csv"].headers["content-type"].startswith("text/csv")
        assert got["csv"].headers["content-disposition"] == 'attachment; filename="ledgersafe-export-000001.csv"'
        assert got["csv"].text.count("\r\n") == 1 + 3 * 3
        assert got["beancount"].text.endswith("; end of export run 1: 3 entries\n")
        posted(api, tenant, cash_sale(tenant, 7))
        assert client.post("/v1/ledger/exports", params=of, json={}).json()["entries"] == 1
        voided = client.post("/v1/ledger/exports/1/void", params=of, json={"reason": "wrong month"}).json()
        assert (voided["status"], voided["void_reason"]) == ("voided", "wrong month")
        assert client.post("/v1/ledger/exports", params=of, json={}).json()["entries"] == 3
        again = client.get("/v1/ledger/exports/1/file", params=of)
        assert (again.content, again.headers["export-status"]) == (got["csv"].content, "voided")
        page = client.get("/v1/ledger/exports", params=of | {"limit": 2}).json()
        assert [item["number"] for item in page["items"]] == [3, 2]
        last = client.get("/v1/ledger/exports", params=of | {"cursor": page["next"]}).json()
        assert ([item["number"] for item in last["items"]], last["next"]) == ([1], None)
        audited = client.get("/v1/audit", params=of | {"object_type": "export_run", "object_id": "1"}).json()["items"]
        assert [row["action"] for row in audited] == [
            *("export.begun", "export.made", "export.fetched", "export.fetched", "export.voided", "export.fetched")
        ]


def test_what_is_refused(api: Api, tenant: str) -> None:
    posted(api, tenant, cash_sale(tenant, 1))
    of = {"tenant_id": tenant}
    with api.client() as client:
        for method, path, body, status, code in (
            ("GET", "/v1/ledger/exports/1", None, 404, "NOT_FOUND"),
            ("GET", "/v1/ledger/exports/99999999999999999999/file", None, 404, "NOT_FOUND"),
            ("GET", "/v1/ledger/exports/0", None, 422, "INVALID_PARAMETER"),
            ("GET", "/v1/ledger/exports/x/file", None, 422, "INVALID_PARAMETER"),
            ("POST", "/v1/ledger/exports", {"as_of": "yesterday"}, 422, "INVALID_PARAMETER"),
            ("POST", "/v1/ledger/exports/1/void", {"reason": "x"}, 404, "NOT_FOUND"),
            ("POST", "/v1/ledger/exports/1/void", {"reason": " "}, 422, "INVALID_PARAMETER"),
            ("POST", "/v1/ledger/exports/1/void", {}, 422, "INVALID_PARAMETER"),
        ):
            refused(client.request(method, path, params=of, json=body), status, code)
        rows(
            api.database,
            "INSERT INTO ledger.export_runs (tenant_id, number, status, started_at, started_by) VALUES (%s, 1, 'making', now(), 'x')",
            [tenant],
        )
        refused(client.get("/v1/ledger/exports/1/file", params=of), 409, "EXPORT_UNDER_WAY")
        refused(client.post("/v1/ledger/exports", params=of, json={"as_of": "2026-01-01"}), 409, "EXPORT_UNDER_WAY")
        gone_on_with = client.post("/v1/ledger/exports", params=of, json={}).json()
        assert (gone_on_with["number"], gone_on_with["status"], gone_on_with["entries"]) == (1, "made", 1)
        assert client.get("/v1/ledger/exports/1/file", params=of | {"format": "xlsx"}).status_code == 422


def test_another_tenant_sees_nothing(api: Api, tenant: str) -> None:
    posted(api, tenant, cash_sale(tenant, 1))
    with api.client() as client:
        assert client.post("/v1/ledger/exports", params={"tenant_id": tenant}, json={}).json()["entries"] == 1
    with api.client(api.new_key(tenants=[f"{tenant}-other"], scopes=["read", "operate"])) as stranger:
        assert stranger.get("/v1/ledger/exports").json()["items"] == []
        for path in ("/v1/ledger/exports/1", "/v1/ledger/exports/1/file"):
            refused(stranger.get(path), 404, "NOT_FOUND")
            refused(stranger.get(path, params={"tenant_id": tenant}), 403, "FOREIGN_TENANT")
        refused(stranger.post("/v1/ledger/exports/1/void", json={"reason": "x"}), 404, "NOT_FOUND")
        assert stranger.post("/v1/ledger/exports", json={}).json()["entries"] == 0


def test_the_command_line(api: Api, tenant: str, tmp_path: Path) -> None:
    posted(api, tenant, *(cash_sale(tenant, number) for number in range(2)))
    made = ledgersafe(api, "run", "--tenant", tenant, "--notes", "close")
    assert made.stdout == b"Run 1 is made: 2 entries.\n", made.stderr
    file = tmp_path / "books.csv"
    fetched = ledgersafe(api, "fetch", "1", "--tenant", tenant, "--out", str(file))
    assert fetched.returncode == 0, fetched.stderr
    assert ledgersafe(api, "fetch", "1", "--tenant", tenant).stdout == file.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["books.csv"]
    beancount = ledgersafe(api, "fetch", "1", "--tenant", tenant, "--format", "beancount", "--no-opens").stdout
    assert b" open " not in beancount
    assert beancount.endswith(b"; end of export run 1: 2 entries\n")
    assert b"2 entries are free" in ledgersafe(api, "void", "1", "--tenant", tenant, "--reason", "wrong").stdout
    assert b"voided" in ledgersafe(api, "list", "--tenant", tenant).stdout
    missing = ledgersafe(api, "fetch", "9", "--tenant", tenant, "--out", str(tmp_path / "none.csv"))
    assert (missing.returncode, [path.name for path in tmp_path.iterdir()]) == (1, ["books.csv"])
    assert b"NOT_FOUND" in missing.stderr


def test_a_worker_completes_what_a_request_left(api: Api, tenant: str) -> None:
    posted(api, tenant, cash_sale(tenant, 1))
    sql = "INSERT INTO ledger.export_runs (tenant_id, number, status, started_at, started_by) VALUES (%s, 1, 'making', now(), 'x')"
    rows(api.database, sql, [tenant])
    environment = clean_environment() | {"LEDGERSAFE_DATABASE_URL": api.database.app_url}
    worker = subprocess.Popen([sys.executable, "-m", "ledgersafe", "work"], env=environment)
    try:
        with api.client() as client:
            for _ in range(200):
                run = client.get("/v1/ledger/exports/1", params={"tenant_id": tenant}).json()
                if run["status"] == "made":
                    break
                time.sleep(0.1)
        assert (run["status"], run["entries"]) == ("made", 1)
    finally:
        worker.terminate()
        worker.wait(15)

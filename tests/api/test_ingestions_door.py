"""Files are received over HTTP: streamed to the raw zone, once, and recorded; nothing half-received stays."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

from tests.api.answers import refused, rows
from tests.conftest import Api, TestDatabase

CSV = b"sku,qty\nA,1\nB,2\n"
MOST_BYTES = 3_000_000


@dataclass(frozen=True, slots=True)
class Door:
    """An API process whose raw zone and allowed folder are here."""

    api: Api
    raw: Path
    drop: Path

    def kept(self) -> list[Path]:
        return [path for path in self.raw.rglob("*") if path.is_file() and ".incoming" not in path.parts]

    def left_over(self) -> list[Path]:
        return list((self.raw / ".incoming").glob("*"))


@pytest.fixture(scope="module")
def door(
    start_api: Callable[..., Api], new_database: Callable[[], TestDatabase], tmp_path_factory: pytest.TempPathFactory
) -> Door:
    folder = tmp_path_factory.mktemp("files")
    (folder / "drop").mkdir()
    settings = {"raw_zone": str(folder / "raw"), "files_from": f"{folder}/nowhere:{folder}/drop"}
    settings |= {"max_file_bytes": str(MOST_BYTES), "body_timeout_seconds": "2"}
    return Door(start_api(new_database(), **settings), folder / "raw", folder / "drop")


@pytest.fixture
def client(door: Door, tenant: str) -> Iterator[httpx.Client]:
    token = door.api.new_key(tenants=[tenant], scopes=["ingest", "read", "operate", "admin"])
    with door.api.client(token) as opened:
        yield opened


def upload(client: httpx.Client, content: Any = CSV, **query: str) -> httpx.Response:
    asked = {"dataset": "sales", "filename": "day.csv"} | query
    return client.post("/v1/ingestions", params=asked, content=content)


def test_a_file_is_kept_and_recorded(door: Door, client: httpx.Client, tenant: str) -> None:
    response = upload(client, filename="Day 1.CSV", source="till 7")
    assert response.status_code == 201, response.text
    assert response.json()["duplicate"] is False
    made = response.json()["ingestion"]
    digest = sha256(CSV).hexdigest()
    assert (made["sha256"], made["size_bytes"], made["status"]) == (digest, len(CSV), "received")
    assert (made["filename"], made["source"], made["tenant_id"]) == ("Day 1.CSV", "till 7", tenant)
    found = client.get(f"/v1/ingestions/{made['ingestion_id']}").json()
    assert found["raw_path"] == f"{tenant}/sales/{made['received_at'][:10]}/{digest}.csv"
    assert (door.raw / found["raw_path"]).read_bytes() == CSV
    assert found["audit"] == []
    assert door.left_over() == []


def test_the_same_bytes_are_one_delivery(door: Door, client: httpx.Client) -> None:
    first = upload(client).json()["ingestion"]
    again = upload(client, filename="other.csv")
    assert (again.status_code, again.json()) == (200, {"duplicate": True, "detail": None, "ingestion": first})
    assert upload(client, dataset="returns").status_code == 201
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: upload(client, b"sku,qty\nC,1\n"), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.json()["ingestion"]["ingestion_id"] for answer in answers}) == 1
    assert len(client.get("/v1/ingestions").json()["items"]) == 3
    assert door.left_over() == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"filename": "day.exe"}, 415, "UNSUPPORTED_FORMAT"),
        ({"filename": "day.xlsm"}, 415, "UNSUPPORTED_FORMAT"),
        ({"filename": "day"}, 415, "UNSUPPORTED_FORMAT"),
        ({"filename": "a\nb.csv"}, 422, "INVALID_PARAMETER"),
        ({"filename": ""}, 422, "INVALID_PARAMETER"),
        ({"dataset": "../sales"}, 422, "INVALID_PARAMETER"),
        ({"dataset": "Sales"}, 422, "INVALID_PARAMETER"),
        ({"dataset": "s" * 41}, 422, "INVALID_PARAMETER"),
        ({"source": "\x01"}, 422, "INVALID_PARAMETER"),
        ({"source": "\x00"}, 422, "INVALID_PARAMETER"),
        ({"tenant_id": "somebody"}, 403, "FOREIGN_TENANT"),
    ],
)
def test_what_is_refused_leaves_nothing(
    door: Door, client: httpx.Client, query: dict[str, str], status: int, code: str
) -> None:
    before = door.kept()
    refused(upload(client, **query), status, code)
    assert door.kept() == before
    assert door.left_over() == []
    assert client.get("/v1/ingestions").json()["items"] == []


def test_nobody_uploads_to_what_belongs_to_nobody(door: Door) -> None:
    with door.api.client() as almighty:
        refused(upload(almighty, tenant_id="_system"), 422, "UNUSABLE_TENANT_ID")
        refused(upload(almighty), 400, "TENANT_REQUIRED")


def test_a_file_may_be_larger_than_any_event_but_not_than_allowed(door: Door, client: httpx.Client) -> None:
    whole = b"sku\n" + b"A\n" * ((MOST_BYTES - 4) // 2)
    assert upload(client, whole).status_code == 201
    refused(upload(client, whole + b"B\n"), 413, "FILE_TOO_LARGE")
    refused(upload(client, iter([whole, b"B\n"])), 413, "FILE_TOO_LARGE")
    assert door.left_over() == []
    packed = client.post(
        "/v1/ingestions",
        params={"dataset": "sales", "filename": "day.csv"},
        content=CSV,
        headers={"content-encoding": "gzip"},
    )
    refused(packed, 415, "UNSUPPORTED_MEDIA_TYPE")
    form = client.post(
        "/v1/ingestions", params={"dataset": "sales", "filename": "form.csv"}, files={"file": ("form.csv", CSV)}
    )
    assert "--data-binary" in refused(form, 415, "UNSUPPORTED_MEDIA_TYPE")["detail"]


def test_who_sends_an_older_file_again_is_told_that_a_later_one_counts(door: Door, client: httpx.Client) -> None:
    members = {"dataset": "prices", "primary_key": ["sku"], "columns": {"sku": {}, "qty": {}}}
    assert client.put("/v1/datasets/prices/contract", json=members).status_code == 200
    upload(client, dataset="prices")
    later = upload(client, CSV + b"C,3\n", dataset="prices").json()["ingestion"]["ingestion_id"]
    assert f"{later} came since, and waits to be loaded" in upload(client, dataset="prices").json()["detail"]
    end = "UPDATE files.ingestions SET status = 'succeeded', ended_at = now()"
    rows(door.api.database, f"{end} WHERE ingestion_id = %s", [later])
    assert f"{later} is loaded since" in upload(client, dataset="prices").json()["detail"]
    assert upload(client, CSV + b"C,3\n", dataset="prices").json()["detail"] is None


def cut_off(door: Door, token: str, *, then_wait: bool) -> bytes:
    """An upload that promises more than it sends."""
    host, port = door.api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        head = "POST /v1/ingestions?dataset=sales&filename=cut.csv HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n"
        line.sendall(f"{head}Authorization: Bearer {token}\r\n\r\n".encode() + b"A,1\n" * 400_000)
        if not then_wait:
            until = monotonic() + 10
            while not door.left_over():  # it has begun
                assert monotonic() < until
                sleep(0.01)
        return line.recv(65_536) if then_wait else b""


def test_an_upload_that_is_cut_off_leaves_nothing(door: Door, client: httpx.Client) -> None:
    token = client.headers["authorization"].removeprefix("Bearer ")
    before = door.kept()
    assert b"408" in cut_off(door, token, then_wait=True).split(b"\r\n")[0]
    cut_off(door, token, then_wait=False)
    until = monotonic() + 10
    while door.left_over():
        assert monotonic() < until
        sleep(0.01)
    assert door.kept() == before
    assert client.get("/v1/ingestions").json()["items"] == []


def take(client: httpx.Client, path: object, **more: str) -> httpx.Response:
    return client.post("/v1/ingestions/from_path", json={"path": str(path), "dataset": "sales"} | more)


def test_a_file_of_an_allowed_folder(door: Door, client: httpx.Client, tmp_path: Path) -> None:
    (door.drop / "deep").mkdir(exist_ok=True)
    path = door.drop / "deep" / "here.csv"
    path.write_bytes(CSV)
    (door.drop / "link.tsv").unlink(missing_ok=True)
    (door.drop / "link.tsv").symlink_to(path)
    response = take(client, path, source="share")
    assert response.status_code == 201
    assert response.json()["ingestion"]["filename"] == "here.csv"
    assert take(client, door.drop / "link.tsv").json()["duplicate"] is True
    assert path.read_bytes() == CSV
    path.write_bytes(b"x" * (MOST_BYTES + 1))
    refused(take(client, path), 413, "FILE_TOO_LARGE")
    assert door.left_over() == []


def test_no_path_leads_out_of_the_allowed_folders(door: Door, client: httpx.Client, tmp_path: Path) -> None:
    outside = tmp_path / "secret.csv"
    outside.write_bytes(CSV)
    (door.drop / "out.csv").symlink_to(outside)
    (door.drop / "loop.csv").symlink_to(door.drop / "loop.csv")
    (door.drop / "away").symlink_to(tmp_path, target_is_directory=True)
    tried = [outside, door.drop / "out.csv", door.drop / "away" / "secret.csv", door.drop / ".." / "secret.csv"]
    tried += [f"{door.drop}-beside/x.csv", "here.csv", "/etc/passwd", "/etc/no-such-file", "", f"{door.drop}/loop.csv"]
    for path in tried[:-2]:
        refused(take(client, path), 403, "PATH_NOT_ALLOWED")
    assert take(client, tried[-1]).status_code in (403, 404)
    refused(take(client, ""), 422, "INVALID_PARAMETER")
    refused(take(client, door.drop / "nothing.csv"), 404, "NOT_FOUND")
    refused(take(client, door.drop), 404, "NOT_FOUND")
    refused(take(client, "\x00.csv"), 422, "INVALID_PARAMETER")
    assert client.get("/v1/ingestions").json()["items"] == []


def test_pages_and_filters(door: Door, client: httpx.Client) -> None:
    made = [upload(client, b"n\n%d\n" % at, dataset=f"d{at % 2}").json()["ingestion"] for at in range(5)]
    ids = [one["ingestion_id"] for one in reversed(made)]
    first = client.get("/v1/ingestions", params={"limit": 3}).json()
    rest = client.get("/v1/ingestions", params={"limit": 3, "cursor": first["next"]}).json()
    assert [one["ingestion_id"] for one in first["items"] + rest["items"]] == ids
    assert rest["next"] is None
    of_one = client.get("/v1/ingestions", params={"dataset": "d1", "status": "received"}).json()["items"]
    assert [one["ingestion_id"] for one in of_one] == [made[3]["ingestion_id"], made[1]["ingestion_id"]]
    assert client.get("/v1/ingestions", params={"status": "failed"}).json()["items"] == []
    refused(client.get("/v1/ingestions", params={"status": "lost"}), 422, "INVALID_PARAMETER")


def test_a_replay_is_a_delivery_of_its_own(door: Door, client: httpx.Client) -> None:
    first = upload(client).json()["ingestion"]
    address = f"/v1/ingestions/{first['ingestion_id']}/replay"
    refused(client.post(address, json={"notes": "again"}), 409, "DELIVERY_UNDER_WAY")
    end = "UPDATE files.ingestions SET status = 'quarantined', ended_at = now(), reason_code = 'NO_CONTRACT' "
    rows(door.api.database, f"{end} WHERE ingestion_id = %s", [first["ingestion_id"]])
    refused(client.post(address, json={"notes": " "}), 422, "INVALID_PARAMETER")
    response = client.post(address, json={"notes": "the contract is there now"})
    assert response.status_code == 201
    again = response.json()
    assert (again["replay_of"], again["sha256"]) == (first["ingestion_id"], first["sha256"])
    assert (again["status"], again["ingestion_id"] != first["ingestion_id"]) == ("received", True)
    told = client.get(f"/v1/ingestions/{first['ingestion_id']}").json()["audit"]
    assert [(entry["action"], entry["notes"]) for entry in told] == [
        ("ingestion.replayed", "the contract is there now")
    ]
    told = client.get(f"/v1/ingestions/{again['ingestion_id']}").json()["audit"]
    assert [entry["after_json"] for entry in told] == [{"replay_of": first["ingestion_id"]}]
    refused(
        client.post("/v1/ingestions/00000000-0000-0000-0000-000000000000/replay", json={"notes": "x"}), 404, "NOT_FOUND"
    )


def test_a_zone_that_takes_nothing_is_told(
    start_api: Callable[..., Api], door: Door, tenant: str, tmp_path: Path
) -> None:
    (tmp_path / "raw").write_text("in the way")
    api = start_api(door.api.database, raw_zone=str(tmp_path / "raw"))
    with api.client() as client:
        answer = refused(upload(client, tenant_id=tenant), 503, "RAW_ZONE_UNAVAILABLE")
        assert str(tmp_path) not in answer["detail"]

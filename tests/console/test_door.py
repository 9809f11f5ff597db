"""The console's door: who has no session sees the sign-in page and nothing else, and the key never reaches a browser."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import uvicorn
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from ledgersafe.client.api import ApiProblem
from ledgersafe.console.door import Door, Doorkeeper
from ledgersafe.console.pages import PAGES
from ledgersafe.console.sessions import LIVES_SECONDS, SessionClient, Sessions, Who
from tests.conftest import PLAIN, Api, free_port
from tests.console.conftest import Console, Stand
from tests.console.desk import COOKIE, Desk, cookie_of
from tests.events import sale

PAGE = {"Accept": "text/html,application/xhtml+xml"}
ELSEWHERE = "http://127.0.0.1:9"
STREAM = "/_stcore/stream"
PATHS = [
    "/", *[f"/{page.path}" for page in PAGES], "/nothing-here", "/exceptions/deeper", "//", "/sign-in/", "/SIGN-IN",
    "/livez/../health", "/sign-in/..", "/static/../exceptions", "/index.html", "/static/js/index.js", "/favicon.png",
    "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/_stcore/script-health-check", STREAM,
    "/_stcore/upload_file/s/f", "/_stcore/bidi-components/x/y", "/media/0123456789.csv", "/component/x/y",
    "/app/static/x", "/auth/login", "/auth/logout", "/oauth2callback", "/%2e%2e/sign-in", "/sign-in%2f..",
]  # fmt: skip
ELSEWHERES = [
    "//evil.example", "https://evil.example/", "http:evil.example", "/\\evil.example", "\\\\evil.example",
    "/\t/evil.example", "/\n/evil.example", "javascript:alert(1)", "//[", "///evil.example", "evil.example",
    " //evil.example", "/\u2028/evil.example", "//evil.example@127.0.0.1/", "/" * 5_000,
]  # fmt: skip


def http(console: Console | str, **headers: str) -> httpx.Client:
    url = console if isinstance(console, str) else console.url
    return httpx.Client(base_url=url, headers=headers, timeout=30, **PLAIN)


def _bytes(frame: str | bytes) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode()


def answering_page(text: str) -> Callable[[Request], Response]:
    """The same as HTML."""

    def answer(request: Request) -> Response:
        del request
        return HTMLResponse(text)

    return answer


def answering(text: str) -> Callable[[Request], Response]:
    """Something that answers this, whoever asks."""

    def answer(request: Request) -> Response:
        del request
        return PlainTextResponse(text)

    return answer


@contextmanager
def served(app: Starlette) -> Generator[str]:
    """An application over HTTP; its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@contextmanager
def door(url: str, *, lets_all_in: bool = False) -> Generator[str]:
    """The door alone, with one page behind it; its address."""
    held = Sessions()
    routes = [*Door(url, held, lets_all_in=lets_all_in).routes(), Route("/", answering("inside"))]
    with served(Starlette(routes=routes, middleware=[Middleware(Doorkeeper, sessions=held)])) as address:
        yield address


@pytest.mark.story
def test_signing_in_and_out(stand: Stand, desk: Desk) -> None:
    """By the form: to the page that was wanted; the cookie is none of the page's business; and out again."""
    page = desk.page
    desk.window.clear_cookies()
    page.goto(f"{desk.console}/exceptions?status=resolved")
    page.get_by_label("API key").fill(desk.key)
    page.get_by_role("button", name="Sign in").click()
    desk.settle()
    assert page.url == f"{desk.console}/exceptions?status=resolved"
    ours = [cookie for cookie in desk.window.cookies() if cookie.get("name") == COOKIE]
    assert [(one.get("httpOnly"), one.get("sameSite"), one.get("path")) for one in ours] == [(True, "Lax", "/")]
    assert COOKIE not in page.evaluate("document.cookie")
    other = desk.window.new_page()
    other.goto(f"{desk.console}/ledger")
    other.get_by_role("button", name="Sign out").click()
    other.get_by_label("API key").wait_for()
    assert [cookie for cookie in desk.window.cookies() if cookie.get("name") == COOKIE] == []
    page.get_by_role("link", name="Health").first.click()  # it runs over the WebSocket that is open still
    desk.sees("You are no longer signed in.")
    page.reload()
    expect(page.get_by_label("API key")).to_be_focused()
    with http(stand.console, Cookie=f"{COOKIE}={ours[0].get('value')}", **PAGE) as client:
        assert client.get("/exceptions").headers["location"].startswith("/sign-in?next="), (
            "the old cookie is worth nothing"
        )


@pytest.mark.parametrize(
    ("key", "status", "told"),
    [
        ("ls_nobody_knows_this", 401, "The API does not know this key"),
        ("", 422, "Paste an API key."),
        ("  \t ", 422, "Paste an API key."),
        ("clé", 422, "was it pasted whole?"),
        ("a\r\nX-Evil: b", 422, "was it pasted whole?"),
        ("k" * 20_000, 422, "Paste an API key."),
    ],
    ids=["unknown", "none", "blank", "odd letters", "a header", "too large"],
)
def test_a_key_that_opens_nothing(stand: Stand, key: str, status: int, told: str) -> None:
    with http(stand.console) as client:
        answer = client.post("/sign-in", data={"key": key, "next": "/"})
    assert (answer.status_code, told in answer.text, "set-cookie" in answer.headers) == (status, True, False), (
        answer.text
    )
    assert key not in answer.text or not key.strip()


def test_a_key_that_may_not_read(stand: Stand, tenant: str) -> None:
    key = stand.api.new_key(tenants=[tenant], scopes=["ingest"])
    with http(stand.console) as client:
        answer = client.post("/sign-in", data={"key": key})
    assert (answer.status_code, "This key may not read." in answer.text) == (403, True)
    assert "set-cookie" not in answer.headers


def test_a_revoked_key_is_told_on_the_page(desk: Desk) -> None:
    with desk.api.client() as admin:
        key_id = next(one["key_id"] for one in admin.get("/v1/keys", params={"limit": 1000}).json()["items"]
                      if one["tenant_ids"] == [desk.tenant])  # fmt: skip
        admin.post(f"/v1/keys/{key_id}/revoke").raise_for_status()
        desk.wait_until(lambda: desk.client().get("/v1/whoami").status_code == 401, "the key was not revoked")
    desk.open("/exceptions")
    assert any("revoked" in one for one in desk.troubles())
    desk.page.get_by_role("link", name="Sign in again").wait_for()


def test_where_no_api_answers() -> None:
    """Nobody at that address; or somebody else, who answers JSON, or not even that."""
    with door(f"http://127.0.0.1:{free_port()}") as url, http(url, **PAGE) as client:
        assert client.get("/sign-in").status_code == 200, "the page itself needs no API"
        answer = client.post("/sign-in", data={"key": "ls_x"})
        assert (answer.status_code, "does not answer" in answer.text) == (502, True)
    with served(Starlette()) as there, door(there) as url, http(url) as client:
        answer = client.post("/sign-in", data={"key": "ls_x"})
        assert (answer.status_code, "The API says" in answer.text) == (502, True), "nothing like /v1/whoami is there"


@pytest.mark.parametrize("body", ["[]", '"x"', '{"actor": "x"}', "<html>"])
def test_where_something_else_answers(body: str) -> None:
    stranger = Starlette(routes=[Route("/v1/whoami", answering(body))])
    with served(stranger) as there, door(there) as url, http(url) as client:
        answer = client.post("/sign-in", data={"key": "ls_x"})
    assert (answer.status_code, "Ledgersafe API" in answer.text) == (422, True)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY"])
def test_nothing_is_reached_without_a_session(stand: Stand, method: str) -> None:
    secrets = [{}, {"Cookie": f"{COOKIE}="}, {"Cookie": f"{COOKIE}=x"}, {"Cookie": f'{COOKIE}="\\"'}]
    with http(stand.console) as client:
        for number, path in enumerate(PATHS):
            for accept in ({}, PAGE):
                answer = client.request(method, path, headers=accept | secrets[number % 4])
                if answer.status_code == 303:
                    assert (method, accept) in [("GET", PAGE), ("HEAD", PAGE)]
                    assert answer.headers["location"].startswith("/sign-in?next="), path
                else:
                    assert (answer.status_code, method == "HEAD" or answer.text) == (
                        401,
                        method == "HEAD" or "Sign in first: /sign-in",
                    ), (method, path)
        assert client.get("/livez").text == "alive"


@pytest.mark.story
def test_no_websocket_without_a_session(stand: Stand, desk: Desk) -> None:
    """Nor with one from a page of elsewhere: cookies are shown to every port of their host."""
    url = stand.console.url.replace("http", "ws") + STREAM
    ours = {"Cookie": f"{COOKIE}={cookie_of(stand.console.url, desk.key)}"}

    def opens(headers: dict[str, str], origin: str | None) -> bool:
        try:
            with connect(url, additional_headers=headers, origin=origin, subprotocols=["streamlit"], proxy=None):  # pyright: ignore[reportArgumentType]
                return True
        except InvalidStatus as error:
            return error.response.status_code != 403

    for path_origin in (None, stand.console.url):
        assert opens(ours, path_origin)
        assert not opens({}, path_origin)
        assert not opens({"Cookie": f"{COOKIE}=x"}, path_origin)
    for foreign in (ELSEWHERE, "http://evil.example", "null", "http://[", f"{stand.console.url}.evil.example"):
        assert not opens(ours, foreign)


def test_acts_from_another_origin_are_refused(stand: Stand, desk: Desk) -> None:
    cookie = cookie_of(stand.console.url, desk.key)
    with http(stand.console, Cookie=f"{COOKIE}={cookie}") as client:
        for origin in (ELSEWHERE, "http://evil.example", "null", "http://[", "", stand.console.url + "/x"):
            from_there = {"Origin": origin}
            signed = client.post("/sign-in", data={"key": desk.key}, headers=from_there)
            assert (signed.status_code, "set-cookie" in signed.headers) == (403, False), origin
            assert client.post("/sign-out", headers=from_there).status_code == 403
            assert client.put("/_stcore/upload_file/s/f", headers=from_there).status_code == 403
        assert client.get("/_stcore/host-config").status_code == 200, "and it is still signed in"
        assert client.post("/sign-out", headers={"Origin": stand.console.url}).status_code == 303
        assert client.get("/_stcore/host-config").status_code == 401


def test_next_stays_on_this_site(stand: Stand, desk: Desk) -> None:
    """As the browser reads it, which forgives more spellings than any library."""
    desk.open("/health")
    home = f"{stand.console.url}/sign-in"
    with http(stand.console) as client:
        for wanted in [*ELSEWHERES, "/exceptions?status=open&tenant=é", "/exceptions#x"]:
            form = client.get("/sign-in", params={"next": wanted})
            assert form.status_code == 200, wanted
            answer = client.post("/sign-in", data={"key": desk.key, "next": wanted})
            assert answer.status_code == 303
            location = answer.headers["location"]
            there = desk.page.evaluate("([to, from]) => new URL(to, from).origin", [location, home])
            assert there == stand.console.url, (wanted, location)
            assert urlsplit(urljoin(home, location)).path == urlsplit(wanted).path if "/exceptions" in wanted else "/"


def test_what_is_wanted_is_text_on_the_sign_in_page(stand: Stand) -> None:
    with http(stand.console, **PAGE) as client:
        page = client.get("/sign-in", params={"next": '/"><script>alert(1)</script>$url${url}'})
    assert "<script" not in page.text
    assert "$url${url}" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


def test_the_key_is_nowhere_to_be_read(stand: Stand, desk: Desk) -> None:
    """In no answer to the browser, no frame of its WebSocket, no storage of its, and not in what the console writes."""
    texts: list[bytes] = []
    foreign: list[str] = []
    forbidden: list[str] = []
    desk.hear("response", lambda answer: texts.append(repr(answer.headers).encode()))
    desk.hear("request", lambda asked: foreign.append(asked.url) if not asked.url.startswith(stand.console.url) else None)  # fmt: skip
    desk.hear("console", lambda told: forbidden.append(told.text) if "Content Security Policy" in told.text else None)  # fmt: skip
    desk.hear("websocket", lambda socket: socket.on("framereceived", lambda frame: texts.append(_bytes(frame))))
    desk.send(sale(desk.tenant, total_amount=99))
    for path in ("/health", "/exceptions", "/audit"):
        desk.open(path)
        texts.append(desk.page.content().encode())
    texts.append(desk.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])").encode())
    assert len(texts) > 10
    secret = desk.key.encode()
    assert not [text for text in texts if secret in text or secret[-20:] in text]
    assert secret not in stand.console.log.read_bytes()
    assert forbidden == []
    assert [url for url in foreign if not url.startswith(("data:", "blob:"))] == [], "a page asks other sites"


def test_pages_are_in_no_frame_of_others(stand: Stand, desk: Desk) -> None:
    with http(stand.console, Cookie=f"{COOKIE}={cookie_of(stand.console.url, desk.key)}", **PAGE) as client:
        page = client.get("/exceptions")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert (page.status_code, page.headers["x-frame-options"], page.headers["referrer-policy"]) == (
        200,
        "DENY",
        "same-origin",
    )


def test_sessions_end() -> None:
    """After a working day, by signing out, and where there are too many; their clients end with them."""
    held = Sessions()
    clients = [SessionClient(ELSEWHERE, "ls_x") for _ in range(3)]
    tokens = [held.open(client, Who("key x", None, frozenset())) for client in clients]
    assert len({*tokens}) == 3
    assert [held.find(token) is not None for token in [*tokens, None, "", "x"]] == [True] * 3 + [False] * 3
    assert clients[0].until == pytest.approx(time.monotonic() + LIVES_SECONDS, abs=60)
    clients[0].until = time.monotonic()
    held.close(tokens[1])
    assert [held.find(token) is not None for token in tokens] == [False, False, True]
    for client in clients[:2]:
        with pytest.raises(ApiProblem, match="no longer signed in") as raised:
            client.get("/readyz")
        assert raised.value.status == 401


def test_no_more_sessions_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledgersafe.console.sessions._MOST", 3)
    held = Sessions()
    client = SessionClient(ELSEWHERE, "ls_x")
    tokens = [held.open(client, Who("key x", None, frozenset())) for _ in range(3)]
    client.until = time.monotonic() + LIVES_SECONDS
    newest = held.open(SessionClient(ELSEWHERE, "ls_x"), Who("key y", None, frozenset()))
    assert held.find(newest) is not None
    assert held.find(tokens[0]) is None


def test_an_api_without_authentication(start_api: Callable[..., Api], stand: Stand) -> None:
    """Its console lets everybody in at this machine, and nobody where it listens for others or is called otherwise."""
    free = start_api(stand.api.database, auth="off")
    with door(free.url, lets_all_in=True) as url, http(url, **PAGE) as client:
        answer = client.get("/sign-in", params={"next": "/"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert client.get("/").text == "inside"
        client.cookies.clear()
        assert client.get("/sign-in", headers={"Host": "evil.example"}).status_code == 200
        assert client.get("/sign-in", headers={"Host": "["}).status_code == 200
    with door(free.url) as url, http(url, **PAGE) as client:
        assert client.get("/sign-in").status_code == 200
    with door(stand.api.url, lets_all_in=True) as url, http(url, **PAGE) as client:
        assert client.get("/sign-in").status_code == 200, "an API with authentication knows nobody without a key"


def test_a_get_signs_nobody_out(stand: Stand, desk: Desk) -> None:
    with http(stand.console, **PAGE) as client:
        there = client.get("/sign-out", follow_redirects=True)
        assert (there.url.path, "API key" in there.text) == ("/sign-in", True), "nothing is there for who is out"
        client.cookies.set(COOKIE, cookie_of(stand.console.url, desk.key))
        assert client.get("/sign-out").headers["location"] == "/"
        assert client.get("/_stcore/host-config").status_code == 200


def test_signing_in_keeps_no_connection_open(stand: Stand, desk: Desk) -> None:
    """However often a key signs in: a process has so many files, and all who have signed in need some of them."""
    before = open_files(stand.console)
    for _ in range(60):
        cookie_of(stand.console.url, desk.key)
    assert open_files(stand.console) < before + 20


def open_files(console: Console) -> int:
    return len(list(Path(f"/proc/{console.process.pid}/fd").iterdir()))


def test_one_key_ends_no_session_but_its_own() -> None:
    """Its oldest, once it has more browsers than anybody has; a new one is always let in."""
    held = Sessions()
    other = held.open(SessionClient(ELSEWHERE, "ls_y"), Who("key:y", None, frozenset()))
    tokens = [held.open(SessionClient(ELSEWHERE, "ls_x"), Who("key:x", None, frozenset())) for _ in range(50)]
    assert all(held.find(token) for token in [other, *tokens]), "an operator with several machines is in at all of them"
    newest = held.open(SessionClient(ELSEWHERE, "ls_x"), Who("key:x", None, frozenset()))
    assert [token for token in [other, *tokens, newest] if held.find(token) is None] == tokens[:1]


def test_signing_in_again_replaces_the_session(stand: Stand, desk: Desk) -> None:
    first = cookie_of(stand.console.url, desk.key)
    with http(stand.console, Cookie=f"{COOKIE}={first}") as client:
        assert client.get("/_stcore/host-config").status_code == 200
        assert client.post("/sign-in", data={"key": desk.key, "next": "/"}).status_code == 303
        assert client.get("/_stcore/host-config").status_code == 401


def test_one_key_keeps_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has asked for more at once than the API answers waits; the pages of another key go on."""
    monkeypatch.setattr("ledgersafe.console.sessions._AT_ONCE", 1)
    monkeypatch.setattr("ledgersafe.console.sessions.ANSWER_SECONDS", 0.2)
    goes_on = threading.Event()

    def hang(request: Request) -> Response:
        del request
        goes_on.wait(20)
        return PlainTextResponse("{}")

    with served(Starlette(routes=[Route("/hang", hang), Route("/quick", answering("{}"))])) as url:
        held, who = Sessions(), Who("key:x", None, frozenset())
        first, second, other = (SessionClient(url, "ls_x") for _ in range(3))
        for client, one in ((first, who), (second, who), (other, Who("key:y", None, frozenset()))):
            held.open(client, one)
        hanging = threading.Thread(target=first.get, args=("/hang",))
        hanging.start()
        while first.turns.acquire(blocking=False):
            first.turns.release()
        with pytest.raises(ApiProblem, match="under way already") as raised:
            second.get("/quick")
        assert raised.value.status == 503
        assert other.get("/quick") == {}
        goes_on.set()
        hanging.join()
        assert second.get("/quick") == {}


def test_the_address_of_the_api_is_shown_without_its_password() -> None:
    """To everybody who sees the sign-in page; and it is the key that is sent, not who stands in the address."""
    asked: list[str] = []

    def whoami(request: Request) -> Response:
        asked.append(request.headers["authorization"])
        return PlainTextResponse("nonsense")

    with served(Starlette(routes=[Route("/v1/whoami", whoami)])) as there:
        for to in (there, f"http://127.0.0.1:{free_port()}", "ftp://127.0.0.1"):
            with door(to.replace("://", "://root:hush@")) as url, http(url) as client:
                pages = [client.get("/sign-in"), client.post("/sign-in", data={"key": "ls_x"})]
                assert pages[0].status_code == 200
                assert not [page.text for page in pages if "hush" in page.text or "root" in page.text]
                assert all(to in page.text for page in pages)
    assert asked == ["Bearer ls_x"]


def test_a_link_of_another_site_leads_to_its_page(desk: Desk) -> None:
    """Whoever is signed in follows it from a mail or a ticket; what is done is not done by following one."""
    link = f'<a href="{desk.console}/exceptions?status=all">look at this</a>'
    page = Starlette(routes=[Route("/", answering_page(link))])
    desk.window.clear_cookies()
    desk.page.goto(f"{desk.console}/sign-in")
    desk.page.get_by_label("API key").fill(desk.key)
    desk.page.get_by_role("button", name="Sign in").click()
    desk.settle()
    with served(page) as elsewhere:
        desk.page.goto(elsewhere.replace("127.0.0.1", "localhost"))
        desk.page.get_by_role("link", name="look at this").click()
        desk.settle()
    assert desk.page.url == f"{desk.console}/exceptions?status=all"

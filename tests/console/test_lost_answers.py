"""Decisions whose answer never comes: a page tells what became of them, and never that nothing did."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Console, Stand
from tests.console.desk import Desk
from tests.console.line import Line, line_to
from tests.console.test_exception_page import REASON, held, odd_return

WHY = "a test at the till"


@pytest.fixture(scope="module")
def far(stand: Stand, start_console: Callable[..., Console]) -> Iterator[tuple[Line, Console]]:
    """A line to the API of the stand, and a console at its end."""
    with line_to(stand.api.url) as line:
        yield line, start_console(line.url)


@pytest.fixture
def line(far: tuple[Line, Console]) -> Line:
    """The line, which carries everything until it is told otherwise."""
    far[0].loses = None
    return far[0]


@pytest.fixture
def afar(stand: Stand, far: tuple[Line, Console], sit_down: Callable[..., Desk]) -> Desk:
    """An operator at the end of the line."""
    return sit_down(stand.api, far[1])


def asks(desk: Desk, exception_id: str) -> None:
    """Choose to let it go, and open the dialog."""
    desk.open(f"/exception?id={exception_id}&choice=ignore")
    desk.page.get_by_role("textbox", name=REASON).fill(WHY)
    desk.press("Decide: Let it go")


def says_yes(desk: Desk) -> None:
    """Say yes, and hear nothing."""
    desk.press("Yes, decide", within=desk.page.get_by_role("dialog"))
    expect(desk.page.get_by_role("dialog")).to_contain_text("It may be decided or not")


def goes_back(desk: Desk) -> None:
    """Close the dialog, and look."""
    desk.press("No, go back", within=desk.page.get_by_role("dialog"))
    expect(desk.page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("loses", ["answer", "gateway"])
def test_it_was_decided_all_the_same(afar: Desk, line: Line, loses: str) -> None:
    exception_id = held(afar, odd_return(afar.tenant))
    asks(afar, exception_id)
    line.loses = loses
    says_yes(afar)
    assert afar.ask(f"/v1/exceptions/{exception_id}")["exception"]["resolution"] == "ignored"
    goes_back(afar)
    afar.sees("Done: your decision arrived, though no answer came back. Let go: it counts nowhere")
    assert "Nothing that you chose was done" not in afar.text()


def test_yes_is_said_once_more(afar: Desk, line: Line) -> None:
    """The second is refused, for the first is decided already; both were the same operator's."""
    exception_id = held(afar, odd_return(afar.tenant))
    asks(afar, exception_id)
    line.loses = "answer"
    says_yes(afar)
    line.loses = None
    afar.press("Yes, decide", within=afar.page.get_by_role("dialog"))
    afar.sees("Done: your decision arrived")


def test_it_never_arrived_and_is_decided_again(afar: Desk, line: Line) -> None:
    exception_id = held(afar, odd_return(afar.tenant))
    asks(afar, exception_id)
    line.loses = "question"
    says_yes(afar)
    goes_back(afar)
    afar.sees("No answer came to what you decided, and it is still open.")
    line.loses = None
    afar.press("Decide: Let it go")
    with line.holds:
        afar.page.get_by_role("dialog").get_by_role("button", name="Yes, decide").click()
        expect(afar.page.get_by_role("dialog")).to_contain_text("Waiting for the answer")
    afar.sees("Done. Let go: it counts nowhere")


@pytest.mark.parametrize("notes", [WHY, "another reason"])
def test_it_never_arrived_and_another_decided(stand: Stand, afar: Desk, line: Line, notes: str) -> None:
    """Theirs is not taken for one's own, not even with the same reason; and what was asked is not called undone."""
    exception_id = held(afar, odd_return(afar.tenant))
    asks(afar, exception_id)
    line.loses = "question"
    says_yes(afar)
    wish = {"action": "mark_resolved_no_replay", "resolution_notes": notes}
    with stand.api.client() as client:
        assert client.post(f"/v1/exceptions/{exception_id}/resolve", json=wish).status_code == 200
    goes_back(afar)
    afar.sees("Already resolved: Let go: it counts nowhere")
    afar.sees("No answer came to what you chose; what is shown here is what counts.")
    assert "Done" not in afar.text()

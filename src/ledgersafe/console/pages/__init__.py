"""One page a file; the list of them is here, in the order of the menu."""

from collections.abc import Callable
from dataclasses import dataclass

from ledgersafe.console.pages import (
    audit,
    dataset,
    delivery,
    exception,
    exceptions,
    files,
    health,
    ledger,
    pipeline,
    trace,
)
from ledgersafe.console.screen import Screen


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its address, and what shows it. `is_reached_by_link`: it is about one thing, and not in the menu."""

    path: str
    title: str
    icon: str
    show: Callable[[Screen], None]
    is_first: bool = False
    is_reached_by_link: bool = False


PAGES: tuple[Page, ...] = (
    Page("health", "Health", ":material/monitor_heart:", health.show, is_first=True),
    Page("exceptions", "Exceptions", ":material/rule:", exceptions.show),
    Page("exception", "Exception", ":material/gavel:", exception.show, is_reached_by_link=True),
    Page("trace", "Trace", ":material/route:", trace.show),
    Page("ledger", "Ledger", ":material/account_balance:", ledger.show),
    Page("files", "Files", ":material/folder_open:", files.show),
    Page("delivery", "Delivery", ":material/description:", delivery.show, is_reached_by_link=True),
    Page("dataset", "Dataset", ":material/table:", dataset.show, is_reached_by_link=True),
    Page("pipeline", "Pipeline", ":material/conveyor_belt:", pipeline.show),
    Page("audit", "Audit", ":material/history:", audit.show),
)

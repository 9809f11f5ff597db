"""Whether two versions of a contract put rows into the same groups."""

from collections.abc import Iterator

from ledgersafe.contracts.datasets.model import Dataset


def is_grouped_alike(was: Dataset, now: Dataset) -> bool:
    """Whether rows that are one event by the older contract are one event by the newer; of tables, always."""
    return [*_grouping(was)] == [*_grouping(now)]


def _grouping(dataset: Dataset) -> Iterator[object]:
    """All that decides which text is which group. What only refuses values, such as a pattern, parts nothing."""
    if dataset.shape.kind != "events" or dataset.shape.events is None:
        return
    yield dataset.shape.source.nulls
    for name in dataset.shape.events.group_by:
        column = dataset.column(name)
        shape = column.shape
        yield name, column.type, column.formats, shape.decimal, shape.thousands, shape.time_zone, shape.default

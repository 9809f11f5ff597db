"""Contracts as nobody should write them: each member by itself may pass, and may not."""

from typing import Any

from hypothesis import strategies as st

TYPES = ("string", "integer", "number", "boolean", "date", "datetime", "decimal(5,2)", "decimal(38,0)", "decimal(2,2)", "decimal(38,38)")  # fmt: skip
_NAMES = st.sampled_from(
    ["a", "b", "A", "t", "c", "s", "xmin", "ctid", "tableoid", "c_xmin", "select", "Größe", "日付", "2nd",
     "row_number", "Row Number", "tenant", "{a}", "a/b~c", "value", "column", "rule", "0", "x" * 255, "%s", '"', "''", "_group"],
)  # fmt: skip
_WILD_NAMES = _NAMES | st.sampled_from(["*", "^a$", "(*)"]) | st.text(min_size=1, max_size=5)
_SANE_PATTERNS = st.sampled_from([".*", ".{1,20000}|a", "[^x]+", r"(?s:.)*", "(?i)A|5|.*", "a|b", "[[:alnum:]]*"])
_SANE_FORMS = st.sampled_from(
    ["%d/%m/%Y", "%Y%m%d", "%d %b %Y", "%j %Y", "%v", "%F %T%.f", "%d.%m.%y %I:%M %p", "%FT%T%#z"]
)
_SANE = {
    "string": ["", "a", 5], "integer": [5, "5", 5.0], "number": [5, 0.5, "1e9"], "boolean": [True, "false"],
    "date": ["2026-01-01"], "datetime": ["2026-01-01", "2026-01-01T10:00:00+01:00"], "decimal(5,2)": [5, 0.5, "9.990"],
    "decimal(38,0)": [5, "1e37"], "decimal(2,2)": [0, 0.5], "decimal(38,38)": [0.5, 0],
}  # fmt: skip
_BOUNDS = (
    st.integers(-(10**20), 10**20)
    | st.sampled_from([0, 1, -1, 5, 1e-7, 1e16, 1e30, 1e300, 5e-324, 0.5, "1e3", "1e30", "1e400", "-0", "٣", "1_0", "nan"])
    | st.sampled_from(["2026-01-01", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "2026-W01-1", "20260101", "x", ""])
)  # fmt: skip
_PATTERNS = st.sampled_from(
    [r"[\w ]{1,255}", ".{1,20000}", "{[0-9A-F-]{36}}", r"[^[\]]+", r"\0", r"\d{3", "(?x)a #", "(?i)a", "a|b", "", "[[:alpha:]]+",
     r"\p{L}+", "(?P<n>a)", "[a&&b]", "[a--b]", "x{0}", "$", "^", "(" * 300, "a{99999999999999}"],
) | st.text(r"\[](){}.*+?^$|ab0,-&~ :<>=!ndwsZNxu", max_size=8)  # fmt: skip
_FORMS = st.lists(
    st.sampled_from(
        ["%Y", "%m", "%d", "%Y-%m-%d", "%d/%m/%y", "%H:%M", "%H:%M:%S", "%I:%M %p", "%p", "%P", "%M", "%S", "%.f", "%3f", "%z",
         "%:z", "%#z", "%F", "%T", "%R", "%D", "%v", "%j", "%a", "%b", "%e", "%k", "%l", "%n", "%t", "%%", "%-d", "%_H",
         " ", "T", "Z", ".", "é"]
    ),
    max_size=5,
).map("".join)  # fmt: skip
_TEXTS = st.sampled_from(["", " ", "a", "true", "1", "1.5", "1,5", "2026-01-01", "€", "x" * 2000]) | st.text(max_size=4)


def _mostly(sane: st.SearchStrategy[Any], wild: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One in eight is wild: of many members together, about every other contract is."""
    return st.integers(0, 7).flatmap(lambda roll: sane if roll else wild)


def _column() -> st.SearchStrategy[dict[str, Any]]:
    def of(kind: str) -> st.SearchStrategy[dict[str, Any]]:
        value = _mostly(st.sampled_from(_SANE[kind]), _BOUNDS | _TEXTS | st.booleans())
        members = {
            "required": st.booleans(), "unique": st.booleans(), "pattern": _mostly(_SANE_PATTERNS, _PATTERNS),
            "enum": st.lists(value, min_size=1, max_size=3),
        }  # fmt: skip
        if kind == "string":
            members |= {"default": _TEXTS, "min": st.integers(-3, 3), "max": _mostly(st.integers(0, 10), _BOUNDS)}
        elif kind.startswith("date"):
            form = _mostly(_SANE_FORMS, _FORMS)
            zones = st.sampled_from(["Europe/Berlin", "EST5EDT", "Asia/Kathmandu", "UTC", "Etc/GMT+12"])
            members |= {"min": value, "format": form | st.lists(form, max_size=2), "time_zone": _mostly(zones, _TEXTS)}
        elif kind != "boolean":
            members |= {"min": value, "max": value, "decimal": st.sampled_from(",."), "currency": st.just("GBP"),
                        "thousands": _mostly(st.just("'"), st.sampled_from(",. '"))}  # fmt: skip
        return st.fixed_dictionaries({"type": st.just(kind)}, optional=members)

    return st.sampled_from(TYPES).flatmap(lambda kind: st.just({"type": kind}) | of(kind))


def _fields(names: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    kinds: list[st.SearchStrategy[dict[str, Any]]] = [
        st.fixed_dictionaries({"column": names}, optional={"take": st.sampled_from(["first", "last", "min", "max"])}),
        st.fixed_dictionaries({"constant": _BOUNDS | _TEXTS | st.just([1]) | st.just({"a": None})}),
        st.fixed_dictionaries({"template": names.map("x-{{{}}}".format)}),
        st.fixed_dictionaries(
            {"product": st.lists(names | st.sampled_from(["qty", "amount"]), min_size=2, max_size=9)}
        ),
        st.fixed_dictionaries({"sum": st.sampled_from(["qty", "amount"])}),
    ]
    return st.one_of(kinds)


def _events(columns: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(columns)
    field = _fields(names)
    when = st.one_of(
        st.fixed_dictionaries({"column": names, "equals": _TEXTS}),
        st.fixed_dictionaries({"column": names, "starts_with": _TEXTS}),
        st.fixed_dictionaries({"column": names, "one_of": st.lists(_TEXTS, max_size=2)}),
        st.fixed_dictionaries({"column": names, "any": st.just("negative")}),
    )
    rule = st.fixed_dictionaries({"type": st.just("RETURN"), "when": when}, optional={"turn_signs": st.booleans()})
    needed = {
        name: st.fixed_dictionaries({"column": names}) for name in ("event_id", "occurred_at", "store_id", "txn_id")
    }
    sane = st.sampled_from(["metadata.a", "metadata.b.c", "currency", "total_amount", "business_date"])
    more = _mostly(sane, st.sampled_from(["metadata.b", "event_type.x", "line_items.a", "a..b", "a" + 60 * ".b"]))
    return st.fixed_dictionaries(
        {
            "group_by": st.lists(names, min_size=1, max_size=2),
            "event_type": st.just("SALE") | st.lists(rule, max_size=2).map(lambda rules: [*rules, {"type": "SALE"}]),
            "fields": st.tuples(st.fixed_dictionaries(needed), st.dictionaries(more, field, max_size=2)).map(
                lambda both: both[0] | both[1]
            ),
        },
        optional={"lines": st.dictionaries(st.sampled_from(["qty", "amount", "sku"]), field, max_size=3)},
    )


def _whole(columns: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from([*columns])
    source = st.fixed_dictionaries(
        {}, optional={"nulls": st.lists(_TEXTS, max_size=2), "delimiter": st.sampled_from(",;\t|~ "),
                      "encoding": _mostly(st.sampled_from(["utf-8", "utf-16"]), st.sampled_from(["unicode escape", "cp1252"]))}
    )  # fmt: skip
    quality = st.fixed_dictionaries(
        {},
        optional={
            "freshness": _mostly(st.just(1), st.just(1e300)),
            "max_null_fraction": st.dictionaries(names, st.just(1.0)),
        },
    )
    always = {"dataset": st.just("wild"), "columns": st.just(columns)}
    more = {"primary_key": st.lists(names, max_size=2), "source": source, "quality": quality,
            "drift_policy": st.sampled_from(["allow", "fail"]), "description": _TEXTS,
            "bad_rows_limit": st.just({"rows": 3}), "on_bad_rows": st.just("reject_file")}  # fmt: skip
    table = st.fixed_dictionaries(always, optional=more)
    events = st.fixed_dictionaries(always | {"kind": st.just("events"), "events": _events([*columns])}, optional=more)
    return table | events


def contracts() -> st.SearchStrategy[dict[str, Any]]:
    """Contracts of a dataset `wild`."""
    names = _mostly(_NAMES, _WILD_NAMES)
    return st.dictionaries(names, _column(), min_size=1, max_size=4).flatmap(_whole)

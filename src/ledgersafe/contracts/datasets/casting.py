"""Text to values, by the contract alone: each value comes out in the one spelling that Postgres reads, or as None.

Columns are cast whole (polars), so that a million rows take about a second. Numbers stay text: no double comes near an
amount.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from ledgersafe.contracts.datasets.model import Column
from ledgersafe.contracts.datasets.types import FALSE_WORDS, TRUE_WORDS
from ledgersafe.kernel.money import is_currency

_PLAIN_NUMBER = r"^-?[0-9]{1,38}(\.[0-9]{1,38})?$"
_NOTHING = "[^\\s\\S]"
_ISO_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_ISO_SECOND = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"
_BLANKS = r"[\u00a0\u2007\u2009\u202f]"
_DASHES = r"[\u2010-\u2015\u2212\ufe63\uff0d]"
"""What a minus is written with besides -: the en dash of Windows-1252 above all."""
_DRAWN = "[\u2012-\u2015]"
"""Dashes that are written for themselves: `–.50` is fifty cents in a price list, and minus fifty in others."""
_SIGNS = "[$£€¥₹₱₩]"
_CURRENCY_BEFORE = rf"^([-+(]?\s*)(?:{_SIGNS}|[A-Z]{{3}}\s)\s*"
_CURRENCY_AFTER = rf"\s*(?:{_SIGNS}|\s[A-Z]{{3}})(\s*[-)]?)$"
"""At the ends alone: 1€50 is no 150."""
_MARK = rf"{_SIGNS}|\b[A-Z]{{3}}\b"
_MEANT_BY = {
    "$": "ARS AUD BBD BMD BND BSD BZD CAD CLP COP FJD GYD HKD JMD KYD LRD MXN NAD NZD SGD SRD TTD TWD USD UYU XCD",
    "£": "EGP FKP GBP GIP SHP SSP SYP", "€": "EUR", "¥": "CNY JPY", "₹": "INR", "₱": "PHP", "₩": "KPW KRW",
}  # fmt: skip
"""Which currencies a sign is written for."""
_LIKE_A_THOUSAND = r"^-?[1-9][0-9]{0,2}\.[0-9]{2}0$"
"""Three decimals of which the last says nothing: where so many are not kept, they may well be thousands.

What a typed file knows as a number is never spelled so (formats.values.number_text)."""
_THOUSAND = 3
_CREDIT, _DEBIT_OR_CREDIT = r"(?i)[0-9.,]\s*CR$", r"(?i)([0-9.,])\s*(?:CR|DR)$"
_OFFSET = ("%z", "%:z", "%#z")


@dataclass(slots=True)
class Borne:
    """What the amounts of a column have borne so far in a file.

    `codes`: the currencies that all signs and codes can mean; none where they contradict each other; None: there were
    none. `marks`: all that there were; `marked`, `bare`: how many amounts bore one, and how many none. `foreign`: which
    of those that were cast last are in another currency. `of_each`: what these bear, if events say which they may.
    """

    codes: frozenset[str] | None = None
    marks: dict[str, None] = field(default_factory=dict[str, None])
    marked: int = 0
    bare: int = 0
    foreign: pl.Series | None = None
    of_each: pl.Series | None = None


def nulls_of(column: pl.Series, nulls: Sequence[str]) -> pl.Series:
    """The column with what stands for no value as null: the empty text, and what the contract names."""
    absent = column == ""
    if nulls:
        absent |= column.str.strip_chars().is_in([*nulls])
    return column.set(absent.fill_null(value=False), None) if absent.any() else column


def given_of(column: Column, values: pl.Series, nulls: Sequence[str]) -> pl.Series:
    """What a file gives in a column (`nulls_of`).

    Of texts that tell events apart (or of which kind they are), `7` and `7 ` are one: without the blanks around them,
    and in Unicode's form C. In a table's key, nothing but blanks is no value; else it stays as it is, since it stands
    so in the table.
    """
    if column.type.name != "string" or not (column.tells_events or column.is_key):
        return nulls_of(values, nulls)
    bare = values.str.strip_chars()
    if not column.tells_events:
        blank = (bare == "").fill_null(value=False)
        return nulls_of(values.set(blank, None) if blank.any() else values, nulls)
    if (bare.str.len_bytes() != bare.str.len_chars()).any():
        bare = bare.str.normalize("NFC")
    return nulls_of(bare, nulls)


def or_default(column: Column, text: pl.Series) -> pl.Series:
    """Text (`nulls_of`) with the contract's default where there is none."""
    return text if column.shape.default is None else text.fill_null(column.shape.default)


def cast(column: Column, values: pl.Series, *, borne: Borne | None = None) -> pl.Series:
    """Values in the spelling of Postgres; null where there is none, and where it cannot be read.

    `borne`: of the values before these in a file; these are added.
    """
    if column.type.name == "string":
        return values
    if column.type.is_number:
        return _numbers(column, values, Borne() if borne is None else borne)
    stripped = values.str.strip_chars()
    if column.type.name == "boolean":
        return _booleans(stripped)
    if column.type.name == "date":
        return _dates(column, stripped)
    return _instants(column, stripped)


def _in_other_currencies(column: Column, values: pl.Series, borne: Borne) -> pl.Series:
    """Which amounts bear a sign or code of another currency than the column's: those that the contract does not name.

    Where it names none, signs and codes are taken that can mean the same one, as £ and GBP; of others, no one knows.
    """
    marks = values.str.extract_all(_MARK)
    found = [str(mark) for mark in marks.explode().drop_nulls().unique()]
    meant = {mark: meant_by(mark) for mark in found}
    meant = {mark: codes for mark, codes in meant.items() if mark in _MEANT_BY or is_currency(mark)}
    if column.booked_by_event:
        borne.of_each = marks
    if column.currency is not None:
        return _bear(marks, [mark for mark, codes in meant.items() if column.currency not in codes])
    if column.booked_by_event:
        return _bear(marks, [])
    marked = (marks.list.len() > 0).fill_null(value=False) if len(meant) == len(found) else _bear(marks, [*meant])
    borne.marks |= dict.fromkeys(sorted(meant))
    borne.marked += int(marked.sum())
    borne.bare += int((~marked & values.str.contains("[1-9]")).sum())  # nothing is nothing in every currency
    return _bear(marks, _contradicting(meant, borne))


def meant_by(mark: str) -> frozenset[str]:
    """The currencies for which a sign or code may be written."""
    return frozenset(_MEANT_BY.get(mark, mark).split())


def _contradicting(meant: dict[str, frozenset[str]], borne: Borne) -> list[str]:
    """Marks that cannot mean what those before them in the file do; all, if they contradict each other."""
    known = borne.codes
    fit = [mark for mark, codes in meant.items() if known is None or codes & known]
    if not fit:
        return [*meant]
    common = meant[fit[0]] if known is None else known
    for mark in fit:
        common &= meant[mark]
    if common:
        borne.codes = common
        return [mark for mark in meant if mark not in fit]
    borne.codes = known or frozenset()
    return [*meant]


def _bear(marks: pl.Series, wanted: Sequence[str]) -> pl.Series:
    """Which of the values bear one of these."""
    if not wanted:
        return pl.Series(marks.name, [False]).new_from_index(0, len(marks))
    return marks.list.eval(pl.element().is_in(wanted)).list.any().fill_null(value=False)


def _numbers(column: Column, values: pl.Series, borne: Borne) -> pl.Series:
    borne.foreign = borne.of_each = None
    if column.shape.decimal == "." and _all(values.str.contains(_as_it_should_be(column))):
        borne.bare += len(values) - values.null_count()
        return values
    found = _typed_numbers(column, values, borne)
    return _in_one_spelling(found) if column.has_one_spelling else found


def _typed_numbers(column: Column, values: pl.Series, borne: Borne) -> pl.Series:
    is_plain = column.shape.decimal == "." and _all(values.str.contains(_PLAIN_NUMBER))
    if is_plain:
        borne.bare += len(values) - values.null_count()
    plain = values if is_plain else _plain_numbers(column, values, borne)
    if column.type.name != "number" and (column.type.scale or 0) < _THOUSAND:
        plain = _only(plain, ~plain.str.contains(_LIKE_A_THOUSAND))
    if column.type.name == "integer":
        whole = r"^(-?[0-9]{1,18})(?:\.0+)?$"
        return plain.str.extract(whole, 1)
    if column.type.name == "number":
        return plain
    precision, scale = column.type.precision or 0, column.type.scale or 0
    if scale:  # zeros at the end say nothing, but only after the point
        digits = f"-?0*[0-9]{{0,{precision - scale}}}"
        with_point = plain.str.extract(rf"^({digits}\.[0-9]{{0,{scale}}})0*$", 1)
        return _or(with_point, plain.str.extract(rf"^({digits})$", 1))
    found = plain.str.extract(r"^(-?[0-9]+)(?:\.0+)?$", 1)
    return _only(found, found.str.len_chars() <= precision + found.str.starts_with("-").cast(pl.UInt32))


def _in_one_spelling(values: pl.Series) -> pl.Series:
    """Without zeros that say nothing: 007 and 7.0 are 7."""
    short = values.str.replace(r"^(-?)0+([0-9])", "${1}${2}").str.replace(r"(\.[0-9]*?)0+$", "${1}")
    return short.str.replace(r"\.$", "").str.replace("^-0$", "0")


def _as_it_should_be(column: Column) -> str:
    """Numbers that stay as they are written, which is how most files have all of theirs."""
    if column.has_one_spelling:
        return r"^(?:0|-?[1-9][0-9]{0,17})$" if column.type.name == "integer" else _NOTHING
    if column.type.name == "number":
        return _PLAIN_NUMBER
    if column.type.name == "integer":
        return r"^-?[0-9]{1,18}$"
    precision, scale = column.type.precision or 0, column.type.scale or 0
    whole = f"[0-9]{{1,{precision - scale}}}" if precision > scale else "0"
    return rf"^-?{whole}(?:\.[0-9]{{1,{scale}}})?$" if scale else rf"^-?{whole}$"


def _plain_numbers(column: Column, values: pl.Series, borne: Borne) -> pl.Series:
    """`(250.00)`, `468.60-`, `-468.60 `, `25.00 CR`, `£1,234.50` as people write them: `-250.00`, `-468.60`, `1234.50`.

    Whatever says minus says it once: `-(250.00)` and `-250.00 CR` are not read.
    """
    shape = column.shape
    text = values.str.replace_all(_BLANKS, " ").str.replace_all(_DASHES, "-").str.strip_chars()
    text = text.str.replace_all("\u2019", "'") if shape.thousands == "'" else text
    if text.str.contains(_MARK).any():
        borne.foreign = _in_other_currencies(column, text, borne)
        text = _only(text, ~(borne.foreign | _of_no_currency(text)))
    else:
        borne.bare += len(text) - text.null_count()
    is_credit = text.str.contains(_CREDIT)
    text = _without_currency(text.str.replace(_DEBIT_OR_CREDIT, "$1"))
    in_brackets = text.str.contains(r"^\(.*\)$")
    text = _without_currency(text.str.replace(r"^\((.*)\)$", "$1").str.strip_chars())
    text = text.str.replace(r"^\+\s*", "").str.replace(r"^-\s+", "-")
    text = _without_dashes_behind(_only_for_minus(text, values, shape.decimal), shape.decimal)
    if shape.thousands is not None:
        group = _escape(shape.thousands)
        point = _escape(shape.decimal)
        grouped = text.str.contains(rf"^-?[0-9]{{1,3}}({group}[0-9]{{3}})+({point}[0-9]+)?$")
        text = _where(grouped, text.str.replace_all(shape.thousands, "", literal=True), text)
    if shape.decimal != ".":
        text = _only(text, ~text.str.contains(".", literal=True)).str.replace(shape.decimal, ".", literal=True)
    text = text.str.replace(r"^(-?)\.", "${1}0.").str.replace(r"\.$", "")
    has_minus = text.str.starts_with("-")
    signed = _where((in_brackets | is_credit) & ~has_minus, text.str.replace("^", "-"), text)
    twice = (in_brackets & is_credit) | ((in_brackets | is_credit) & has_minus)
    return _only(signed, signed.str.contains(_PLAIN_NUMBER) & ~twice)


def _only_for_minus(text: pl.Series, values: pl.Series, point: str) -> pl.Series:
    """Without those of which a dash stands for no francs, perhaps: `–.50`, and `-.50` where others are written `12.-`.

    `values`: before dashes were made one.
    """
    begins = text.str.starts_with(f"-{point}")
    if not begins.any():
        return text
    if text.str.contains(rf"[0-9]{_escape(point)}\s*-+$").any():
        return _only(text, ~begins)
    return _only(text, ~(begins & values.str.contains(_DRAWN)))


def _without_dashes_behind(text: pl.Series, point: str) -> pl.Series:
    """`12,-` and `5.—` say that there are no cents: 12 and 5. Only after a digit a dash is a minus: `12-` is -12."""
    if not text.str.ends_with("-").any():
        return text
    no_cents = rf"^(-?[^{_escape(point)}-]*[0-9]){_escape(point)}\s*-+$"
    return text.str.replace(no_cents, "$1").str.replace(r"^([^-]*[0-9])\s*-$", "-$1")


def _of_no_currency(text: pl.Series) -> pl.Series:
    """Which bear three letters that are no currency: JAN 12.50 is no amount."""
    codes = text.str.extract_all(r"\b[A-Z]{3}\b")
    wrong = [code for code in codes.explode().drop_nulls().unique() if not is_currency(str(code))]
    return codes.list.eval(pl.element().is_in(wrong)).list.any().fill_null(value=False)


def _without_currency(text: pl.Series) -> pl.Series:
    return text.str.replace(_CURRENCY_BEFORE, "${1}").str.replace(_CURRENCY_AFTER, "${1}").str.strip_chars()


def _booleans(values: pl.Series) -> pl.Series:
    if ((values == "true") | (values == "false")).all():
        return values
    words = {**dict.fromkeys(TRUE_WORDS, "true"), **dict.fromkeys(FALSE_WORDS, "false")}
    return values.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.String)


def _dates(column: Column, values: pl.Series) -> pl.Series:
    found, last = _first_fit(
        values, column.formats, lambda form: _whole_years(form, values, values.str.to_date(form, strict=False))
    )
    if last == column.formats[0] == "%Y-%m-%d" and _all(values.str.contains(_ISO_DAY)):
        return _only(values, _year_in_range(found))  # written as we would
    return _in_range(found).dt.to_string("%Y-%m-%d")


def _instants(column: Column, values: pl.Series) -> pl.Series:
    forms = _with_offsets(column)
    is_ours = forms[0].startswith("%Y-%m-%dT%H:%M:%S") and column.shape.time_zone in (None, "UTC")
    if is_ours and _all(values.str.contains(_ISO_SECOND)):  # written as we would: only the day may not be one
        days = values.str.head(10).str.to_date("%Y-%m-%d", strict=False)
        if days.null_count() == values.null_count():
            return _only(values + ".000000+00:00", _year_in_range(days))
    found, _ = _first_fit(values, forms, lambda form: _instant(column, values, form))
    return _in_range(found).dt.to_string("%Y-%m-%dT%H:%M:%S%.6f+00:00")


def _first_fit(values: pl.Series, forms: Sequence[str], read: Callable[[str], pl.Series]) -> tuple[pl.Series, str]:
    """Each value by the first form that it has; and the last form that was needed."""
    found = read(forms[0])
    last = forms[0]
    for form in forms[1:]:
        if found.null_count() == values.null_count():
            break
        found, last = _or(found, read(form)), form
    return found, last


def _instant(column: Column, values: pl.Series, form: str) -> pl.Series:
    if any(offset in form for offset in _OFFSET):
        return values.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
    naive = _whole_years(form, values, values.str.to_datetime(form, time_unit="us", strict=False))
    zone = column.shape.time_zone or "UTC"
    local = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _whole_years(form: str, values: pl.Series, found: pl.Series) -> pl.Series:
    """A %Y takes fewer digits, too: 3/22/20 would be of the year 20. Years that are not written whole are not read."""
    years = found.dt.year()
    if "%Y" not in form or not (years < 1000).any():
        return found
    whole = years.cast(pl.String).str.zfill(4)
    return _only(found, pl.select(pl.lit(values).str.contains(pl.lit(whole), literal=True)).to_series())


def _with_offsets(column: Column) -> list[str]:
    """Where the contract names no format, ISO 8601 with an offset is taken, too."""
    if column.shape.format is not None:
        return list(column.formats)
    return [*column.formats, "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"]


def _in_range(values: pl.Series) -> pl.Series:
    return _only(values, _year_in_range(values))


def _year_in_range(values: pl.Series) -> pl.Series:
    year = values.dt.year()
    return (year >= 1) & (year <= 9999)


def _or(found: pl.Series, other: pl.Series) -> pl.Series:
    return pl.select(pl.coalesce(found, other)).to_series().alias(found.name)


def _where(condition: pl.Series, then: pl.Series, otherwise: pl.Series) -> pl.Series:
    return then.zip_with(condition.fill_null(value=False), otherwise)


def _only(values: pl.Series, condition: pl.Series) -> pl.Series:
    """Those values for which it holds; null for the others."""
    if condition.all(ignore_nulls=False):
        return values
    return values.zip_with(condition.fill_null(value=False), pl.Series(values.name, [None], dtype=values.dtype))


def _all(condition: pl.Series) -> bool:
    return bool(condition.all())


def _escape(character: str) -> str:
    return "\\" + character if character in ".|" else character

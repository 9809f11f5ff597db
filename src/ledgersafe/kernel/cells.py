"""Text in the cells of CSV files that people open in spreadsheets. Pure."""

import re

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠']|[\t\r\n]")


def guarded(text: str) -> str:
    """A text with an apostrophe in front where a spreadsheet would take it for a formula.

    So has a text that begins with an apostrophe: taking one away gives every text back. For texts only: numbers and
    dates go into cells as they are.
    """
    return f"'{text}" if _FORMULA.match(text) else text

"""Days in a request."""

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator


def _written_out(value: object) -> object:
    if value is not None and not (isinstance(value, str) and value[4:5] == "-"):
        raise ValueError("expected a date such as 2026-02-25")  # a number would be read as seconds since 1970
    return value


Day = Annotated[date | None, BeforeValidator(_written_out)]
"""A day of the books; None where it is left out."""

"""The one table of reason codes."""

import re
from typing import get_args

import pytest

from ledgersafe.kernel import reasons
from ledgersafe.kernel.reasons import REASONS, Who


def test_every_row_is_well_formed() -> None:
    for code, reason in REASONS.items():
        assert code == reason.code == str(reason)
        assert re.fullmatch(r"[A-Z][A-Z0-9_]{2,60}", code)
        assert reason.status in {200, 202, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 422, 500, 503}, code
        assert reason.who in get_args(Who), code
        assert reason.summary.endswith((".", "…", "=.")), code
        assert "\n" not in reason.summary


def test_every_code_has_a_name_of_its_own_in_the_module() -> None:
    named = {name: value.code for name, value in vars(reasons).items() if isinstance(value, reasons.Reason)}
    assert named == {code: code for code in REASONS}


def test_a_code_cannot_be_defined_twice() -> None:
    before = dict(REASONS)
    with pytest.raises(ValueError, match="twice"):
        reasons._reason("TOTALS_MISMATCH", 202, "SENDER", "Again.")
    assert before == REASONS


def test_the_codes_of_the_specification_are_there() -> None:
    wanted = {
        "UNKNOWN_EVENT_TYPE",
        "IDEMPOTENCY_CONFLICT",
        "ALREADY_QUARANTINED",
        "IGNORED_BY_OPERATOR",
        "NUMBER_NOT_EXACT",
        "TOTALS_MISMATCH",
        "FUTURE_EVENT_TIME",
        "DUPLICATE_SOURCE_EVENT_ID",
        "SUSPECTED_TEST_DATA",
        "CURRENCY_MISSING",
        "TENANT_REQUIRED",
        "INTERNAL_ERROR",
    }
    assert wanted <= set(REASONS)

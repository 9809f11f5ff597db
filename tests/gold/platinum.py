"""The tables of schema platinum, reckoned from events in polars: other code than the tables', by the same definitions.

Amounts are whole cents in here, so that sums are exact; means and rates are floats, held against four decimals.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

import polars as pl

from ledgersafe.db.database import Database
from ledgersafe.gold.rules import tables
from ledgersafe.gold.store import Row, Wanted
from ledgersafe.pipeline.report import report_page
from tests.gold.shops import Shops, of_customer
from tests.gold.trade import expected

STORE = ["store_id", "currency"]
SEGMENTS = (
    ("champion", range(4, 6), range(4, 6), range(4, 6)),
    ("loyal", range(3, 6), range(4, 6), range(1, 6)),
    ("cannot lose", range(1, 3), range(1, 6), range(5, 6)),
    ("at risk", range(1, 3), range(3, 6), range(1, 6)),
    ("big spender", range(3, 6), range(1, 6), range(4, 6)),
    ("new", range(5, 6), range(1, 3), range(1, 6)),
    ("promising", range(4, 6), range(1, 6), range(1, 6)),
    ("needs attention", range(3, 4), range(1, 6), range(1, 6)),
    ("about to sleep", range(2, 3), range(1, 6), range(1, 6)),
    ("lost", range(1, 6), range(1, 6), range(1, 6)),
)
"""Name, and the scores of recency, frequency and monetary that it may have; the first that fits."""


def shown(db: Database, tenant: str, name: str) -> list[Row]:
    """A table, as its report shows it."""
    return report_page(db, tables()[name], Wanted(tenant), 100_000)


def assert_same(name: str, is_: Sequence[Row], should_be: Sequence[Row]) -> None:
    """Row by row: numbers to the last digit, those that are rounded when they are read to half of one."""
    keys = tables()[name].cursor
    found = {tuple(row[key] for key in keys): row for row in is_}
    wanted = {tuple(row[key] for key in keys): row for row in should_be}
    assert found.keys() == wanted.keys(), (name, sorted(found.keys() ^ wanted.keys())[:5])
    for key, row in wanted.items():
        for column in tables()[name].columns:
            assert _equal(found[key][column], row[column]), (name, key, column, found[key][column], row[column])


def _equal(shown_value: Any, value: Any) -> bool:
    if shown_value is None or value is None or not isinstance(value, float | Fraction):
        return shown_value == value
    digits = -int(Decimal(shown_value).as_tuple().exponent)
    return abs(float(shown_value) - float(value)) <= 0.5001 * 10**-digits


def _cents(amount: Decimal) -> int:
    return int(amount * 100)


def _euros(column: str) -> pl.Expr:
    return pl.col(column).map_elements(lambda cents: Decimal(cents) / 100, return_dtype=pl.Object)


def daily(shops: Shops) -> pl.DataFrame:
    """(store_id, currency, day, transactions, cents), a row for each day on which the store's books moved."""
    sums = expected(shops)["daily_store_sales"]
    moved = [
        (
            store,
            currency,
            day,
            *((int(row[0]), _cents(row[5])) if (row := sums.get((day, store, currency))) else (0, 0)),
        )
        for store, currency, day in sorted(shops.moved)
    ]
    return pl.DataFrame(moved, ["store_id", "currency", "day", "transactions", "cents"], orient="row")


def _calendar(sold: pl.DataFrame) -> pl.DataFrame:
    """The same with a row for each day of each store's history."""
    end = sold["day"].max()
    spans = sold.group_by(STORE).agg(first=pl.col("day").min(), last=pl.col("day").max())
    spans = spans.with_columns(last=pl.min_horizontal(pl.col("last").dt.offset_by("27d"), pl.lit(end)))
    days = spans.with_columns(day=pl.date_ranges("first", "last")).explode("day").drop("last")
    return days.join(sold, on=[*STORE, "day"], how="left").fill_null(0).sort(*STORE, "day")


def store_features(shops: Shops) -> list[Row]:
    """What store_features must show."""
    past = {
        f"{name}_{days}": pl.col(name).rolling_sum(days, min_samples=1).over(STORE)
        for name in ("transactions", "cents")
        for days in (7, 28)
    }
    number = pl.col("day").cum_count().over(STORE)
    week, month = pl.min_horizontal(number, pl.lit(7)), pl.min_horizontal(number, pl.lit(28))
    before = pl.col("cents_7").shift(7).over(STORE)
    made = _calendar(daily(shops)).with_columns(**past).with_columns(week=week, days=month)
    made = made.with_columns(
        transactions_mean_7d=pl.col("transactions_7") / pl.col("week"),
        transactions_mean_28d=pl.col("transactions_28") / pl.col("days"),
        net_mean_7d=pl.col("cents_7") / 100 / pl.col("week"),
        net_mean_28d=pl.col("cents_28") / 100 / pl.col("days"),
        week_over_week=pl.when((number >= 14) & (before > 0)).then(pl.col("cents_7") / before - 1),
        rank_28d=pl.col("cents_28").rank("min", descending=True).over("currency", "day"),
    ).with_columns(momentum=pl.when(pl.col("cents_28") > 0).then(pl.col("net_mean_7d") / pl.col("net_mean_28d") - 1))
    rows = made.rename({"day": "books_date"}).to_dicts()
    return [row | {"net": Decimal(row["cents"]) / 100, "net_28d": Decimal(row["cents_28"]) / 100} for row in rows]


def product_performance(shops: Shops) -> list[Row]:
    """What product_performance must show."""
    sums = [
        (sku, currency, day, int(row[0]), int(row[1]), _cents(row[2]), _cents(row[4]), _cents(row[5]))
        for (day, _, sku, currency), row in expected(shops)["daily_product_sales"].items()
        if sku
    ]
    sums += [(sku, currency, day, 0, 0, 0, 0, 0) for sku, currency, day in shops.sold]
    columns = ["sku", "currency", "day", "transactions", "units", "gross", "returns", "net"]
    of = ["books_date", "currency"]
    made = pl.DataFrame(sums, columns, orient="row").with_columns(books_date=pl.col("day").dt.truncate("1mo"))
    made = made.group_by(*of, "sku").agg(pl.col("transactions", "units", "gross", "returns", "net").sum())
    earlier = made.select("sku", "currency", pl.col("books_date").dt.offset_by("1mo"), before="net")
    made = made.join(earlier, on=["sku", *of], how="left").sort(
        *of, "net", "sku", descending=[False, False, True, False]
    )
    good = pl.col("net").clip(lower_bound=0)
    above = (good.cum_sum() - good).over(of)
    made = made.with_columns(all=good.sum().over(of), above=above).with_columns(
        rank=pl.col("net").rank("min", descending=True).over(of),
        share_percent=pl.when(pl.col("all") > 0).then(100 * pl.col("net") / pl.col("all")),
        return_percent=pl.when(pl.col("gross") > 0).then(-100 * pl.col("returns") / pl.col("gross")),
        trend_percent=pl.when(pl.col("before") > 0).then(100 * pl.col("net") / pl.col("before") - 100),
    )
    rows = made.to_dicts()
    for row in rows:
        part = Fraction(row["above"], row["all"]) if row["net"] > 0 else 1
        row["class"] = "A" if part < Fraction(80, 100) else "B" if part < Fraction(95, 100) else "C"
        row |= {name: Decimal(row[name]) / 100 for name in ("gross", "returns", "net")}
    return rows


def customer_segments(shops: Shops) -> list[Row]:
    """What customer_segments must show."""
    end = max(day for _, _, day in shops.moved)
    names = {truth.event["customer_id"] for truth in shops.truths if "customer_id" in truth.event}
    sums = [
        (name, currency, day, int(row[0]), _cents(row[5]))
        for name in sorted(names)
        for (day, _, currency), row in of_customer(shops, name).items()
        if day > end - timedelta(days=365)
    ]
    days = pl.DataFrame(sums, ["customer_id", "currency", "day", "transactions", "cents"], orient="row")
    made = days.group_by("customer_id", "currency").agg(
        books_date=pl.col("day").filter(pl.col("transactions") > 0).max(),
        frequency=pl.col("transactions").sum(),
        cents=pl.col("cents").sum(),
    )
    made = made.filter(pl.col("frequency") > 0)
    scores = {"recency_score": "books_date", "frequency_score": "frequency", "monetary_score": "cents"}
    made = made.with_columns(
        **{
            score: 1 + (5 * (pl.col(by).rank("min").cast(pl.Int64) - 1)).over("currency") // pl.len().over("currency")
            for score, by in scores.items()
        },
        recency_days=(pl.lit(end) - pl.col("books_date")).dt.total_days(),
    )
    rows = made.to_dicts()
    for row in rows:
        scored = [row[score] for score in scores]
        fits = (name for name, *ranges in SEGMENTS if all(a in b for a, b in zip(scored, ranges, strict=True)))
        row |= {"monetary": Decimal(row["cents"]) / 100, "segment": next(fits)}
    return rows


def demand_forecast_14d(shops: Shops) -> list[Row]:
    """What demand_forecast_14d must show."""
    sold = daily(shops)
    made_on = sold["day"].max() - timedelta(days=1)  # type: ignore[operator]
    known = sold.filter(pl.col("day").is_between(made_on - timedelta(days=195), made_on))
    rows: list[Row] = []
    for (store, currency), of in known.group_by(STORE, maintain_order=True):
        days = dict(of.select("day", "cents").iter_rows())
        if max(days) <= made_on - timedelta(days=28):
            continue
        for horizon, (forecast, lower, upper) in enumerate(forecasts(days, made_on), 1):
            row = {"store_id": store, "currency": currency, "made_on": made_on, "horizon": horizon}
            row |= {
                "books_date": made_on + timedelta(days=horizon),
                "forecast": forecast,
                "lower": lower,
                "upper": upper,
            }
            row["method"] = "weekday_level" if (made_on - min(days)).days >= 13 else "last_week"
            rows.append(row)
    return rows


def forecasts(days: dict[date, int], made_on: date) -> list[tuple[Fraction, Fraction | None, Fraction | None]]:
    """(forecast, lower, upper) of the next 14 days; `days`: cents of the days known."""
    number = ((made_on - min(days)).days + 1) // 7
    weeks = [[days.get(made_on - timedelta(days=7 * w + 6 - d), 0) for d in range(7)] for w in range(number)]
    if not weeks:
        return []
    ratios = sorted(
        Fraction(weeks[week][day]) / forecast
        for origin in range(1, min(12, number - 2) + 1)
        for day, forecast in enumerate(_next_week(weeks[origin:]))
        for week in (origin - 1, origin - 2)
        if week >= 0 and forecast > 0
    )
    made = []
    for forecast in _next_week(weeks) * 2:
        bounds: tuple[Fraction | None, Fraction | None] = (None, None)
        if len(ratios) >= 14:
            of = [forecast, *(forecast * ratios[ceil(share * len(ratios)) - 1] for share in (0.1, 0.9))]
            bounds = (min(of) / 100, max(of) / 100)
        made.append((forecast / 100, *bounds))
    return made


def _next_week(weeks: list[list[int]]) -> list[Fraction]:
    """The level of the last 6 weeks by the shares of the weekdays in the last 16; `weeks`: the latest first."""
    weights = [Fraction(8, 10) ** age for age in range(min(6, len(weeks)))]
    level = sum(weight * sum(week) for weight, week in zip(weights, weeks, strict=False)) / sum(weights)
    sums = [sum(week[day] for week in weeks[:16]) if any(week[day] for week in weeks[:4]) else 0 for day in range(7)]
    return [level * share / sum(sums) if sum(sums) > 0 else Fraction(0) for share in sums]


RECKONED = {
    "store_features": store_features,
    "product_performance": product_performance,
    "customer_segments": customer_segments,
    "demand_forecast_14d": demand_forecast_14d,
}


def assert_true(db: Database, shops: Shops) -> None:
    """Every table of platinum is what the events say."""
    for name, reckon in RECKONED.items():
        assert_same(name, shown(db, shops.tenant, name), reckon(shops))

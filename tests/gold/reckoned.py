"""What every gold table must say of generated trade, reckoned with polars from the events alone: no SQL, no database.

Amounts are whole hundredths here, so that sums are exact whatever the type; they become decimals at the end.
"""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from tests.gold.trade import REGIONS, Key, Rows, Trade

SALES = ("transactions", "units", "gross", "discounts", "returns", "net", "tax")
MONEY = frozenset({"gross", "discounts", "returns", "net", "tax", "received", "refunded", "returned", "net_of_all"})
EXPECTED_FOR = 28
Reckoner = Callable[["Frames"], pl.DataFrame]


class Frames:
    """Sales and returns that stand, their lines and their tenders, as frames; `days`: (day, currency) ever posted."""

    def __init__(self, trade: Trade) -> None:
        live = [one for one in trade.truths if not one.voided and one.event["event_type"] != "ADJUSTMENT"]
        self.days = pl.DataFrame(sorted(trade.days), schema=["books_date", "currency"], orient="row")
        lines, tenders, receipts = [], [], []
        for number, one in enumerate(live):
            event = one.event
            line_tax = sum(_cents(line.get("tax", 0)) for line in event["line_items"])
            receipts.append(
                {
                    "receipt": number,
                    "books_date": one.day,
                    "hour": one.hour,
                    "store_id": event["store_id"],
                    "currency": event["currency"],
                    "country": event.get("metadata", {}).get("country", ""),
                    "region": REGIONS.get(event["store_id"], ""),
                    "is_sale": event["event_type"] == "SALE",
                    "is_loose": "original_txn_id" not in event,
                    "included": event["tax_included"],
                    "discount": _cents(event.get("discount_amount", 0)),
                    "line_tax": line_tax,
                    "tax": _cents(event["tax_amount"]) if "tax_amount" in event else line_tax,
                    "total": _cents(event["total_amount"]),
                }
            )
            lines += [
                {
                    "receipt": number,
                    "sku": line["sku"],
                    "brand": line.get("brand", ""),
                    "quantity": int(line["qty"]),
                    "amount": _cents(line["amount"]),
                    "of_tax": _cents(line.get("tax", 0)),
                }
                for line in event["line_items"]
            ]
            tenders += [(number, *tender) for tender in _paid(event)]
        self.receipts = pl.DataFrame(receipts)
        self.lines = pl.DataFrame(lines).join(self.receipts, on="receipt")
        self.tenders = pl.DataFrame(tenders, schema=["receipt", "payment", "amount"], orient="row").join(
            self.receipts, on="receipt"
        )


def _paid(event: dict[str, Any]) -> Iterable[tuple[str, int]]:
    if "tenders" not in event:
        yield event.get("payment_method", "").lower(), _cents(event["total_amount"])
    for one in event.get("tenders", ()):
        yield one["type"].lower(), _cents(one["amount"]) - _cents(one.get("change", 0))


def _cents(amount: Any) -> int:
    return int(Decimal(str(amount)) * 100)


def _sales(of: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """The measures of tables of sales; the frame has `sold`, `quantity`, `discount`, `tax` and `counts` of each row."""
    sign = pl.when("is_sale").then(1).otherwise(-1)
    signed = of.with_columns(
        transactions=pl.col("is_sale").cast(pl.Int64) * pl.col("counts"),
        units=pl.when("is_sale").then("quantity").otherwise(0),
        gross=pl.when("is_sale").then("amount").otherwise(0),
        discounts=-sign * pl.col("discount"),
        returns=pl.when("is_sale").then(0).otherwise(-pl.col("amount")),
        signed_tax=sign * pl.col("tax"),
    ).with_columns(
        net=pl.col("gross") + pl.col("discounts") + pl.col("returns") - pl.col("signed_tax") * pl.col("included")
    )
    named = signed.drop("tax").rename({"signed_tax": "tax"})
    return named.group_by("books_date", *keys, "currency").agg(pl.col(name).sum() for name in SALES)


def _of_receipts(of: Frames) -> pl.DataFrame:
    sums = of.lines.group_by("receipt").agg(pl.col("quantity").sum(), pl.col("amount").sum())
    return of.receipts.join(sums, on="receipt").with_columns(counts=1)


def _of_lines(of: Frames, key: str) -> pl.DataFrame:
    """A row a receipt and product or brand, and one a receipt for what is of no line."""
    parts = of.lines.group_by("receipt", key).agg(pl.col(name).sum() for name in ("quantity", "amount", "of_tax"))
    by_line = parts.join(of.receipts, on="receipt").with_columns(
        tax=pl.col("of_tax").cast(pl.Int64), discount=pl.lit(0, pl.Int64), counts=pl.lit(1, pl.Int64)
    )
    rest = of.receipts.with_columns(
        pl.lit("").alias(key),
        tax=pl.col("tax") - pl.col("line_tax"),
        quantity=pl.lit(0, pl.Int64),
        amount=pl.lit(0, pl.Int64),
        counts=pl.lit(0, pl.Int64),
    )
    columns = ["receipt", key, "books_date", "store_id", "currency", "is_sale", "included"]
    columns += ["quantity", "amount", "discount", "tax", "counts"]
    return pl.concat([by_line.select(columns), rest.select(columns)])


def _payments(of: Frames) -> pl.DataFrame:
    return of.tenders.group_by("books_date", "store_id", "payment", "currency").agg(
        payments=pl.col("is_sale").sum(),
        received=pl.col("amount").filter(pl.col("is_sale")).sum(),
        refunded=-pl.col("amount").filter(~pl.col("is_sale")).sum(),
    )


def _returns(of: Frames) -> pl.DataFrame:
    sale, back = pl.col("is_sale"), ~pl.col("is_sale")
    return (
        _of_receipts(of)
        .group_by("books_date", "store_id", "currency")
        .agg(
            sales=sale.sum(),
            returns_number=back.sum(),
            unreferenced_returns=(back & pl.col("is_loose")).sum(),
            units=pl.col("quantity").filter(sale).sum(),
            returned_units=pl.col("quantity").filter(back).sum(),
            gross=pl.col("amount").filter(sale).sum(),
            returned=pl.col("amount").filter(back).sum(),
        )
    )


def _brand_shares(of: Frames) -> pl.DataFrame:
    """Over the 30 days up to each day that was ever in the books."""
    daily = _sales(_of_lines(of, "brand"), "brand").select("books_date", "brand", "currency", "net")
    ends = of.days.rename({"books_date": "end"})
    window = ends.join(daily, on="currency").filter(
        (pl.col("books_date") <= pl.col("end")) & (pl.col("books_date") > pl.col("end") - pl.duration(days=30))
    )
    shares = window.group_by("end", "brand", "currency").agg(pl.col("net").sum())
    whole = window.group_by("end", "currency").agg(net_of_all=pl.col("net").sum())
    return (
        shares.join(whole, on=["end", "currency"])
        .filter(pl.col("net") != 0)
        .select(pl.col("end").alias("books_date"), "brand", "currency", "net", "net_of_all")
    )


def _pairs(of: Frames) -> pl.DataFrame:
    """Pairs of products of one basket; every basket of the generated trade is small, and every month's pairs are few."""
    held = of.lines.filter("is_sale").select("receipt", "store_id", "sku", pl.col("books_date").dt.truncate("1mo"))
    held = held.unique()
    where = ["books_date", "store_id"]
    alone = held.group_by(*where, "sku").agg(alone=pl.len())
    whole = held.group_by(where).agg(all_baskets=pl.col("receipt").n_unique())
    pairs = held.join(held.select("receipt", other_sku="sku"), on="receipt").filter(pl.col("sku") < pl.col("other_sku"))
    counted = pairs.group_by(*where, "sku", "other_sku").agg(baskets=pl.len()).filter(pl.col("baskets") >= 2)
    counted = counted.join(alone.rename({"alone": "sku_baskets"}), on=[*where, "sku"])
    others = alone.rename({"sku": "other_sku", "alone": "other_baskets"})
    counted = counted.join(others, on=[*where, "other_sku"]).join(whole, on=where)
    expected = pl.col("sku_baskets") * pl.col("other_baskets")
    doubled = (
        pl.col("baskets").cast(pl.Int64) * pl.col("all_baskets") * 20_000 + expected
    )  # half a ten-thousandth is rounded up
    counted = counted.with_columns(lift=doubled // (2 * expected))
    names = ["sku", "other_sku", "baskets", "sku_baskets", "other_baskets", "all_baskets", "lift"]
    return counted.select(*where, *names)


def completeness(of: Frames, last_days: dict[str, date]) -> pl.DataFrame:
    """`last_days`: the last finished trading day of each store."""
    reported = of.receipts.group_by("store_id", "books_date").agg(transactions=pl.len())
    due = reported.select("store_id", last="books_date").join(
        pl.DataFrame({"after": list(range(EXPECTED_FOR + 1))}), how="cross"
    )
    due = due.with_columns(books_date=pl.col("last") + pl.duration(days=pl.col("after")))
    last_days_of = pl.DataFrame({"store_id": list(last_days), "finished": list(last_days.values())})
    due = due.join(last_days_of, on="store_id").filter(pl.col("books_date") <= pl.col("finished"))
    latest = due.group_by("books_date", "store_id").agg(last_reported=pl.col("last").max())
    shown = latest.join(reported, on=["store_id", "books_date"], how="left").with_columns(
        pl.col("transactions").fill_null(0), has_reported=pl.col("last_reported") == pl.col("books_date")
    )
    return shown.select("books_date", "store_id", "has_reported", "transactions", "last_reported")


RECKONED: dict[str, tuple[int, Reckoner]] = {
    "daily_store_sales": (3, lambda of: _sales(_of_receipts(of), "store_id")),
    "daily_country_sales": (3, lambda of: _sales(_of_receipts(of), "country")),
    "region_daily": (3, lambda of: _sales(_of_receipts(of), "region")),
    "hourly_sales": (4, lambda of: _sales(_of_receipts(of), "store_id", "hour")),
    "daily_product_sales": (4, lambda of: _sales(_of_lines(of, "sku"), "store_id", "sku")),
    "daily_brand_sales": (3, lambda of: _sales(_of_lines(of, "brand"), "brand")),
    "payment_mix": (4, _payments),
    "return_rates": (3, _returns),
    "brand_share_30d": (3, _brand_shares),
    "basket_pairs": (4, _pairs),
}
"""By table: how many columns are keys, and how it is reckoned."""


def rows_of(frame: pl.DataFrame, keys: int) -> Rows:
    """As the tests hold a table: {its keys: its measures}, without rows of nothing."""
    made: dict[Key, tuple[Any, ...]] = {}
    for row in frame.iter_rows(named=True):
        values = [_value(name, value) for name, value in row.items()]
        made[tuple(values[:keys])] = tuple(values[keys:])
    return {key: measures for key, measures in made.items() if any(measures)}


def _value(name: str, value: Any) -> Any:
    if name in MONEY:
        return Decimal(value) / 100
    if name == "lift":
        return Decimal(value) / 10_000
    return Decimal(value) if isinstance(value, int) and name not in ("hour", "has_reported") else value


def last_finished(as_of: date) -> dict[str, date]:
    """The last finished day of each store of the generated trade, just after midnight in UTC."""
    return dict.fromkeys(("s-utc", "s-tokyo", "s-euro"), as_of - timedelta(days=1))

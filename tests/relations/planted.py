"""A table in which every kind of relation is planted, beside columns of noise."""

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.relations.counts import Counts
from raygen.relations.language import parse
from raygen.relations.relation import BREAKS, HOLDS

TOTAL = {
    "copy": "amount",
    "shifted": "amount + 3",
    "line": "2 * counts + 1",
    "size": "abs(signed)",
    "whole": "floor(long)",
    "cents": "round(long, 2)",
    "year": "year(start)",
    "clock": "hhmm(start)",
    "date": "yyyymmdd(start)",
    "arrival": "hhmm24(minutes(departure) + delay)",
    "paid": "principal + interest + fees",
    "share_c": "1 - share_a - share_b",
    "end": "start + lasts",
    "borough": "lookup(zone)",
    "price": "lookup(item, size_class)",
    "gross": ">= net",
    "tip": "0 where payment = 'cash'",
    "balance": ">= 0 where payment in ('card', 'cash')",
    "back_delay": "missing where back is missing",
    "refund": "missing where status = 'open'",
}
PARTIAL = {  # share of the rows
    "payment_1": ("bill_2", 0.14),
    "due": ("principal + fees + bill_1", 0.8),
    "doubtful": ("lookup(zone)", 0.995),
    "checked_out": (">= checked_in", 0.985),
    "sold": (">= bought", 0.96),
}


def planted(rows: int, seed: int = 0) -> pa.Table:
    stream = rng.generator(seed, "rows of the planted table")
    days = stream.integers(0, 1200 * 86_400, rows)
    money = {
        name: _cents(stream, rows) for name in ("principal", "interest", "fees", "amount", "bill_1", "bill_2")
    }
    zone = stream.integers(0, 60, rows)
    item, size_class = stream.integers(0, 25, rows), stream.integers(0, 4, rows)
    prices = stream.integers(1, 12, (25, 4)) * 1.25
    signed, long = stream.integers(-500, 500, rows), stream.lognormal(3, 1, rows).round(5)
    counts, lasts = stream.integers(0, 3000, rows), stream.integers(60, 9999, rows)
    shares = stream.dirichlet([1, 2, 5], rows).round(4)
    net, payment = _cents(stream, rows), stream.choice(["card", "cash", "none", "debt"], rows)
    bills, due = stream.random(rows) < 0.14, stream.random(rows) < 0.8
    gone, open_ = stream.random(rows) < 0.1, stream.random(rows) < 0.2
    minutes, delay = stream.integers(1, 1440, rows), stream.integers(-30, 600, rows)
    late = (minutes + delay) % 1440
    start = np.datetime64("2021-01-01T00:00:00", "us") + days.astype("timedelta64[s]")
    columns = {
        **money,
        "copy": money["amount"],
        "shifted": (money["amount"] + 3).round(2),
        "counts": counts,
        "line": 2 * counts + 1,
        "signed": signed,
        "size": np.abs(signed),
        "long": long,
        "whole": np.floor(long).astype(np.int64),
        "cents": long.round(2),
        "start": start,
        "lasts": lasts.astype("timedelta64[s]"),
        "end": start + lasts.astype("timedelta64[s]"),
        "year": start.astype("datetime64[Y]").astype(int) + 1970,
        "clock": days % 86_400 // 3600 * 100 + days % 3600 // 60,
        "departure": minutes // 60 * 100 + minutes % 60,
        "delay": delay,
        "arrival": np.where(late == 0, 2400, late // 60 * 100 + late % 60),
        "date": np.array([int(str(day).replace("-", "")) for day in start.astype("datetime64[D]")]),
        "paid": (money["principal"] + money["interest"] + money["fees"]).round(2),
        "share_a": shares[:, 0],
        "share_b": shares[:, 1],
        "share_c": (1 - shares[:, 0] - shares[:, 1]).round(4),
        "zone": np.char.add("zone ", zone.astype(str)),
        "borough": np.char.add("b", (zone * 7 % 6).astype(str)),
        "item": np.char.add("item ", item.astype(str)),
        "size_class": np.array(["S", "M", "L", "XL"])[size_class],
        "price": prices[item, size_class],
        "net": net,
        "gross": (net * stream.choice([1.05, 1.1, 1.2, 1.5], rows)).round(2),
        "payment": payment,
        "tip": np.where(payment == "cash", 0, stream.integers(0, 900, rows)),
        "balance": np.where(np.isin(payment, ["card", "cash"]), 1, stream.choice([-1, 1], rows))
        * stream.integers(1, 9999, rows),
        "back": pa.array(stream.integers(0, 2000, rows), mask=gone),
        "back_delay": pa.array(stream.integers(-20, 300, rows), mask=gone),
        "status": np.where(open_, "open", stream.choice(["sent", "paid"], rows)),
        "refund": pa.array(stream.integers(0, 500, rows), mask=open_),
        "payment_1": np.where(bills, money["bill_2"], _cents(stream, rows)),
        "due": np.where(
            due, money["principal"] + money["bill_1"] + money["fees"], 3 * _cents(stream, rows)
        ).round(2),
        "doubtful": np.where(stream.random(rows) < 0.003, stream.integers(0, 9, rows), zone * 5 % 9),
    }
    columns |= _orders(stream, rows)
    return pa.table(columns | {f"noise {k}": one for k, one in enumerate(noise(stream, rows, 8))})


def _orders(stream: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """Pairs of columns of which one is seldom below the other."""
    checked_in, nights = stream.integers(18_000, 18_900, rows), stream.integers(0, 21, rows)
    nights = np.where(stream.random(rows) < 0.015, -1 - nights, nights)
    bought, gain = _cents(stream, rows), stream.lognormal(5, 2, rows)
    gain = np.where(stream.random(rows) < 0.04, -gain, gain)
    return {
        "checked_in": checked_in.astype("datetime64[D]"),
        "checked_out": (checked_in + nights).astype("datetime64[D]"),
        "bought": bought,
        "sold": (bought + gain).round(2),
    }


def noise(stream: np.random.Generator, rows: int, columns: int) -> list[np.ndarray]:
    """Independent columns of all sorts."""
    makers = (
        lambda: stream.normal(size=rows).round(2),
        lambda: stream.integers(0, 10, rows),
        lambda: np.where(stream.random(rows) < 0.9, 0, stream.integers(1, 1000, rows)),
        lambda: stream.choice(list("abcdefgh"), rows, p=[0.5, 0.2, 0.1, 0.08, 0.06, 0.03, 0.02, 0.01]),
        lambda: stream.random(rows) < 0.3,
        lambda: stream.lognormal(size=rows),
        lambda: np.where(stream.random(rows) < 0.2, np.nan, stream.integers(0, 40, rows)),
        lambda: stream.integers(0, 10**6, rows).astype("datetime64[m]").astype("datetime64[us]"),
        lambda: stream.zipf(2.0, rows).clip(max=10**6),
        lambda: np.char.add("k", stream.integers(0, 500, rows).astype(str)),
    )
    return [makers[k % len(makers)]() for k in range(columns)]


def _cents(stream: np.random.Generator, rows: int) -> np.ndarray:
    return stream.integers(1, 10**6, rows) / 100


def kept(real: pa.Table, made: pa.Table) -> dict[str, tuple[int, int]]:
    """By column that something is planted of: rows of `made` that keep it and rows that break it; lookups are
    those of the real rows."""
    texts = TOTAL | {column: text for column, (text, _) in PARTIAL.items()}
    counts = Counts([parse(column, text, "often", real.schema) for column, text in texts.items()])
    counts.observe(real)
    rows = {one.column: one.keeps(made) for one in counts.verified()}
    return {column: (int((own == HOLDS).sum()), int((own == BREAKS).sum())) for column, own in rows.items()}

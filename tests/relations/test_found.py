"""Tables of the kinds that people have, and every relation that discovery tells of them."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from raygen import rng
from raygen.relations.discovery import discover

ROWS = 4000


def hierarchy(stream: np.random.Generator) -> dict:
    parts = {f"p{k}": stream.integers(0, 10**5, ROWS) / 100 for k in range(12)}
    sums = {f"sub{k}": sum(list(parts.values())[4 * k : 4 * k + 4]).round(2) for k in range(3)}
    total = sum(sums.values()).round(2)
    tax = (0.2 * total).round(2)
    return parts | sums | {"total": total, "tax": tax, "gross": (total + tax).round(2)}


def dates(stream: np.random.Generator) -> dict:
    day = np.datetime64("2020-01-01") + stream.integers(0, 900, ROWS).astype("timedelta64[D]")
    seconds, minutes = stream.integers(0, 86_400, ROWS), stream.integers(1, 300, ROWS)
    moment = day.astype("datetime64[us]") + seconds.astype("timedelta64[s]")
    return {
        "day": pa.array(day),
        "moment": pa.array(moment.astype("datetime64[ns]")),
        "zoned": pa.array(moment).cast(pa.timestamp("us", "UTC")),
        "clock": pa.array(seconds, pa.int32()).cast(pa.time32("s")),
        "end": pa.array(moment + (minutes * 60).astype("timedelta64[s]")),
        "minutes": minutes,
        "weekday": (day.astype(int) + 3) % 7 + 1,
        "hour": seconds // 3600,
    }


def units(stream: np.random.Generator) -> dict:
    celsius = stream.normal(15, 8, ROWS).round(1)
    return {"c": celsius, "f": (celsius * 1.8 + 32).round(2), "k": (celsius + 273.15).round(2)}


def orders(stream: np.random.Generator) -> dict:
    amount, price = stream.integers(1, 20, ROWS), stream.integers(100, 5000, ROWS) / 100
    rate = stream.integers(10, 400, ROWS) / 1000
    total = (amount * price).round(2)
    return {"n": amount, "price": price, "rate": rate, "total": total, "tax": (total * rate).round(2)}


def shares(stream: np.random.Generator) -> dict:
    drawn = stream.dirichlet([1, 2, 3, 4, 9], ROWS)
    return {f"s{k}": drawn[:, k] for k in range(5)}


def bills(stream: np.random.Generator) -> dict:
    bill = [stream.integers(0, 200_000, ROWS) for _ in range(4)]
    others = [np.where(stream.random(ROWS) < 0.3, 0, stream.integers(0, 30_000, ROWS)) for _ in bill]
    paid = [np.where(stream.random(ROWS) < 0.14, bill[k], others[k]) for k in range(4)]
    return {f"bill{k}": bill[k] for k in range(4)} | {f"paid{k}": paid[k] for k in range(4)}


def correlated(stream: np.random.Generator) -> dict:
    x = stream.normal(size=ROWS)
    near = {f"near{k}": (x + stream.normal(size=ROWS) * 0.02).round(2) for k in range(3)}
    rating = {f"rating{k}": np.clip(x * 1.5 + stream.normal(size=ROWS), -3, 3).round() for k in range(3)}
    return near | rating


def flights(stream: np.random.Generator) -> dict:
    minutes, delay = stream.integers(300, 1439, ROWS), stream.integers(-20, 400, ROWS)
    gone, diverted = stream.random(ROWS) < 0.05, stream.random(ROWS) < 0.01
    late = (minutes + delay) % 1440
    return {
        "planned": minutes // 60 * 100 + minutes % 60,
        "hour": minutes // 60,
        "minute": minutes % 60,
        "delay": pa.array(delay, mask=gone),
        "left": pa.array(np.where(late == 0, 2400, late // 60 * 100 + late % 60), mask=gone),
        "aloft": pa.array(stream.integers(20, 400, ROWS), mask=gone | diverted),
        "landed": pa.array(stream.integers(0, 400, ROWS), mask=gone | diverted),
    }


def invoices(stream: np.random.Generator) -> dict:
    amount, cents = stream.integers(1, 12, ROWS), stream.integers(99, 9999, ROWS)
    net, rate = amount * cents, stream.choice([5, 7, 19], ROWS)
    day = np.datetime64("2022-01-01") + stream.integers(0, 700, ROWS).astype("timedelta64[D]")
    days = stream.choice([14, 30, 60], ROWS)
    vat = (2 * net * rate + 100) // 200
    columns = {"amount": amount, "price": cents / 100, "net": net / 100, "rate": rate, "vat": vat / 100}
    return columns | {"gross": (net + vat) / 100, "day": day, "days": days, "due": day + days}


def wages(stream: np.random.Generator) -> dict:
    base, more = stream.integers(200_000, 900_000, ROWS), stream.integers(0, 80_000, ROWS)
    bonus = np.where(stream.random(ROWS) < 0.9, 0, stream.integers(10_000, 400_000, ROWS))
    gross = base + more + bonus
    pension, tax = (5 * gross + 50) // 100, (gross * stream.uniform(0.1, 0.4, ROWS)).astype(int)
    cents = {"base": base, "more": more, "bonus": bonus, "gross": gross, "pension": pension, "tax": tax}
    return {name: own / 100 for name, own in cents.items()} | {"net": (gross - pension - tax) / 100}


def questions(stream: np.random.Generator) -> dict:
    answers = stream.integers(1, 6, (6, ROWS))
    score = answers.sum(axis=0)
    return {f"q{k}": own for k, own in enumerate(answers)} | {"score": score, "mean": (score / 6).round(2)}


def requests(stream: np.random.Generator) -> dict:
    start = np.datetime64("2023-03-01", "us") + stream.integers(0, 4 * 10**13, ROWS).astype("timedelta64[us]")
    lasts = stream.integers(1, 10**9, ROWS)
    return {"start": start, "lasts": lasts, "stop": start + lasts.astype("timedelta64[us]")}


def districts(stream: np.random.Generator) -> dict:
    """Sizes that are like each other, and nearly never in another order."""
    rooms = stream.lognormal(6, 0.7, ROWS).round()
    people, homes = (
        rooms * stream.lognormal(mean, spread, ROWS) for mean, spread in ((0.9, 0.38), (-1, 0.5))
    )
    return {"rooms": rooms, "people": people.round(), "homes": homes.round()}


def calls(stream: np.random.Generator) -> dict:
    begun = np.datetime64("2023-03-01", "us") + stream.integers(0, 4 * 10**13, ROWS).astype("timedelta64[us]")
    ended = begun + stream.lognormal(18, 1, ROWS).astype("timedelta64[us]")
    local = pa.array(begun).cast(pa.timestamp("us", "America/New_York"))
    return {"begun": pa.array(begun), "ended": pa.array(ended), "local": local}


def quotes(stream: np.random.Generator) -> dict:
    low, range_ = stream.integers(1000, 9000, ROWS), stream.integers(1, 300, ROWS)
    high = low + range_ + stream.integers(0, 300, ROWS)
    return {"low": low, "high": high, "adjusted": high}


def rooms(stream: np.random.Generator) -> dict:
    day = np.datetime64("2022-01-01") + stream.integers(0, 900, ROWS).astype("timedelta64[D]")
    month = day.astype("datetime64[M]").astype(int) % 12 + 1
    gone = stream.random(ROWS) < 0.15
    return {
        "day": day,
        "month": month,
        "name": np.array([f"m{k * 7 % 12}" for k in range(13)])[month],
        "status": np.where(gone, "gone", "stayed"),
        "room": pa.array(stream.integers(100, 400, ROWS), mask=gone),
    }


def bookings(stream: np.random.Generator) -> dict:
    """One of two columns in each row, and one of three in some."""
    which, other = stream.integers(0, 2, ROWS), stream.integers(0, 4, ROWS)
    numbers = stream.integers(0, 1000, (5, ROWS))
    two = {name: pa.array(numbers[k], mask=which != k) for k, name in enumerate(("debit", "credit"))}
    three = {
        name: pa.array(numbers[k + 2], mask=other != k) for k, name in enumerate(("cash", "card", "bank"))
    }
    return two | three


def returns(stream: np.random.Generator) -> dict:
    """A refund is of some rows, which does not make their status a lookup of the day and the refund."""
    amount, status = (
        stream.integers(100, 9999, ROWS),
        stream.choice(["open", "sent", "back"], ROWS, p=[0.2, 0.7, 0.1]),
    )
    day = np.datetime64("2024-01-01") + stream.integers(0, 300, ROWS).astype("timedelta64[D]")
    refund = np.where(status == "back", amount, 0)
    return {
        "amount": amount,
        "status": status,
        "sent": pa.array(day, mask=status == "open"),
        "refund": refund,
    }


CASES: list[tuple[Callable[[np.random.Generator], dict], set[str]]] = [
    (
        hierarchy,
        {f"sub{k} = p{4 * k} + p{4 * k + 1} + p{4 * k + 2} + p{4 * k + 3}" for k in range(3)}
        | {"total = sub0 + sub1 + sub2", "tax = round(total / 5, 2)", "gross = round(1.2 * total, 2)"},
    ),
    (
        dates,
        {"zoned = moment", "clock = time(moment)", "day = date(moment)", "hour = hour(moment)"}
        | {"weekday = weekday(day) + 1", "end = moment + 1 minute * minutes"},
    ),
    (units, {"f = 1.8 * c + 32", "k = c + 273.15"}),
    (orders, {"total = n * price", "tax = round(rate * total, 2)"}),
    (shares, {"s4 = 1 - s0 - s1 - s2 - s3"}),
    (bills, {f"paid{k} ~ bill{k}" for k in range(4)}),
    (correlated, set()),
    (
        invoices,
        {"net = amount * price", "vat = round(net * rate / 100, 2)", "gross = net + vat"}
        | {"due = day + 1 day * days"},
    ),
    (
        wages,
        {"gross = base + more + bonus", "pension = round(gross / 20, 2)", "net = gross - pension - tax"},
    ),
    (questions, {"score = q0 + q1 + q2 + q3 + q4 + q5", "mean = round(score / 6, 2)"}),
    (requests, {"stop = start + 1 microsecond * lasts"}),
    (districts, set()),
    (calls, {"ended = >= begun"}),
    (quotes, {"adjusted = high", "high = >= low"}),
    (rooms, {"month = month(day)", "name = lookup(month)", "room = missing where status = 'gone'"}),
    (
        returns,
        {"sent = missing where status = 'open'", "refund = 0 where status in ('open', 'sent')"}
        | {"refund ~ amount", "amount = >= refund"},
    ),
    (
        bookings,
        {"credit = missing where debit is not missing", "card = missing at least where cash is not missing"}
        | {f"bank = missing at least where {other} is not missing" for other in ("cash", "card")},
    ),
    (
        flights,
        {"hour = floor(planned / 100)", "minute = planned - 100 * hour"}
        | {"left = hhmm24(minutes(planned) + delay)"}
        | {"aloft = missing at least where delay is missing", "landed = missing where aloft is missing"},
    ),
]


@pytest.mark.parametrize(("maker", "expected"), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_table_shows_its_relations_and_no_others(maker, expected):
    table = pa.table(maker(rng.generator(3, "rows of a table with relations")))
    found = [one.relation for one in discover(table, 0)]
    assert {f"{one.column} {'=' if one.is_total else '~'} {one.text}" for one in found} == expected

"""Text that spells numbers, moments and truth: read, typed and written back letter by letter."""

import random
from datetime import date, datetime, time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raygen.table import spelling
from raygen.table.spelling import Moments, Numbers, Words

draws = random.Random(5)
MONTHS = ["JAN", "FEB", "MAY"]


def many(make) -> list[str]:
    return list(dict.fromkeys(make() for _ in range(300)))


def day(form: str) -> list[str]:
    def one() -> str:
        return date(draws.randint(1990, 2023), draws.randint(1, 12), draws.randint(1, 28)).strftime(form)

    return many(one)


def clock(form: str) -> list[str]:
    def one() -> str:
        return datetime(2023, draws.randint(1, 12), draws.randint(1, 28), draws.randint(0, 23), 5).strftime(
            form
        )

    return many(one)


DOLLARS = many(lambda: f"${draws.randrange(10**7) / 100:,.2f}")
# texts, how they are spelled, their type
SPELLED = {
    "money": (DOLLARS, Numbers("$", "", ",", ".", 2), "double"),
    "losses": (["-€5.00", "€1,200.50"], Numbers("€", "", ",", ".", 2), "double"),
    "percent": (many(lambda: f"{draws.randrange(1000) / 10}%"), Numbers("", "%", "", ".", 1), "double"),
    "German": (["1.234,50", "7,25", "12.000.000,00"], Numbers("", "", ".", ",", 2), "double"),
    "units": (["133 kWh", "7 kWh"], Numbers("", " kWh", "", ".", 0), "int64"),
    "thousands": (["1,234", "12", "1,000,000"], Numbers("", "", ",", ".", 0), "int64"),
    "spaces": (["1 234", "12"], Numbers("", "", " ", ",", 0), "int64"),
    "French": (["1\u202f234,50 €", "-2,00 €"], Numbers("", " €", "\u202f", ",", 2), "double"),
    "Swiss": (["1\u2019234.50", "-2.00"], Numbers("", "", "\u2019", ".", 2), "double"),
    "SAP": (["1.234,50-", "17,00", "0,00"], Numbers("", "", ".", ",", 2, "$1-"), "double"),
    "accounts": (["$(1,234.50)", "$3.00"], Numbers("$", "", ",", ".", 2, "$(1)"), "double"),
    "brackets": (["($12.00)", "$3.00"], Numbers("$", "", "", ".", 2, "($1)"), "double"),
    "Dutch": (["€ -12,50", "€ 3,00"], Numbers("€ ", "", "", ",", 2, "$-1"), "double"),
    "both signs": (["+2.5%", "-1.0%", "+0.0%"], Numbers("", "%", "", ".", 1, "+$1"), "double"),
    "a sign of print": (["\u22121.5", "2.5"], Numbers("", "", "", ".", 1, "\u2212$1"), "double"),
    "zero from below": (["-$0.00", "$1.25"], Numbers("$", "", "", ".", 2), "double"),
    "two digits": (["1.50", "2.25"], Numbers("", "", "", ".", 2), "double"),
    "day first": (day("%d/%m/%Y"), Moments("%d/%m/%Y"), "date32[day]"),
    "month first": (day("%m/%d/%Y"), Moments("%m/%d/%Y"), "date32[day]"),
    "no zeros": (day("%-m/%-d/%Y"), Moments("%-m/%-d/%Y"), "date32[day]"),
    "points": (day("%d.%m.%y"), Moments("%d.%m.%y"), "date32[day]"),
    "Oracle": (
        [one.upper() for one in day("%d-%b-%y")],
        Moments("%d-%b-%y", "", "upper"),
        "date32[day]",
    ),
    "words": (["May 3, 2020", *day("%B %-d, %Y")], Moments("%B %-d, %Y"), "date32[day]"),
    "SQL Server": (
        ["9999-12-31 00:00:00.000", *day("%Y-%m-%d 00:00:00.000")],
        Moments("%Y-%m-%d %H:%M:%S.%3f"),
        "timestamp[ms]",
    ),
    "minutes": (clock("%Y-%m-%d %H:%M"), Moments("%Y-%m-%d %H:%M"), "timestamp[s]"),
    "halves": (
        clock("%-m/%-d/%Y %-I:%M %p"),
        Moments("%-m/%-d/%Y %-I:%M %p", "", "upper"),
        "timestamp[s]",
    ),
    "Z": (clock("%Y-%m-%dT%H:%M:%SZ"), Moments("%Y-%m-%dT%H:%M:%S", "Z"), "timestamp[s, tz=UTC]"),
    "an offset": (
        clock("%Y-%m-%dT%H:%M:%S-07:00"),
        Moments("%Y-%m-%dT%H:%M:%S", "-07:00"),
        "timestamp[s, tz=-07:00]",
    ),
    "Postgres": (
        ["2024-01-01 10:00:00.5+00", "2024-01-01 10:00:00.123456+00", "2024-01-01 10:00:00+00"],
        Moments("%Y-%m-%d %H:%M:%S%-6f", "+00"),
        "timestamp[us, tz=UTC]",
    ),
    "Python": (
        ["2024-01-01T10:00:00.500000", "2024-01-01T10:00:00"],
        Moments("%Y-%m-%dT%H:%M:%S%-6F"),
        "timestamp[us]",
    ),
    "logs of Python": (
        ["2024-01-01 10:00:00,123", "2024-01-01 10:00:00,500"],
        Moments("%Y-%m-%d %H:%M:%S,%3f"),
        "timestamp[ms]",
    ),
    "logs of Apache": (
        ["13/Mar/2024:10:39:36 +0000", "01/Jan/2024:00:39:36 +0000"],
        Moments("%d/%b/%Y:%H:%M:%S", " +0000"),
        "timestamp[s, tz=UTC]",
    ),
    "compact": (clock("%Y%m%dT%H%M%SZ"), Moments("%Y%m%dT%H%M%S", "Z"), "timestamp[s, tz=UTC]"),
    "compact minutes": (clock("%Y%m%d %H%M"), Moments("%Y%m%d %H%M"), "timestamp[s]"),
    "times": (["8:05", "23:59", "0:00"], Moments("%-H:%M"), "time32[s]"),
    "truth": (["True", "False"], Words("True", "False"), "bool"),
}


@pytest.mark.parametrize(("texts", "way", "kind"), SPELLED.values(), ids=SPELLED)
def test_what_is_read_is_written_back(texts, way, kind):
    found, doubt = spelling.spelling(texts)
    assert (found, str(found.type), doubt) == (way, kind, "")
    array = pa.array([*texts, None])
    values = found.read(array)
    assert values.type == found.type and values.null_count == 1
    assert found.write(values).equals(array)
    field = spelling.marked(pa.field("c", found.type), found)
    assert spelling.of_field(field) == found


def test_values():
    def read(way, *texts):
        return way.read(pa.array(texts)).to_pylist()

    assert read(Numbers("$", "", ",", ".", 2), "$1,234.50", "-$0.05", "1.00") == [1234.5, -0.05, None]
    assert read(Moments("%d/%m/%Y"), "29/02/2024", "29/02/2023", "31/04/2020", "1/1/2020") == [
        date(2024, 2, 29),
        None,
        None,
        None,
    ]
    assert read(Moments("%d-%b-%y", "", "upper"), "01-JAN-68", "01-JAN-69", "01-Jan-70") == [
        date(2068, 1, 1),
        date(1969, 1, 1),
        None,
    ]
    assert read(Moments("%-I:%M %p", "", "upper"), "12:05 AM", "12:05 PM", "25:00 AM") == [
        time(0, 5),
        time(12, 5),
        None,
    ]
    assert read(Words("True", "False"), "True", "False", "true") == [True, False, None]


# texts that are no numbers or moments, or that Arrow writes as they are, or that two ways fit
OTHERS = {
    "ISO dates": ["2024-02-29", "2023-01-01"],
    "moments": ["2024-02-29 10:00:00"],
    "whole numbers": ["1", "20"],
    "numbers": ["1.5", "2.25"],
    "MySQL's zero": ["2020-01-01", "0000-00-00"],
    "a year among dates": ["01/13/2020", "2015"],
    "no such day": ["31/02/2020", "13/12/2020"],
    "versions": ["1.2.3"],
    "keys": ["user-1", "user-2"],
    "weeks": ["2024-W11"],
    "points": ["52.1, 13.2"],
    "zeros": ["0012.50"],
    "two zones": ["2024-02-29T10:00:00+01:00", "2024-07-29T10:00:00+02:00"],
    "telephones": ["+491701234567", "+491601234567"],
    "two signs": ["-5", "(5)"],
    "half a bracket": ["(1.00", "2.00"],
    "some signs": ["+1", "2", "-3"],
    "words": ["a"],
    "nothing": [],
}


@pytest.mark.parametrize("texts", OTHERS.values(), ids=OTHERS)
def test_others(texts):
    assert spelling.spelling(texts)[0] is None


def test_day_and_month_that_cannot_be_told_apart():
    way, doubt = spelling.spelling(["01/02/2020", "03/04/2021"])
    assert way is None
    assert doubt == "dates of which the day and the month cannot be told apart; kept as text"


def test_three_digits_after_the_usual_point_are_no_thousands():
    for point, other in (".,", ",."):
        values = [f"{i}{point}125" for i in range(1, 40)]
        way, _ = spelling.spelling(values, point=point)
        assert way == Numbers(point=point, digits=3)
        assert way.read(pa.array(["2" + point + "125"])).to_pylist() == [2.125]
        assert spelling.spelling([*values, f"1{point}234{point}125"], point=point)[0].type == pa.int64()
        assert spelling.spelling(values, point=other)[0] == Numbers("", "", point, other, 0)


def test_a_zero_that_loses_its_sign_is_told():
    way, doubt = spelling.spelling(["-0.00", "1.25"])
    assert (way, doubt) == (Numbers(digits=2), "'-0.00' would be written as '0.00'")


def test_in_quotes_arrow_reads_nothing_but_text():
    assert spelling.spelling(["2024-02-29"], in_quotes=True)[0] == Moments("%Y-%m-%d")
    assert spelling.spelling(["1.50", "2.25"], in_quotes=True)[0] is None


def test_a_mark_of_another_type_is_none():
    field = spelling.marked(pa.field("c", pa.string()), Moments("%d/%m/%Y"))
    assert spelling.of_field(field) is None


@given(st.lists(st.dates(date(1, 1, 1), date(9999, 12, 31)), min_size=1))
def test_any_day(days):
    way = Moments("%-d %b %Y")
    array = pa.array(days, pa.date32())
    assert way.read(way.write(array)).equals(array)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1))
def test_any_amount(cents):
    way = Numbers("$", " -", ",", ".", 2)
    array = pa.array([one / 100 for one in cents])
    assert way.read(way.write(array)).equals(array)

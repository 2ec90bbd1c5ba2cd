"""The language of conditions: what each text means, and what is refused."""

import pytest

from raygen.errors import ConfigError
from raygen.sampling.conditions import Condition, Value, parse, parse_per, spelled, spelled_per


def text(written):
    return Value(written, "text")


def number(written):
    return Value(written, "number")


@pytest.mark.parametrize(
    ("where", "conditions"),
    [
        ("", []),
        ("income='>50K'", [Condition("income", "=", (text(">50K"),))]),
        ("income == '>50K'", [Condition("income", "=", (text(">50K"),))]),
        (
            "age>=30 AND age<4e1",
            [Condition("age", ">=", (number("30"),)), Condition("age", "<", (number("4e1"),))],
        ),
        ("age between -1.5 and .5", [Condition("age", "between", (number("-1.5"), number(".5")))]),
        ("a <> 1 and b != 2", [Condition("a", "!=", (number("1"),)), Condition("b", "!=", (number("2"),))]),
        ("sex in ('F', 'M')", [Condition("sex", "in", (text("F"), text("M")))]),
        ("sex NOT IN ('it''s')", [Condition("sex", "not in", (text("it's"),))]),
        ("x is null AND y IS NOT NULL", [Condition("x", "is null"), Condition("y", "is not null")]),
        ("flag = TRUE", [Condition("flag", "=", (Value("true", "truth"),))]),
        (
            'education-num = 13 and "a ""b"" and" = 1',
            [Condition("education-num", "=", (number("13"),)), Condition('a "b" and', "=", (number("1"),))],
        ),
        ("größe > 1", [Condition("größe", ">", (number("1"),))]),
    ],
)
def test_texts_and_what_they_mean(where, conditions):
    assert parse(where) == conditions
    assert parse(spelled(where)) == conditions  # what is spelled means the same


def test_one_spelling_for_all_texts_that_mean_the_same():
    assert (
        spelled(" income  =  '>50K'and age   between 1 AND 2 ") == "income = '>50K' AND age BETWEEN 1 AND 2"
    )


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (
            "income=>50K",
            "expected text in single quotes or a number or a word before '>50K'",
        ),  # what a shell leaves of income='>50K'
        ("income=50K", "before '50K'"),
        (
            "income=Female",
            "expected a value: 'Female' in single quotes, a number, true or false before 'Female'",
        ),
        ("income='Female", "before ''Female'"),
        ("income", "expected a sign or a word at its end"),
        ("= 3", "expected a word or a column before '= 3'"),
        ("age = 3 OR age = 4", "expected AND before 'OR age = 4'"),
        ("age = 3 AND", "expected a word or a column at its end"),
        ("age IN 3", r"expected \( before '3'"),
        ("age IN (3", r"expected , or \) at its end"),
        ("age BETWEEN 3, 4", "expected AND before ', 4'"),
        ("age IS 3", "expected NOT or NULL before '3'"),
        ("age NOT BETWEEN 1 AND 2", "expected IN before 'BETWEEN 1 AND 2'"),
        ("age LIKE 'x'", "expected =, <, IN, BETWEEN or IS before 'LIKE"),
    ],
)
def test_a_mistake_is_told_with_its_place(where, expected):
    with pytest.raises(ConfigError, match=expected) as caught:
        parse(where)
    assert "generate.where" in caught.value.message
    assert "--where" in caught.value.hint


def test_per_names_a_column_and_rows():
    assert parse_per("income=10000") == ("income", 10_000)
    assert parse_per(" a=b = 1e4") == ("a=b", 10_000)
    assert spelled_per(" income = 1e4") == spelled_per("income=10000") == "income=10000"
    assert spelled_per("  ") == ""


@pytest.mark.parametrize(
    "per", ["income", "income=", "=5", "income=0", "income=1.5", "income=-1", "income=nan", "income=1e300"]
)
def test_another_per_is_refused(per):
    with pytest.raises(ConfigError, match=r"generate\.per = ") as caught:
        parse_per(per)
    assert "--per income=10000" in caught.value.hint

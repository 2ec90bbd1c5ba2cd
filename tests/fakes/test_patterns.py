"""Patterns: the texts that they stand for, each once, and what cannot be used."""

import re

import numpy as np
import pytest

from raygen.fakes.patterns import Pattern
from raygen.fakes.streams import Stream

SIZES = {
    r"[A-Z]{3}\d{4}": 26**3 * 10**4,
    r"\d{3}": 1000,
    r"^AB-\d$": 10,
    r"(AB|C)-\d{1,2}x?": 2 * 110 * 2,
    r"(?:a|b){2}": 4,
    r"[^\d]": 94 - 10,
    r"[a\-z]": 3,
    r"[-+]\.\[": 2,
    r"\w": 63,
    ".": 94,
    "a|a|b": 2,
    r"\d{0,2}": 111,
    "[ä-ö]é": 19,
}


def rows(first: int, last: int) -> np.ndarray:
    return np.arange(first, last, dtype=np.uint64)


@pytest.mark.parametrize(("text", "size"), SIZES.items(), ids=SIZES)
def test_each_text_comes_once(text, size):
    pattern = Pattern(text)
    assert pattern.size == size
    count = min(size, 3000)
    made = pattern.texts(Stream(7, 1), rows(5, 5 + count)).to_pylist()
    assert len(set(made)) == count
    assert all(re.fullmatch(text, one, re.ASCII) for one in made)


def test_a_row_needs_no_other():
    pattern, stream = Pattern(r"(x|yy)\d{5}"), Stream(3, 0)
    whole = pattern.texts(stream, rows(0, 500)).to_pylist()
    assert pattern.texts(stream, rows(123, 124)).to_pylist() == whole[123:124]
    assert pattern.texts(stream, rows(200, 200)).to_pylist() == []
    assert pattern.texts(Stream(4, 0), rows(0, 500)).to_pylist() != whole
    assert pattern.texts(Stream(3, 1), rows(0, 500)).to_pylist() != whole


def test_more_texts_than_can_be_counted():
    pattern = Pattern(r"(\w{30}|\d{40})")
    made = pattern.texts(Stream(0), rows(0, 1000)).to_pylist()
    assert len(set(made)) == 1000 and {len(one) for one in made} == {30}
    assert len({sign for one in made for sign in one}) == 63


def test_the_texts_stay_those_of_this_release():
    assert Pattern(r"[A-Z]{3}\d{4}").texts(Stream(0, 12, 0), rows(0, 3)).to_pylist() == [
        "OUG6162",
        "MAW8162",
        "DDN4975",
    ]


WRONG = {
    "": "it stands for no text",
    "a*": "'*' has no end; write how often, such as {1,8}",
    "a+": "'+' has no end",
    "a{2,}": "'{2,}' is no number of times",
    "a{2": "'{2}' is no number of times",
    "a{9999}": "is no number of times",
    "[A-Z": "it ends too early",
    "[z-a]": "'z-a' is no range",
    "[]": "has 0 signs",
    "[\u0001-\uffff]": "signs, and 1 to 1,000 may be",
    "(a": "it ends too early",
    "a)": "')' has no meaning",
    r"\b": r"'\b' is not known",
    "(?=a)": "'?' has no meaning here",
    "a\\": "it ends too early",
    "a{201}": "more than 200 signs",
    "(a|b|cc){1,12}": "more than 1,000 forms",
    "(((((a|bb){9}){9}){9}){9}){9}": "more than 1,000 forms",
}


@pytest.mark.parametrize(("text", "reason"), WRONG.items(), ids=WRONG)
def test_what_cannot_be_used(text, reason):
    with pytest.raises(ValueError) as caught:
        Pattern(text)
    assert reason in str(caught.value)


def test_whole_numbers():
    assert Pattern(r"[1-9]\d{8}").most_digits == 9
    assert Pattern(r"\d{2,5}").most_digits == 5
    assert Pattern(r"\d{2}-\d").most_digits == 0 and Pattern(r"\d?").most_digits == 0

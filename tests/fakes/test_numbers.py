"""Card numbers, bank accounts and UUIDs: valid, and each once."""

import uuid

import numpy as np
import pytest

from raygen.fakes import numbers
from raygen.fakes.numbers import Accounts
from raygen.fakes.streams import Stream

ROWS = np.arange(10**12, 10**12 + 2000, dtype=np.uint64)
CARDS = {"4111111111111111": True, "4111 1111 1111 1111": True, "4111111111111112": False, "42": False}
ACCOUNTS = {
    "GB82 WEST 1234 5698 7654 32": True,  # of the standard's own pages
    "DE89370400440532013000": True,
    "DE89370400440532013001": False,
    "not one": False,
}


def test_cards():
    made = numbers.cards(Stream(1), ROWS).to_pylist()
    assert len(set(made)) == len(ROWS) and {len(one) for one in made} == {16}
    assert all(map(numbers.is_card, made)) and all(one[0] == "4" for one in made)
    assert {text: numbers.is_card(text) for text in CARDS} == CARDS


@pytest.mark.parametrize("form", [("GB", "????##############"), ("DE", "#" * 18), ("NO", "0#%########")])
def test_accounts(form):
    made = Accounts(*form).texts(Stream(1), ROWS).to_pylist()
    assert len(set(made)) == len(ROWS)
    assert all(one.startswith(form[0]) and numbers.is_account(one) for one in made)
    assert {text: numbers.is_account(text) for text in ACCOUNTS} == ACCOUNTS


@pytest.mark.parametrize("form", [("gb", "#" * 18), ("GB", "[a-z]*"), ("GB", "")])
def test_forms_of_no_account(form):
    with pytest.raises(ValueError, match="no account numbers of country"):
        Accounts(*form)


def test_uuids():
    made = numbers.uuids(Stream(1), ROWS).to_pylist()
    assert len(set(made)) == len(ROWS)
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in made} == {(4, uuid.RFC_4122)}


@pytest.mark.parametrize("count", [1, 2, 3, 10, 97, 1000, 4097])
def test_an_order_has_each_number_once(count):
    order = Stream(5, 2).order(count, np.arange(3 * count, dtype=np.uint64))
    assert all(sorted(part) == list(range(count)) for part in np.split(order.astype(int), 3))
    assert count < 90 or (np.diff(order[:count].astype(int)) == 1).mean() < 0.1

"""Relations that no row can follow are refused, the others put in order."""

import pyarrow as pa
import pytest

from raygen.errors import ConfigError
from raygen.relations.checks import check, order
from raygen.relations.language import parse
from raygen.relations.relation import Relation

SCHEMA = pa.schema([(name, pa.int64()) for name in "abcde"])


def relations(*pairs: str) -> list[Relation]:
    """From "a = b + 1" or "a ~ b", which holds often."""
    made = []
    for pair in pairs:
        column, sign, text = pair.split(" ", 2)
        made.append(parse(column, text, "often" if sign == "~" else "always", SCHEMA))
    return made


def test_inputs_come_before_what_is_computed():
    given = relations("a = b + c", "d = >= a", "b ~ c", "c = lookup(e)")
    assert [one.column for one in order(given)] == ["c", "b", "a", "d"]
    check(given, SCHEMA)


def test_comparisons_make_no_circle():
    check(relations("a = >= b", "b = >= a", "c = missing where d is missing", "d = c"), SCHEMA)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a = b", "b = c + 1", "c ~ a"], "circle: 'a' <- 'b' <- 'c' <- 'a'"),
        (["e = a", "a = b", "b = a + 1"], "circle: 'a' <- 'b' <- 'a'"),
        (["a = b", "a = c + d"], "column 'a': two relations give all its values: is = 'b' and is = 'c + d'"),
        (["a ~ b", "a = b"], "column 'a': is = 'b' stands there twice"),
    ],
)
def test_what_no_row_can_follow_is_refused(texts, message):
    with pytest.raises(ConfigError) as error:
        check(relations(*texts), SCHEMA)
    assert message in error.value.message and error.value.hint


def test_a_table_without_the_column_is_refused():
    with pytest.raises(ConfigError, match="has no column 'a'"):
        check(relations("a = b"), SCHEMA.remove(0))

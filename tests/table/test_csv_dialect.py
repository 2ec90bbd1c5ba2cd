"""CSV as people write it: delimiters, decimal commas, words for what is missing, digits that are text."""

import pyarrow as pa
import pytest

from raygen.errors import SchemaError
from raygen.table.csv_dialect import Dialect
from raygen.table.schema import infer
from raygen.table.source import Source


def read(tmp_path, text: str, name="t.csv") -> pa.Table:
    (tmp_path / name).write_text(text)
    return Source.open(str(tmp_path / name)).head()


@pytest.mark.parametrize(
    ("delimiter", "point"), [(",", "."), (";", "."), (";", ","), ("\t", ","), ("|", ".")]
)
def test_delimiters_and_decimal_commas(tmp_path, delimiter, point):
    rows = [("age", "sex", "pay"), *((str(20 + i), "fm"[i % 2], f"{i}{point}{i:02d}") for i in range(60))]
    table = read(tmp_path, "".join(delimiter.join(row) + "\n" for row in rows))
    assert table.schema == pa.schema({"age": pa.int64(), "sex": pa.string(), "pay": pa.float64()})
    assert table["pay"].to_pylist()[7] == 7.07


def test_a_table_of_tabs_may_say_so_in_its_name(tmp_path):
    assert read(tmp_path, "a\tb\n1\tx\n", "t.tsv").schema.names == ["a", "b"]


def test_a_comma_is_the_delimiter_where_it_can_be():
    assert Dialect.of(b"a,b\n1;2,x\n3;4,y\n").delimiter == ","
    assert Dialect.of(b"one column\nx\ny\n").delimiter == ","
    assert Dialect.of(b"").delimiter == ","


def test_words_for_missing_values_are_those_of_numbers_not_of_text(tmp_path):
    lines = ["country,age,visits,note", "DE,30,1,a", "NA,None,\\N,None", "FR,40,.,"]
    table = read(tmp_path, "\n".join(lines) + "\n")
    assert table["country"].to_pylist() == ["DE", "NA", "FR"]
    assert table["age"].to_pylist() == [30, None, 40]
    assert table["visits"].to_pylist() == [1, None, None]
    assert table["note"].null_count >= 1


def test_digits_that_a_number_would_not_give_back_stay_text(tmp_path):
    table = read(tmp_path, "zip,icd,count,share\n02116,001,1,0.5\n90210,012,0,00.7\n10001,019,10,1\n")
    assert table.schema.field("zip").type == table.schema.field("icd").type == pa.string()
    assert table["zip"].to_pylist() == ["02116", "90210", "10001"]
    assert table.schema.field("count").type == pa.int64()
    assert table.schema.field("share").type == pa.float64()


def test_where_every_field_is_quoted_an_empty_one_is_missing(tmp_path):
    table = read(tmp_path, '"age","city"\n"30","Rome"\n"","Oslo"\n"41",""\n')
    assert table["age"].to_pylist() == [30, None, 41]
    assert table["city"].null_count == 1
    table = read(tmp_path, 'age,city\n30,"Rome"\n,"Oslo"\n41,""\n')
    assert table["city"].to_pylist() == ["Rome", "Oslo", ""]


def test_workers_read_with_the_same_dialect(tmp_path):
    (tmp_path / "t.csv").write_text("a;b\n1,5;NA\n2,5;x\n")
    first = Source.open(str(tmp_path / "t.csv"))
    again = Source.open(str(tmp_path / "t.csv"), first.schema)
    assert again.dialect == first.dialect
    assert again.head().equals(first.head())
    assert first.head().to_pydict() == {"a": [1.5, 2.5], "b": ["NA", "x"]}


def test_text_that_holds_dates_or_numbers_is_told(tmp_path):
    lines = [
        "day,money",
        *(f'{1 + i % 28:02d}/{1 + i % 12:02d}/19{i:02d},"${i * 1111.5:,.2f}"' for i in range(60)),
    ]
    kinds, notes = infer(read(tmp_path, "\n".join(lines) + "\n"))
    assert kinds == {"day": "drop", "money": "drop"}
    assert "dates" in notes["day"] and "numbers" in notes["money"]


def test_a_row_of_another_width_is_told(tmp_path):
    with pytest.raises(SchemaError, match="Expected 2 columns, got 1"):
        read(tmp_path, "a,b\n1,2\n3\n")

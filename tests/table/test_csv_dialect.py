"""CSV as people write it: delimiters, decimal commas, words for what is missing, digits that are text."""

from decimal import Decimal

import numpy as np
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
    assert table.schema.remove_metadata() == pa.schema(
        {"age": pa.int64(), "sex": pa.string(), "pay": pa.float64()}
    )
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


def test_a_word_for_missing_numbers_is_a_value_of_text(tmp_path):
    assert Dialect.of(b"country,age\nNA,1\nDE,NA\n").doubts == {
        "country": "'NA' is a value here; in columns of numbers it is taken for missing"
    }
    assert read(tmp_path, "a,b\n1,-\n?,x\nn.a.,--\n").to_pydict() == {
        "a": [1, None, None],
        "b": ["-", "x", "--"],
    }
    lines = ["country,age,grade", "NA,1,None", "DE,NA,", ",None,A"]
    assert read(tmp_path, "\n".join(lines) + "\n").to_pydict() == {
        "country": ["NA", "DE", None],
        "age": [1, None, None],
        "grade": ["None", None, "A"],
    }


def test_a_word_among_codes_of_digits_or_in_a_column_told_to_be_numbers_is_missing(tmp_path):
    (tmp_path / "zip.csv").write_text("zip,age\n02116,1\nNA,NA\n00601,3\n")
    source = Source.open(str(tmp_path / "zip.csv"))
    assert source.head()["zip"].to_pylist() == ["02116", None, "00601"]
    assert source.doubts["zip"] == "'NA' is taken for missing, as in columns of numbers"
    (tmp_path / "told.csv").write_text("age,weight\nNA,NA\nn/a,n/a\n,2\n")
    like = pa.schema([("age", pa.int64()), ("weight", pa.int64())])
    told = Source.open(str(tmp_path / "told.csv"), like=like).head()
    assert told.to_pydict() == {"age": [None] * 3, "weight": [None, None, 2]}


@pytest.mark.slow
def test_words_of_text_are_kept_over_many_blocks(tmp_path):
    rows = 300_000  # some megabytes, which Arrow reads in pieces
    lines = [f"{'NA' if n % 7 == 0 else 'DE'},{'NA' if n % 5 == 0 else n},{n}" for n in range(rows)]
    (tmp_path / "t.csv").write_text("country,age,number\n" + "\n".join(lines) + "\n")
    table = Source.open(str(tmp_path / "t.csv")).head(rows)
    number = table["number"].to_numpy()
    assert (number == np.arange(rows)).all()
    assert ((np.array(table["country"]) == "NA") == (number % 7 == 0)).all()
    assert (table["age"].is_null().to_numpy() == (number % 5 == 0)).all()


def test_what_spreadsheets_show_for_an_error_is_missing(tmp_path):
    table = read(tmp_path, "a,b\n1.5,x\n#DIV/0!,#REF!\n#N/A,y\n")
    assert table["a"].to_pylist() == [1.5, None, None] and table["b"].to_pylist() == ["x", "#REF!", "y"]


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


def test_a_table_like_another_is_read_as_its_types(tmp_path):
    (tmp_path / "t.csv").write_text("a;b\n1,5;NA\n2,5;x\n")
    first = Source.open(str(tmp_path / "t.csv"))
    again = Source.open(str(tmp_path / "t.csv"), first.schema)
    assert again.schema.equals(first.schema, check_metadata=True)
    assert again.head().equals(first.head())
    assert first.head().to_pydict() == {"a": [1.5, 2.5], "b": ["NA", "x"]}


def test_types_of_another_table_do_not_undo_how_this_one_is_spelled(tmp_path):
    (tmp_path / "t.csv").write_text("day,n,zip\n29/02/2024,1,2116\n13/01/2024,300,90210\n")
    like = pa.schema([("day", pa.date32()), ("n", pa.int8()), ("zip", pa.string())])
    table = Source.open(str(tmp_path / "t.csv"), like).head()
    assert table.schema.types == [pa.date32(), pa.int64(), pa.string()]
    assert table["zip"].to_pylist() == ["2116", "90210"]
    like = pa.schema([("day", pa.string())])
    assert Source.open(str(tmp_path / "t.csv"), like).head()["day"][0].as_py() == "29/02/2024"


def test_text_that_holds_dates_but_for_one_is_told(tmp_path):
    lines = ["day", "0000-00-00", *(f"20{i % 20:02d}-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(60))]
    kinds, notes = infer(read(tmp_path, "\n".join(lines) + "\n"))
    assert kinds == {"day": "drop"}
    assert "dates but for '0000-00-00'" in notes["day"]


@pytest.mark.parametrize("word", ["Null", "NAN", "na", "missing", "[NULL]", "#NV", "#WERT!", " ", "k.A."])
def test_words_for_missing_in_other_cases_and_languages(tmp_path, word):
    table = read(tmp_path, f"a,b\n1.5,x\n{word},y\n2.5,z\n")
    assert table["a"].to_pylist() == [1.5, None, 2.5]
    table = read(tmp_path, f"a,b\nx,1\n{word},2\n")
    assert table["a"].to_pylist() == ["x", word]


def test_several_words_for_missing_alone_are_text(tmp_path):
    table = read(tmp_path, "a,b\nnone,1\nNA,2\n,3\n")
    assert table["a"].to_pylist() == ["none", "NA", None]
    assert read(tmp_path, "a,b\nnone,1\n,2\n")["a"].null_count == 2


def test_hexadecimal_codes_are_text(tmp_path):
    table = read(tmp_path, "a,b\n0x80070005,1\n0x1F,2\n")
    assert table["a"].to_pylist() == ["0x80070005", "0x1F"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["18446744073709551615", "0"], pa.uint64()),
        (["-18446744073709551615", "0"], pa.decimal128(38, 0)),
        (["0.123456789012345678", "12.000000000000000001"], pa.decimal128(38, 18)),
        (["0.500000000000000000", "2.250000000000000000"], pa.decimal128(38, 18)),
        (["9223372036854775807", "-5"], pa.int64()),
        (["0.1234567", "2.2500000"], pa.float64()),
    ],
)
def test_numbers_keep_all_of_their_digits(tmp_path, values, kind):
    table = read(tmp_path, "a,b\n" + "".join(f"{value},1\n" for value in values) + ",1\n")
    assert table.schema.field("a").type == kind and not Source.open(str(tmp_path / "t.csv")).doubts
    written = [
        None
        if v is None
        else f"{v:.7f}"
        if kind == pa.float64()
        else f"{v:f}"
        if isinstance(v, Decimal)
        else str(v)
        for v in table["a"].to_pylist()
    ]
    assert written == [*values, None]


@pytest.mark.parametrize(("delimiter", "point"), [(",", "."), (";", ","), (";", ".")])
def test_three_digits_after_the_point_are_no_thousands(tmp_path, delimiter, point):
    rows = [("ms", "pay"), *((f"{1 + i * 7 % 900}{point}{i:03d}", f"{i}{point}50") for i in range(60))]
    table = read(tmp_path, "".join(delimiter.join(row) + "\n" for row in rows))
    assert table["ms"].type == pa.float64() and table["ms"].to_pylist()[1] == 8.001


def test_a_later_number_with_more_digits_is_read(tmp_path):
    lines = ["a,b", *(f"{i}.000000000000000001,{'x' * 50}" for i in range(20_000)), "1.5,x", "n.v.,x"]
    assert read(tmp_path, "\n".join(lines) + "\n").schema.field("a").type == pa.string()


def test_a_line_for_excel_alone_is_named(tmp_path):
    with pytest.raises(SchemaError) as caught:
        read(tmp_path, "sep=;\na;b\n1;2\n")
    assert "begins with a line for Excel alone, 'sep=;'" in caught.value.message
    assert "tail -n +2 OLD > NEW" in caught.value.hint


def test_what_would_be_written_otherwise_is_told():
    def doubts(*values: str) -> dict[str, str]:
        return Dialect.of("\n".join(["c,d", *(f"{value},x" for value in values)]).encode()).doubts

    assert (
        "'2024-02-29 10:00:00.5' would be written as"
        in doubts("2024-02-29 10:00:00.5", "2024-02-29 10:00:00.50")["c"]
    )
    assert "'1e5' would be written as '100000'" in doubts("1e5", "2")["c"]
    assert "day and the month cannot be told apart" in doubts("01/02/2020", "02/01/2020")["c"]
    assert "'True' would be written as 'true'" in doubts("false", "True", "FALSE")["c"]
    assert "' 12' would be written as '12'" in doubts("345", " 12")["c"]
    assert not doubts("true", "false") and not doubts("TRUE", "FALSE") and not doubts(" a", "12")
    assert not doubts("2024-02-29 00:00:00", "2024-02-28 00:00:00") and not doubts("2024-02-29", "2023-02-28")
    assert doubts("2024-02-29 00:00:00", "2024-02-28")["c"].endswith("written as '2024-02-28 00:00:00'")
    assert not doubts("1.50", "2.25") and not doubts("1", "2") and not doubts("2024-02-29")


def test_one_column_with_a_delimiter_in_its_name_is_refused(tmp_path):
    with pytest.raises(SchemaError) as caught:
        read(tmp_path, "age;sex\n1;f\n2\n")
    assert "has one column, named 'age;sex'" in caught.value.message
    assert "write the file with commas" in caught.value.hint


def test_a_row_of_another_width_is_told(tmp_path):
    with pytest.raises(SchemaError, match="has 1 field in line 3; its header has 2"):
        read(tmp_path, "a,b\n1,2\n3\n")

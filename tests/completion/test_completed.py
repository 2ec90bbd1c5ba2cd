"""Completed rows: given cells stay, relations hold, and a row does not depend on those beside it."""

import numpy as np
import pyarrow as pa
import pytest

import raygen
from raygen import rng
from raygen.codec.calendar_parts import classes_of
from raygen.completion.completed import Completed
from raygen.completion.givens import Encoder
from raygen.completion.loaded import Loaded
from raygen.completion.partial import Reader
from raygen.completion.settings import Settings
from raygen.errors import ConfigError, SchemaError
from raygen.model import folder as model_folder
from raygen.table import arrow
from raygen.table.part import Part
from tests import untrained
from tests.relations import every_use

pytestmark = pytest.mark.slow

RELATIONS = {name: text for name, text in every_use.TOTAL.items() if name not in ("card", "tip")}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return untrained.save(tmp_path_factory.mktemp("plain") / "model")


@pytest.fixture(scope="module")
def planted():
    return every_use.table(2000)


@pytest.fixture(scope="module")
def tied(planted, tmp_path_factory):
    return untrained.save(tmp_path_factory.mktemp("tied") / "model", planted, relations=RELATIONS)


def holes(table: pa.Table, share: float, seed: int = 0) -> pa.Table:
    """The table with cells taken away at random."""
    gone = rng.generator(seed, "holes").random((table.num_rows, table.num_columns)) < share
    columns = [
        pa.array(column.to_pylist(), column.type, mask=gone[:, i] | ~column.is_valid().to_numpy())
        for i, column in enumerate(table.columns)
    ]
    return pa.table(columns, names=table.column_names)


def complete(model: str, rows: pa.Table, **settings) -> tuple[pa.Table, list[str]]:
    said: list[str] = []
    return raygen.complete(model, rows, say=said.append, **settings), said


def assert_given_cells_stay(given: pa.Table, made: pa.Table) -> None:
    for name in given.column_names:
        there = given[name].is_valid().to_numpy()
        kept = made[name].filter(pa.array(there)).cast(given[name].type)
        assert kept.equals(given[name].filter(pa.array(there))), name


@pytest.mark.parametrize("settings", [{}, {"most_likely": True}, {"most_likely": True, "median": True}])
def test_given_cells_stay_and_all_others_have_values(model, settings):
    given = holes(untrained.table(150), 0.4)
    made, _ = complete(model, given, **settings)
    assert_given_cells_stay(given, made)
    assert [made[name].null_count for name in made.column_names] == [0, 0, 0, 0]
    assert made.schema.names == model_folder.load(model).codec.schema.output.names


def test_rows_do_not_depend_on_those_asked_for_with_them(model):
    given, settings = holes(untrained.table(150), 0.4).drop_columns(["flag"]), Settings(draws=3)
    found = model_folder.load(model)
    reader = Reader(found.codec, given.schema)
    one = Completed(Loaded(found), reader, lambda first, last: given.slice(first, last - first), settings)
    whole = one.table(0, 450)
    assert pa.concat_tables([one.table(*span) for span in [(0, 1), (1, 200), (200, 263), (263, 450)]]).equals(
        whole
    )
    assert whole["draw"].to_pylist() == [1, 2, 3] * 150
    assert complete(model, given.slice(0, 70), draws=3)[0].equals(whole.slice(0, 210))


def test_another_seed_draws_others(model):
    given = untrained.table(40).select(["letter"])
    one, same, other = (complete(model, given, seed=seed)[0] for seed in (0, 0, 1))
    assert one.equals(same) and not one.equals(other)


def test_which_missing_cells_are_filled_is_said(model):
    given = pa.table({"number": pa.array([1.0, None, None] * 20), "letter": ["letter 1"] * 60})
    assert complete(model, given)[0]["number"].null_count == 0
    assert complete(model, given, fill="absent")[0]["number"].null_count == 40
    assert complete(model, given, fill="letter")[0]["number"].null_count == 40
    assert complete(model, given, fill=["number"])[0]["number"].null_count == 0
    absent = complete(model, given.select(["letter"]))[0]["number"]
    assert 0 < absent.null_count < 30  # it is missing in one row of eleven


def test_frames_come_back_as_frames(model):
    frame = holes(untrained.table(30), 0.3).to_pandas()
    made = raygen.complete(model, frame, say=lambda line: None)
    assert list(made.columns) == ["number", "letter", "moment", "flag"] and not made.isna().any().any()


def test_nothing_given_everything_given_and_no_rows(model):
    rows = untrained.table(30)
    nothing = pa.table({"letter": pa.nulls(30, pa.string())})
    assert complete(model, nothing)[0].num_rows == 30
    assert complete(model, rows.slice(0, 0))[0].num_rows == 0
    full = rows.filter(rows["number"].is_valid())
    assert complete(model, full)[0].select(full.column_names).equals(full.cast(full.schema))


@pytest.mark.parametrize("draws", [1, 3])
def test_values_never_seen_stay_and_are_told_once(model, draws):
    rows = pa.table({"letter": ["letter 1", "other", "new"], "number": [np.inf, 4.0, 1e9]})
    made, said = complete(model, rows, draws=draws)
    assert_given_cells_stay(arrow.taken(rows, np.arange(3 * draws) // draws), made)
    assert "Column letter: 2 given value(s) that the model never saw" in " ".join(said)
    assert "Column number: 2 given value(s) that the model never saw" in " ".join(said)


def test_a_relation_gives_a_value_where_its_own_inputs_are_known(tmp_path):
    """Two relations may give `y`; that `b` is not known does not hide that `a` gives it."""
    draws = rng.generator(0, "a test")
    a, b = (draws.integers(0, 1000, 600) for _ in range(2))
    y = np.choose(draws.integers(0, 3, 600), [a, b, draws.integers(0, 1000, 600)])
    rows = pa.table({"a": a, "b": b, "y": y})
    found = model_folder.load(untrained.save(tmp_path / "model", rows, relations={"y": ["a", "b"]}))
    given = Reader(found.codec, pa.schema([("a", pa.int64()), ("y", pa.int64())]))
    givens = Encoder(found.codec).of(given.read(pa.table({"a": a, "y": a})))
    block = found.codec.parts.index(Part("y"))
    own = found.codec.blocks[Part("y")].cardinality
    assert found.codec.reduction.tied["y"] and (givens.codes[:, block] == own).all()
    assert givens.known[:, block].all() and not givens.unseen["y"].any()


def test_old_models_are_told(model):
    assert "trained without a proposal" in " ".join(complete(model, untrained.table(5))[1])


REFUSED = {
    "unknown column": ({"leter": ["letter 1"]}, {}, SchemaError, "no column 'leter'.*did you mean 'letter'"),
    "other type": (
        {"number": ["one"]},
        {},
        SchemaError,
        "'number'.*is of type string; the model's is double",
    ),
    "draws": ({"letter": ["a"]}, {"draws": 0}, ConfigError, "draws = 0: expected a number from 1"),
    "particles": (
        {"letter": ["a"]},
        {"particles": 33},
        ConfigError,
        "particles = 33: expected a power of two",
    ),
    "both": ({"letter": ["a"]}, {"draws": 2, "most_likely": True}, ConfigError, "contradict each other"),
    "fill": ({"letter": ["a"]}, {"fill": "every"}, ConfigError, "fill = 'every': neither"),
    "probability": ({"letter": ["a"]}, {"probability": True}, ConfigError, "add most_likely"),
}


@pytest.mark.parametrize(("rows", "settings", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(model, rows, settings, error, message):
    with pytest.raises(error) as raised:
        complete(model, pa.table(rows), **settings)
    import re

    assert re.search(message, str(raised.value).replace("\n", " "))


@pytest.mark.parametrize("settings", [{}, {"most_likely": True}])
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_relations_hold_in_completed_rows(tied, planted, share, settings):
    given = holes(planted.slice(0, 300), share)
    made, said = complete(tied, given, **settings)
    assert_given_cells_stay(given, made)
    assert "contradict" not in " ".join(said)
    found = model_folder.load(tied).codec.reduction
    for use in found.uses:
        broken = int((use.relation.keeps(made) == 0).sum())
        assert not broken, f"{use.relation.column} {use.relation.phrase} breaks in {broken} rows"


def test_a_total_is_given_and_its_parts_are_not(tied, planted):
    """The last of the unknown parts is solved for, so that it lies where the column's values do."""
    given = planted.slice(0, 200).select(["total", "ended", "doubled", "borough"])
    made, _ = complete(tied, given)
    sums = made["price"].to_numpy() + made["tax"].to_numpy()
    assert np.abs(sums - given["total"].to_numpy()).max() < 1e-9
    gap = (made["ended"].to_numpy() - made["started"].to_numpy()).astype("m8[s]").astype(int)
    assert gap.min() >= 0 and gap.max() <= 3600
    boroughs = dict(zip(planted["zone"].to_pylist(), planted["borough"].to_pylist(), strict=True))
    assert [boroughs[zone] for zone in made["zone"].to_pylist()] == given["borough"].to_pylist()
    assert made["price"].to_numpy().min() >= -1e-9 or np.mean(made["price"].to_numpy() < 0) < 0.1


def test_contradicting_cells_stay_and_are_told(tied, planted):
    given = planted.slice(0, 50).select(["price", "tax", "total"])
    wrong = given.set_column(2, "total", pa.array(given["total"].to_numpy() + 1.0))
    made, said = complete(tied, wrong)
    assert_given_cells_stay(wrong, made)
    assert "given cells of 50 row(s) contradict a relation that always holds" in " ".join(said)


@pytest.mark.parametrize("settings", [{}, {"most_likely": True}])
def test_ids_and_made_up_columns_are_made_from_the_rows_number(tmp_path, settings):
    rows = untrained.table(200)
    rows = rows.append_column("number_of_row", pa.array(np.arange(1, 201)))
    rows = rows.append_column("name", pa.array([f"person {i}" for i in range(200)]))
    kinds = {"schema.columns.number_of_row": "id", "schema.columns.name": "fake", "schema.fake.name": "name"}
    others = {"number": "numeric", "letter": "categorical", "moment": "datetime", "flag": "boolean"}
    kinds |= {f"schema.columns.{name}": kind for name, kind in others.items()}
    model = untrained.save(tmp_path / "model", rows, kinds)
    given = rows.select(["letter", "name"]).slice(0, 100)
    given = given.set_column(1, "name", pa.array(["Ada", None] * 50))
    made, _ = complete(model, given, **settings)
    assert made["number_of_row"].to_pylist() == list(range(1, 101))
    names = made["name"].to_pylist()
    assert names[::2] == ["Ada"] * 50 and None not in names and len(set(names[1::2])) > 40


@pytest.mark.parametrize(
    ("says", "days"), [("weekday(day)", 1000), ("month(day)", 1000), ("month(day)", 20_000)]
)
def test_a_given_weekday_or_month_leaves_all_days_that_have_it(tmp_path, says, days):
    """Not that alone which comes so often that it has a code of its own."""
    draws = rng.generator(0, "days of a week")
    day = draws.integers(18_000, 18_000 + days, 2000).astype(np.int32)
    day[:600], day[600:900] = 18_501, 18_500
    class_of = {
        "weekday(day)": lambda day: (day + 3) % 7,
        "month(day)": lambda day: classes_of(day, "month") + 1,
    }
    rows = pa.table({"day": pa.array(day, pa.date32()), "of_day": class_of[says](day)})
    model = untrained.save(tmp_path / "model", rows, relations={"of_day": says})
    wanted = class_of[says](day[:1])
    made, _ = complete(model, pa.table({"of_day": np.repeat(wanted, 200).astype(np.int32)}))
    found = np.array(made["day"].cast(pa.int32()))
    assert (class_of[says](found) == wanted).all() and len(set(found.tolist())) > 20

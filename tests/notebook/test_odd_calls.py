"""Calls as people make them who have not read how: told in one sentence, or right."""

import pandas as pd
import pytest

import raygen
from raygen.errors import ConfigError, RaygenError, SchemaError
from tests import untrained

pytestmark = pytest.mark.slow


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> raygen.Model:
    return raygen.load(untrained.save(tmp_path_factory.mktemp("run") / "model"))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return untrained.table(8).to_pandas()


OTHERS = {
    "score": (lambda model, frame: model.score(frame, particels=64), "score", "particles"),
    "raygen.score": (lambda model, frame: raygen.score(model, frame, by_colum=True), "score", "by_column"),
    "sample": (lambda model, frame: model.sample(3, sed=1), "sample", "seed"),
    "raygen.sample": (lambda model, frame: raygen.sample(model, 3, sed=1), "sample", "seed"),
    "dataset": (lambda model, frame: model.dataset(3, num_actor=1), "dataset", "num_actors"),
    "complete": (lambda model, frame: model.complete(frame, draw=1), "complete", "draws"),
    "evaluate": (lambda model, frame: model.evaluate(frame, targett="flag"), "evaluate", "target"),
    "inspect": (lambda model, frame: model.inspect(sya=print), "inspect", "say"),
    "raygen.inspect": (lambda model, frame: raygen.inspect(model, sya=print), "inspect", "say"),
    "fit": (lambda model, frame: raygen.fit(frame, "nowhere", stps=1), "fit", "steps"),
}


@pytest.mark.parametrize(("call", "verb", "meant"), OTHERS.values(), ids=OTHERS)
def test_a_keyword_that_there_is_not_is_told_as_a_setting(model, frame, call, verb, meant):
    with pytest.raises(ConfigError, match=rf"{verb}\(\) has no setting") as caught:
        call(model, frame)
    assert caught.value.hint == f"did you mean '{meant}'?"


def test_keywords_of_a_folder_are_told_too(model):
    with pytest.raises(ConfigError, match=r"load\(\) has no setting 'sede'"):
        raygen.load(model.path, sede=3)
    with pytest.raises(ConfigError, match=r"sample\(\) has no setting 'rows'") as caught:
        model.sample(rows=3)
    assert "choose one of: n, where, seed" in caught.value.hint


WRONG = {
    "no model": (lambda model, frame: raygen.load(None), "None was given where a path or URI"),
    "a folder that is a number": (lambda model, frame: raygen.fit(frame, 5, silent), "5 was given where"),
    "a section that is a number": (lambda model, frame: raygen.fit(frame, "x", silent, train=5), "train = 5"),
    "what cannot be called": (lambda model, frame: model.complete(frame, say=None), "say = None: expected"),
    "a number that is called": (lambda model, frame: model.inspect(5), "say = 5: expected"),
    "more rows than fit": (lambda model, frame: model.sample(10**12), "1,000,000,000,000 rows do not fit"),
    "a word for a frame": (lambda model, frame: model.sample(3, to_pandas="no"), "to_pandas = 'no'"),
    "a word for each column": (lambda model, frame: model.score(frame, by_column="no"), "by_column = 'no'"),
    "actors in words": (lambda model, frame: model.dataset(3, num_actors="2"), "num_actors = '2'"),
    "half an actor": (lambda model, frame: model.dataset(3, num_actors=1.5), r"num_actors = 1\.5"),
    "no rows to compare": (lambda model, frame: model.evaluate(frame, rows=0, say=silent), "rows = 0"),
    "minus one row": (lambda model, frame: model.sample(-1), "rows = -1"),
    "half a row": (lambda model, frame: model.sample(2.5), r"rows = 2\.5"),
    "conditions that do not parse": (lambda model, frame: model.sample(3, where="letter >"), "letter >"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_a_value_that_cannot_be_is_told(model, frame, call, message):
    with pytest.raises(RaygenError, match=message) as caught:
        call(model, frame)
    assert caught.value.hint


def test_rows_that_are_not_there_are_told_before_others_are_made(model, tmp_path):
    said: list[str] = []
    with pytest.raises(SchemaError, match="does not exist"):
        model.evaluate(tmp_path / "nowhere.csv", out=str(tmp_path / "out"), say=said.append)
    assert said == [] and not list(tmp_path.iterdir())


def test_two_columns_of_a_name_are_told(model, frame):
    twice = pd.concat([frame, frame[["letter"]]], axis=1)
    for call in (model.complete, model.score, lambda rows: raygen.fit(rows, "nowhere", silent)):
        with pytest.raises(SchemaError, match="more than one column 'letter'"):
            call(twice)


@pytest.mark.parametrize("index", [[7, 9, 11], list("abc")], ids=str)
def test_rows_keep_the_index_of_their_frame(model, frame, index):
    """So that a column of theirs, put beside those of the frame, lies beside its own row."""
    given = frame[["letter"]].head(3).set_index(pd.Index(index, name="key"))
    made = model.complete(given, say=silent)
    assert list(made.index) == index and made.index.name == "key" and made.letter.equals(given.letter)
    assert list(model.score(given, say=silent).index) == index
    five = model.complete(given, draws=5, say=silent)
    assert list(five.index) == [one for one in index for _ in range(5)]
    plain = model.complete(frame[["letter"]].head(3), say=silent)
    assert plain.index.equals(pd.RangeIndex(3)) and plain.equals(made.reset_index(drop=True))

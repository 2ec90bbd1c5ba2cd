"""Rows in memory, at a temperature and under conditions: those of `raygen generate`, for any actors, each
satisfying what was asked."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.errors import ConfigError, OutputError
from raygen.model import folder as model_folder
from tests import untrained

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]
ROWS, SHARD = 5000, 1100
WHERE = "income = '>50K' AND age BETWEEN 30 AND 49 AND fnlwgt > 100000.5"
PER = "income=1300"
MARGINS = ("relationship", "sex", "education", "occupation", "income")


def silent(line: str) -> None:
    pass


def generate(trained, folder, settings=None, say=silent, **given):
    config = trained.config.override(
        {"generate.rows": ROWS, "generate.rows_per_shard": SHARD, **(settings or {})}
    )
    return raygen.generate(config, out=str(folder), say=say, **given)


def hashes(folder) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in Path(folder).glob("*.parquet")}


def satisfies(rows) -> bool:
    age = pc.min_max(rows["age"]).as_py()
    return (
        set(rows["income"].to_pylist()) == {">50K"}
        and 30 <= age["min"] <= age["max"] <= 49
        and pc.min(rows["fnlwgt"]).as_py() > 100_000
    )


@pytest.fixture(scope="module")
def whole(trained, here, tmp_path_factory) -> Path:
    """5,000 rows that satisfy WHERE, in five shards, by this process."""
    folder = tmp_path_factory.mktemp("one") / "out"
    lines: list[str] = []
    done = generate(trained, folder, {}, lines.append, where=WHERE)
    assert (done.rows, done.shards) == (ROWS, 5)
    told = [
        line
        for line in lines
        if line.startswith(
            "Conditions income = '>50K' AND age BETWEEN 30 AND 49 AND fnlwgt > 100000.5: probability 0."
        )
    ]
    assert len(told) == 1 and "% of those taken distinct" in told[0]
    return folder


def test_every_row_satisfies_the_condition_and_memory_gives_the_same(whole, trained):
    rows = pq.ParquetDataset(whole).read()
    assert rows.num_rows == ROWS and satisfies(rows)
    assert raygen.sample(trained.model, ROWS, where=WHERE).equals(rows)
    assert raygen.sample(trained.model, 700, where=WHERE).equals(rows.slice(0, 700))


def test_actors_threads_and_shards_change_nothing(whole, trained, tmp_path):
    several = {"generate.num_actors": 2, "generate.cpus_per_actor": 2, "generate.rows_per_shard": 1777}
    generate(trained, tmp_path / "out", several, where=WHERE)
    assert pq.ParquetDataset(tmp_path / "out").read().equals(pq.ParquetDataset(whole).read())


def test_what_is_missing_is_made_again_and_other_conditions_are_refused(whole, trained):
    before = hashes(whole)
    (whole / "part-00000003.parquet").unlink()
    (whole / "_manifest.json").unlink()
    assert generate(trained, whole, where=WHERE.replace(" = ", "=").lower().replace(">50k", ">50K")).kept == 4
    assert hashes(whole) == before
    header = json.loads((whole / "_manifest.json").read_text())
    assert (header["where"], header["per"], header["temperature"]) == (WHERE, "", 1.0)
    for change in ({"where": "income = '>50K'"}, {"where": WHERE, "temperature": 0.9}, {}):
        with pytest.raises(OutputError, match="another generation"):
            generate(trained, whole, **change)


def test_strata_have_exactly_their_rows(trained, tmp_path):
    done = generate(trained, tmp_path / "out", where="age < 60", per=PER)
    rows = pq.ParquetDataset(tmp_path / "out").read()
    assert done.rows == rows.num_rows == 2600
    assert rows["income"].to_pylist() == ["<=50K"] * 1300 + [">50K"] * 1300
    assert pc.max(rows["age"]).as_py() < 60
    assert raygen.sample(trained.model, per=PER, where="age < 60").equals(rows)
    more = raygen.sample(trained.model, per="income=2100", where="age < 60")
    assert more.slice(0, 1300).equals(rows.slice(0, 1300)) and more.slice(2100, 1300).equals(rows.slice(1300))


def test_conditional_rows_are_distributed_as_those_that_satisfy_it_by_chance(trained, tiny, tmp_path):
    """Of a model that is trained for longer, so that its columns depend on each other."""
    model = raygen.train(tiny(trained.fresh_run(tmp_path), {"train.steps": 1500}), silent).model
    every = raygen.sample(model, 120_000, seed=1)
    by_chance = every.filter(pc.field("marital_status") == "Married-civ-spouse")
    asked = raygen.sample(model, 20_000, where="marital_status = 'Married-civ-spouse'")
    n = min(by_chance.num_rows, asked.num_rows) / 2

    def distance(a, b, name):
        x, y = (Counter(t[name].to_pylist()) for t in (a, b))
        return sum(abs(x[v] / a.num_rows - y[v] / b.num_rows) for v in x | y) / 2

    for name in MARGINS:
        levels = len(set(every[name].to_pylist()))
        assert distance(by_chance, asked, name) < 2 * np.sqrt(levels / n / 6), name
    for name in ("age", "hours_per_week", "fnlwgt"):
        a, b = (t[name].to_numpy() for t in (by_chance, asked))
        assert abs(a.mean() - b.mean()) < 5 * a.std() / np.sqrt(n), name
    assert max(distance(every, asked, name) for name in MARGINS) > 0.1, (
        "a condition that changes nothing tests nothing"
    )


def test_memory_gives_the_rows_of_a_temperature(trained, tmp_path):
    generate(trained, tmp_path / "cold", temperature=0.5, rows=3000)
    cold = pq.ParquetDataset(tmp_path / "cold").read()
    assert raygen.sample(trained.model, 3000, temperature=0.5).equals(cold)
    warm = raygen.sample(trained.model, 3000)
    assert warm.equals(raygen.sample(trained.model, 3000, temperature=1.0)) and not warm.equals(cold)
    for name in ("occupation", "education"):
        most = [max(Counter(t[name].to_pylist()).values()) for t in (warm, cold)]
        assert most[0] < most[1], name


MISTAKES = [
    (("--where", "incom = '>50K'"), "no column 'incom'"),
    (("--where", "income=>50K"), "expected text in single quotes"),
    (("--where", "income = '>50'"), "did you mean '>50K'?"),
    (("--where", "age > 30", "--where", "age < 31"), "age > 30 AND age < 31"),
    (("--per", "age=10"), "column 'age' is numeric"),
    (("--per", "income=10", "--rows", "5"), "both say how many rows"),
    (("--temperature", "0"), "generate.temperature = 0.0: expected a value greater than or equal to 0.01"),
]
HARDLY_ANY = (
    ("--where", "native_country = 'Germany' AND capital_gain > 9000 AND capital_loss > 1500 AND age < 20"),
    "a probability of about",
)


@pytest.mark.parametrize(
    ("verb", "given", "message"),
    [("generate", *HARDLY_ANY), *((v, *m) for v in ("generate", "plan") for m in MISTAKES)],
)
def test_mistakes_are_told_and_claim_no_folder(verb, given, message, trained, tmp_path, run_cli):
    status, _, err = run_cli(verb, trained.model, *given, "--out", tmp_path / "out")
    assert status == 2
    assert err.startswith("ConfigError:") and message in err and "Hint:" in err
    assert not (tmp_path / "out" / "_run.json").exists()


def test_a_plan_of_few_rows_of_each_category(trained, run_cli):
    status, out, err = run_cli("plan", trained.model, "--per", "income=10", "--within", "1h", "--json")
    assert status == 0, err
    told = json.loads(out.splitlines()[-1])["generate"]
    assert (told["rows"], told["shards"], told["actors_needed"]) == (20, 1, 1)
    assert told["rows_per_second_of_an_actor"] > 0 and told["bytes"] > 20 * 15


def test_a_plan_before_there_is_a_model(trained, toml, tiny, tmp_path, run_cli):
    config = toml(tiny(tmp_path / "run"))
    status, out, err = run_cli("plan", config, "--per", "income=1e4")
    assert status == 0, err
    assert (
        "Generate: 10,000 rows for each category of income; how many that is in all, and" in out
        and "100,000" not in out
    )
    for given, message in (
        (("--where", "income=>50K"), "expected text in single quotes"),
        (("--per", "income"), "generate.per = 'income'"),
    ):
        status, _, err = run_cli("plan", config, *given)
        assert status == 2 and err.startswith("ConfigError:") and message in err


def test_a_plan_of_more_rows_than_an_id_can_number_is_refused(local_ray, table, tmp_path, run_cli):
    rows = (
        pq.read_table(table)
        .slice(0, 100)
        .select(["age", "income"])
        .append_column("n", pa.array(range(100), pa.int32()))
    )
    kinds = {"age": "numeric", "income": "categorical", "n": "id"}
    model = untrained.save(tmp_path / "run" / "model", rows, {"schema.columns": kinds})
    status, out, err = run_cli("plan", model, "--rows", 2**31 - 1)
    assert status == 0 and "Generate: 2,147,483,647 rows" in out, err
    for verb in ("plan", "generate"):
        status, _, err = run_cli(verb, model, "--rows", 2**31, "--out", tmp_path / "out")
        assert status == 2
        assert err.startswith(
            "SchemaError: column 'n' of kind id and type int32 cannot number 2,147,483,648 rows"
        )


def test_a_sample_says_how_many_rows_in_one_way(trained):
    for given, told in (
        ({}, "neither a number of rows nor per"),
        ({"n": 5, "per": "income=5"}, "both 5 rows"),
    ):
        with pytest.raises(ConfigError, match=told):
            raygen.sample(trained.model, **given)
    with pytest.raises(ConfigError, match=r"generate\.rows = 0"):
        raygen.sample(trained.model, 0)
    with pytest.raises(ConfigError, match=r"generate\.sampler = 'flow'.* has "):
        raygen.sample(trained.model, 5, sampler="flow")
    assert model_folder.load(trained.model).codec.schema.output.equals(raygen.sample(trained.model, 5).schema)

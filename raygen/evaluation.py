"""Evaluation: synthetic rows, raygen's or anybody's, beside real ones: a report to look at, one to read by machine, and a gate."""

import json
import time
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raygen import __version__, artifact, batches, cluster, comparison, coverage, data, metrics, ranges, report_page, resynthesis, scoring, storage
from raygen.config import Config
from raygen.errors import ConfigError, SchemaError, did_you_mean
from raygen.schema import Schema, infer
from raygen.source import Source
from raygen.tally import Reference, Tally
from raygen.training import settled

PAGE, REPORT = "index.html", "report.json"
FORMAT = 1
MAX_BUDGET_ROWS = 10_000
GROUPS_PER_SAMPLE = 8  # row groups are picked at random until they hold so many times the rows wanted


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` made: its folder, whether the gate passed, and the report (see `report_page`)."""

    folder: str
    passed: bool
    report: dict


@dataclass(frozen=True)
class Real:
    """Real rows: those that synthetic ones are compared with, and others.

    Attributes:
        path: Where they came from.
        table, holdout: Arrow tables of the schema's learned columns; `holdout` may be empty.
        kinds: Kind of each learned column.
        schema: Of the source.
        knows: Whether the synthetic rows were made without `holdout`.
        notes: What a reader should know of this.
    """

    path: str
    table: pa.Table
    holdout: pa.Table
    kinds: dict[str, str]
    schema: pa.Schema
    knows: bool
    notes: list[str]


def evaluate(
    config: Config,
    synthetic: list[str] | None = None,
    out: str | None = None,
    fail_under: dict[str, float] | None = None,
    fail_over: dict[str, float] | None = None,
    command: str = "",
    say=print,
) -> Evaluation:
    """Compare synthetic rows with real ones.

    Args:
        config: `data.source` has the real rows; with a `run.folder` that holds a model, its held-out rows are told apart from those it learned
            from, else `evaluate.holdout` may name real rows that the synthetic ones were made without.
        synthetic: Parquet or CSV files or folders, several to compare side by side; the run's own `synthetic/` if none.
        out: Folder of the report; `report/` in the run folder if empty.
        fail_under, fail_over: Least and greatest value by score; the result says whether all are kept.
        command: How to make the report again, for its last section.
        say: Called with each line of progress.

    Raises:
        SchemaError: If real or synthetic rows cannot be read.
        ConfigError: If a setting names what is not there.
        OutputError: If the report cannot be written.
    """
    under, over = fail_under or {}, fail_over or {}
    for name in (*under, *over):
        if name not in scoring.BETTER:
            raise ConfigError(f"there is no score '{name}'.", did_you_mean(name, scoring.BETTER))
    began = time.perf_counter()
    if config.run.folder:
        config = settled(config)
    e = config.evaluate
    model = _model(config)
    say(f"Reading real rows of {config.data.source} ...")
    real = _real(config, model)
    if e.target and e.target not in real.kinds:
        raise ConfigError(f"evaluate.target = '{e.target}' is no learned column.", did_you_mean(e.target, real.kinds))
    paths = synthetic or [storage.join(config.run.folder, "synthetic")]
    sources = [_synthetic(path) for path in paths]
    folder = storage.absolute(out or storage.join(config.run.folder or ".", "report"))
    storage.make_folder(folder)
    with cluster.connected():
        say(f"Real rows: {real.table.num_rows:,}, and {real.holdout.num_rows:,} others. Scoring floor and ceiling ...")
        reference = Reference(real.table, real.kinds)
        whole = real.table.to_pandas()
        ends = scoring.Ends(whole, _apart(whole, real), real.kinds, real.knows, e.target, e.sample_rows, e.seed)
        judged = [_run(source, path, real, reference, ends, e.seed, say) for source, path in zip(sources, paths, strict=True)]
        runs = [run for run, _ in judged]
    if model:
        runs[0] |= {"latent": artifact.read_report(model.uri)}
        if real.knows and real.holdout.num_rows:
            say("Taking held-out rows through the encoder and the decoder ...")
            runs[0] |= {"budget": _budget(model, real, whole, judged[0][1], reference, e.seed)}
    report = {
        "format": FORMAT,
        "raygen": __version__,
        "real": {"path": real.path, "rows": real.table.num_rows, "columns": len(real.kinds)},
        "holdout": {"path": e.holdout or real.path, "rows": real.holdout.num_rows} if real.knows else None,
        "seed": e.seed,
        "sample_rows": len(ends.real),
        "command": command,
        "config": config.to_dict(),
        "notes": real.notes,
        "runs": runs,
        "gate": [rule for run in runs for rule in scoring.gate(run["scores"], under, over)],
        "seconds": time.perf_counter() - began,
    }
    report = plain(report)
    storage.write_json(storage.join(folder, REPORT), report)
    storage.write(storage.join(folder, PAGE), report_page.render(report).encode())
    return Evaluation(folder, all(rule["passed"] for rule in report["gate"]), report)


def plain(value):
    """The same with None for every number that JSON has no word for."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return scoring.known(value)
    return value.item() if isinstance(value, np.generic) else value


def _model(config: Config) -> artifact.Artifact | None:
    """The run's model, if it has one and learned this table."""
    uri = storage.join(config.run.folder, "model") if config.run.folder else ""
    if not uri or not artifact.is_model(uri):
        return None
    return artifact.load(uri)


def _real(config: Config, model: artifact.Artifact | None) -> Real:
    source = Source.open(config.data.source)
    if model:
        schema = model.codec.schema
    else:
        kinds = {str(n): str(k) for n, k in config.schema_.columns.items()} or infer(source.head())[0]
        schema = Schema.of(source.schema, kinds, config.data.source)
    lacking = [n for n in schema.learned if n not in source.schema.names]
    if lacking:
        raise SchemaError(f"source '{config.data.source}' has no column '{lacking[0]}', which the model learned.", "check data.source.")
    whole = _read(source).select(schema.learned)
    kinds = {name: schema.kinds[name] for name in schema.learned}
    notes: list[str] = []
    nothing = whole.slice(0, 0)
    if config.evaluate.holdout:
        other = Source.open(config.evaluate.holdout)
        missing = [n for n in schema.learned if n not in other.schema.names]
        if missing:
            raise SchemaError(f"evaluate.holdout = '{config.evaluate.holdout}' has no column '{missing[0]}'.", "name rows of the same table.")
        return Real(config.data.source, whole, _read(other).select(schema.learned), kinds, source.schema, True, notes)
    held = held_out(model, whole) if model else None
    if model and held is None:
        notes.append("The source has changed since the model was trained, so its held-out rows are not known and copying cannot be told.")
    if held is not None:
        return Real(config.data.source, whole.filter(pa.array(~held)), whole.filter(pa.array(held)), kinds, source.schema, True, notes)
    notes.append("No real rows are known that the synthetic ones were made without (evaluate.holdout), so copying cannot be told.")
    return Real(config.data.source, whole, nothing, kinds, source.schema, False, notes)


def held_out(model: artifact.Artifact, table: pa.Table) -> np.ndarray | None:
    """Which rows of the source were held out from the model, bool of shape (rows,); None if it is not the table that was trained on."""
    if table.num_rows != model.metrics["rows"]:
        return None
    try:
        codes, offsets = model.codec.encode(table.cast(pa.schema([model.codec.schema.arrow.field(n) for n in table.schema.names])))
    except (SchemaError, pa.ArrowException):
        return None
    order = np.argsort(data.content_hash(codes, offsets), kind="stable")
    mask = np.zeros(len(order), bool)
    mask[order[batches.held_out(np.arange(len(order)), model.config.train.holdout, model.config.run.seed)]] = True
    return mask


def _apart(table: pd.DataFrame, real: Real) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Real rows and others; two halves of them where no others are known."""
    if real.holdout.num_rows:
        return table, real.holdout.to_pandas()
    order = np.random.default_rng(10).permutation(len(table))
    return table.iloc[order[: len(table) // 2]], table.iloc[order[len(table) // 2 :]]


def _synthetic(path: str) -> Source:
    try:
        return Source.open(storage.absolute(path))
    except SchemaError as error:
        raise SchemaError(error.message.replace("source", "synthetic rows", 1), "generate them first, or name them with --synthetic.") from None


def _run(source: Source, path: str, real: Real, reference: Reference, ends: scoring.Ends, seed: int, say) -> tuple[dict, pd.DataFrame]:
    """Scores of one folder of synthetic rows over all of them, and over a sample where a model is involved; and that sample."""
    problems = coverage.problems(real.schema, source.schema, real.kinds) + manifest_problems(source)
    usable = {name: kind for name, kind in real.kinds.items() if _readable(source, name, kind)}
    if len(usable) < len(real.kinds):
        lost = [name for name in real.kinds if name not in usable]
        message = f"synthetic rows '{path}' lack {', '.join(lost[:5])} in a form that can be compared: {' '.join(problems)}"
        raise SchemaError(message, "compare tables of the same columns.")
    say(f"Counting all rows of {path} ...")
    counted = _tally(source, reference)
    if not counted.num_rows:
        raise SchemaError(f"synthetic rows '{path}' hold no row.", "generate some, or check the path.")
    found = comparison.scores(reference, counted)
    say(f"  {counted.num_rows:,} rows. Scoring {min(len(ends.real), counted.num_rows):,} of them by models ...")
    sample = _sample(source, list(real.kinds), len(ends.real), seed)
    scores = ends.judge(sample)
    for name in ("shape_error", "trend_error"):
        _settle(scores[name], found[name])
    if "exact_copies" in scores:
        _settle(scores["exact_copies"], found["copies"]["share"])
    pairs = found["pairs"]
    run = {
        "name": path.rstrip("/").rpartition("/")[2] or path,
        "path": path,
        "rows": counted.num_rows,
        "problems": problems,
        "scores": scores,
        "columns": found["columns"],
        "pairs": {"names": pairs["names"], "error": pairs["errors"], "worst": [[*w["columns"], w["error"]] for w in pairs["worst"]]},
    }
    return run, sample


def _settle(score: dict, value: float | None) -> None:
    """Put the figure of all rows in place of the sample's; the interval keeps its width."""
    if value is None or score["value"] is None:
        return
    moved = value - score["value"]
    score["value"] = value
    for end in ("low", "high"):
        if score[end] is not None:
            score[end] = max(0.0, score[end] + moved)


def manifest_problems(source: Source) -> list[str]:
    """How the files of a raygen folder differ from its manifest, in sentences; none for files without one."""
    folder = source.uri
    rows = dict(zip(source.paths, source.count_rows(), strict=True)) if source.format == "parquet" else {}
    out = [f"Shard '{path.rpartition('/')[2]}' has no rows." for path, count in rows.items() if not count]
    where = storage.join(folder, "_manifest.jsonl")
    if not storage.exists(where):
        return out + ([f"'{folder}' has no manifest: its generation has not finished."] if storage.exists(storage.join(folder, "_run.json")) else [])
    try:
        header, *lines = [json.loads(line) for line in storage.read(where).decode().splitlines()]
        expected = {line["file"]: line["rows"] for line in lines}
        asked = header["rows"]
    except (ValueError, KeyError, TypeError) as error:
        return [*out, f"The manifest of '{folder}' cannot be read: {error!r}."]
    _, base = storage.resolve(folder)
    there = {path.removeprefix(base).lstrip("/"): count for path, count in rows.items()}
    out += [f"The manifest names shard '{name}', which is not there." for name in sorted(expected.keys() - there.keys())]
    out += [f"Shard '{name}' is not in the manifest." for name in sorted(there.keys() - expected.keys())]
    for name in sorted(expected.keys() & there.keys()):
        if expected[name] != there[name]:
            out.append(f"Shard '{name}' has {there[name]:,} rows; its manifest says {expected[name]:,}.")
    if sum(there.values()) < asked:
        out.append(f"There are {sum(there.values()):,} rows of the {asked:,} that were asked for.")
    return out


def _readable(source: Source, name: str, kind: str) -> bool:
    """Whether a synthetic column is there and can be compared as its kind."""
    if name not in source.schema.names:
        return False
    if kind not in ranges.NUMBERS:
        return True
    found = pa.array([], source.schema.field(name).type)
    try:
        ranges.floats(found, kind)
    except (pa.ArrowException, SchemaError, TypeError, ValueError):
        return False
    return not pa.types.is_string(found.type) and not pa.types.is_large_string(found.type)


def _tally(source: Source, reference: Reference) -> Tally:
    """All rows counted against the reference, block by block where Ray Data reads them."""
    import pickle

    import ray

    numbers = {name: kind for name, kind in reference.kinds.items() if kind in ranges.NUMBERS}
    told = ranges.ranges_of(source.paths, numbers, source.filesystem) if source.format == "parquet" else {}
    known = {name: r for name, r in told.items() if r is not None}
    dataset = data.read_dataset(replace(source, schema=pa.schema([source.schema.field(n) for n in reference.kinds])))
    if len(known) < len(numbers):

        def observe(block: pa.Table) -> pa.Table:
            return _packed(pickle.dumps(ranges.observed(block, numbers)))  # between Ray's own processes only

        seen = [pickle.loads(row["packed"]) for row in dataset.map_batches(observe, batch_format="pyarrow", batch_size=None).iter_rows()]
        known = dict.fromkeys(numbers, ranges.NOTHING) | ranges.merged(seen)
    shared = ray.put(reference)

    def count(block: pa.Table) -> pa.Table:
        return _packed(pickle.dumps(ray.get(shared).tally(block, known)))

    total = reference.tally(pa.schema([source.schema.field(n) for n in reference.kinds]).empty_table(), known)
    for row in dataset.map_batches(count, batch_format="pyarrow", batch_size=None).iter_rows():
        total = total.merge(pickle.loads(row["packed"]))
    return total


def _packed(content: bytes) -> pa.Table:
    return pa.table({"packed": pa.array([content], pa.large_binary())})


def _sample(source: Source, names: list[str], rows: int, seed: int) -> pd.DataFrame:
    """Rows at random: of Parquet, from row groups picked at random, so that few bytes are read of many."""
    if source.format == "csv":
        return scoring.sample(_read(source).select(names).to_pandas(), rows, seed)
    files = {path: pq.ParquetFile(path, filesystem=source.filesystem) for path in source.paths}
    groups = [(path, g, f.metadata.row_group(g).num_rows) for path, f in files.items() for g in range(f.metadata.num_row_groups)]
    taken: list[pa.Table] = []
    for i in np.random.default_rng([seed, 11]).permutation(len(groups)):
        if sum(t.num_rows for t in taken) >= GROUPS_PER_SAMPLE * rows:
            break
        taken.append(files[groups[i][0]].read_row_group(groups[i][1], columns=names).select(names))
    return scoring.sample(pa.concat_tables(taken, promote_options="permissive").to_pandas(), rows, seed)


def _read(source: Source) -> pa.Table:
    return pa.Table.from_batches(source.batches(), source.schema)


def _budget(model: artifact.Artifact, real: Real, train: pd.DataFrame, generated: pd.DataFrame, reference: Reference, seed: int) -> dict:
    """The error budget: held-out rows, the same through encoder and decoder, generated rows, on equal numbers; and the pairs lost on the way."""
    made = resynthesis.resynthesise(model, real.holdout, seed).select(list(real.kinds))
    tables = {"held_out": real.holdout.to_pandas(), "resynthesised": made.to_pandas(), "generated": generated}
    rows = min(*map(len, tables.values()), len(train), MAX_BUDGET_ROWS)
    against = scoring.sample(train, rows, seed)
    out: dict = {"rows": rows}
    for name, table in tables.items():
        taken = {"shape_error": metrics.shape_error, "trend_error": metrics.trend_error, "c2st": metrics.c2st}
        some = scoring.sample(table, rows, seed + 1)
        out[name] = {key: score(against, some, real.kinds) for key, score in taken.items()}
    errors = [comparison.pair_errors(reference, _whole(reference, table)) for table in (real.holdout, made)]
    lost = sorted(([*pair, 100 * (errors[1][pair] - errors[0][pair])] for pair in errors[0]), key=lambda p: -p[2])
    return out | {"pairs_lost": [p for p in lost[:10] if p[2] > 0]}


def _whole(reference: Reference, table: pa.Table) -> Tally:
    return reference.tally(table, ranges.observed(table, reference.kinds))

"""Evaluation: synthetic rows, raygen's or anybody's, beside real ones: a report to look at, one to read by
machine, and a gate."""

import time
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from raygen import __version__, score_catalogue, storage
from raygen.cluster import connection
from raygen.config import Config
from raygen.errors import ConfigError, SchemaError, did_you_mean
from raygen.evaluation import real_rows, synthetic_rows
from raygen.evaluation.counting import tally
from raygen.evaluation.counting import whole as counted_whole
from raygen.evaluation.error_budget import budget
from raygen.evaluation.real_rows import Real
from raygen.metrics import counted as comparison
from raygen.metrics import coverage, scorecard
from raygen.metrics.counts import Reference
from raygen.metrics.intervals import Score
from raygen.model import folder as model_folder
from raygen.report.evaluation import page
from raygen.table.source import Source

PAGE, REPORT = "index.html", "report.json"
FORMAT = 1


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` made: its folder, whether the gate passed, and the report (see `report_page`)."""

    folder: str
    passed: bool
    report: dict


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
        config: `data.source` has the real rows; with a `run.folder` that holds a model, its held-out rows are
            told apart from those it learned from, else `evaluate.holdout` may name real rows that the
            synthetic ones were made without.
        synthetic: Parquet or CSV files or folders, several to compare side by side; the run's own
            `synthetic/` if none.
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
        score_catalogue.definition(name)
    began = time.perf_counter()
    if config.run.folder:
        config = config.settled()
    e = config.evaluate
    model = _model(config)
    say(f"Reading real rows of {config.data.source} ...")
    real = real_rows.real_rows(config, model)
    if e.target and e.target not in real.kinds:
        raise ConfigError(
            f"evaluate.target = '{e.target}' is no learned column.", did_you_mean(e.target, real.kinds)
        )
    paths = synthetic or [storage.join(config.run.folder, "synthetic")]
    sources = [synthetic_rows.opened(path) for path in paths]
    chosen = {path: way for path in paths if (way := synthetic_rows.chosen(path))}
    notes = real.notes + [
        f"the rows of '{path}' were generated with {way}, and are compared with all real rows."
        for path, way in chosen.items()
    ]
    for note in notes:
        say(f"Note: {note}")
    folder = storage.absolute(out or storage.join(config.run.folder or ".", "report"))
    storage.make_folder(folder)
    with connection.connected():
        say(
            f"Real rows: {real.table.num_rows:,}, and {real.holdout.num_rows:,} others. Scoring floor and ceiling ..."
        )
        reference = Reference(real.table, real.kinds)
        whole = real.table.to_pandas()
        ends = scorecard.Ends(
            whole, real_rows.apart(whole, real), real.kinds, real.knows, e.target, e.sample_rows, e.seed
        )
        if real.holdout.num_rows:
            _count_ends(ends, reference, real.holdout)
        judged = []
        for source, path, name in zip(sources, paths, synthetic_rows.short_names(paths), strict=True):
            with storage.reading(path):
                judged.append(_run(source, path, name, real, reference, ends, e.seed, say))
    runs = [run for run, _ in judged]
    for run, sample in judged:
        if model and synthetic_rows.generation(run["path"]).get("fingerprint") == model.fingerprint:
            run["latent"] = _latent(model, run["path"])
            if (
                real.knows and real.holdout.num_rows and run["path"] not in chosen
            ):  # the budget is of rows that only the sampler chose
                say("Taking held-out rows through the encoder and the decoder ...")
                run["budget"] = budget(model, real, whole, sample, reference, e.seed)
    report = {
        "format": FORMAT,
        "raygen": __version__,
        "real": {"path": real.path, "rows": real.table.num_rows, "columns": len(real.kinds)},
        "holdout": {"path": e.holdout or real.path, "rows": real.holdout.num_rows} if real.knows else None,
        "seed": e.seed,
        "sample_rows": len(ends.real),
        "command": command,
        "config": config.to_dict(),
        "notes": notes,
        "runs": runs,
        "gate": [
            {**rule, "run": run["name"]}
            for run in runs
            for rule in scorecard.gate(run["scores"], under, over)
        ],
        "seconds": time.perf_counter() - began,
    }
    report = storage.plain(report)
    storage.write_json(storage.join(folder, REPORT), report)
    storage.write(storage.join(folder, PAGE), page.render(report).encode())
    return Evaluation(folder, all(rule["passed"] for rule in report["gate"]), report)


def of_model(uri: str) -> Config:
    """The config to evaluate the rows of a model folder by: its own, in the run folder where it lies now."""
    uri = storage.absolute(uri)
    config = Config.from_dict(model_folder.read_index(uri)["config"])
    return config.override({"run.folder": storage.parent(uri)})


def _model(config: Config) -> model_folder.Artifact | None:
    """The run's model, if it has one and learned this table."""
    uri = storage.join(config.run.folder, "model") if config.run.folder else ""
    if not uri or not model_folder.is_model(uri):
        return None
    return model_folder.load(uri)


def _run(
    source: Source,
    path: str,
    name: str,
    real: Real,
    reference: Reference,
    ends: scorecard.Ends,
    seed: int,
    say,
) -> tuple[dict, pd.DataFrame]:
    """Scores of one folder of synthetic rows over all of them, and over a sample where a model is involved;
    and that sample."""
    problems = coverage.problems(
        real.schema, source.schema, real.all_kinds
    ) + synthetic_rows.manifest_problems(source)
    usable = {name: kind for name, kind in real.kinds.items() if synthetic_rows.readable(source, name, kind)}
    if len(usable) < len(real.kinds):
        lost = [name for name in real.kinds if name not in usable]
        message = f"synthetic rows '{path}' lack {', '.join(lost[:5])} in a form that can be compared: {' '.join(problems)}"
        raise SchemaError(message, "compare tables of the same columns.")
    synthetic_rows.check_files(source, list(real.kinds))
    say(f"Counting all rows of {path} ...")
    counted = tally(source, reference)
    if not counted.num_rows:
        raise SchemaError(f"synthetic rows '{path}' hold no row.", "generate some, or check the path.")
    found = comparison.scores(reference, counted)
    say(
        f"  {counted.num_rows:,} rows. Scoring {min(len(ends.real), counted.num_rows):,} of them by models ..."
    )
    sample = synthetic_rows.sample(source, list(real.kinds), len(ends.real), seed)
    scores = ends.judge(sample)
    for score, value in _counted(found).items():
        _settle(
            scores.setdefault(
                score, {"value": value, "low": None, "high": None, "better": scorecard.BETTER[score]}
            ),
            value,
        )
    pairs = found["pairs"]
    run = {
        "name": name,
        "path": path,
        "rows": counted.num_rows,
        "problems": problems,
        "scores": scores,
        "columns": [_column(column) for column in found["columns"]],
        "pairs": {
            "names": pairs["names"],
            "error": pairs["errors"],
            "worst": [[*w["columns"], w["error"]] for w in pairs["worst"]],
        },
    }
    return run, sample


def _latent(model: model_folder.Artifact, path: str) -> dict | None:
    """The model's latent report, with the sampler that these rows were drawn from."""
    report = model_folder.read_report(model.uri)
    return (
        report | {"chosen": synthetic_rows.generation(path).get("sampler", report["chosen"])}
        if report
        else None
    )


def _count_ends(ends: scorecard.Ends, reference: Reference, holdout: pa.Table) -> None:
    """Put what is counted over all real and all held-out rows in place of the sample's, as for the synthetic
    rows."""
    for name, value in _counted(comparison.scores(reference, counted_whole(reference, holdout))).items():
        if value is not None:
            ends.ceiling[name] = Score(value)
    ends.floor.pop("exact_copies", None)  # it would be of a sample


def _counted(found: dict) -> dict[str, float | None]:
    """The scores that are counted over all rows, by name, from what `metrics.counted.scores` gives."""
    return {
        "shape_error": found["shape_error"],
        "trend_error": found["trend_error"],
        "exact_copies": found["copies"]["share"],
        "category_coverage": found["coverage"]["mass"],
        "range_coverage": found["coverage"]["range"],
        "outside": found["beyond"]["share"],
        "missing_error": found["missing_error"],
    }


def _column(column: dict) -> dict:
    """A column's figures under the names of report.json (see `report_page`)."""
    missing, coverage_of = column["missing"], column.get("mass_seen", column.get("range_covered"))
    return column | {
        "missing_real": missing["real"],
        "missing_synthetic": missing["synthetic"],
        "coverage": coverage_of,
    }


def _settle(score: dict, value: float | None) -> None:
    """Put the figure of all rows in place of the sample's; the interval keeps its width."""
    if value is None or score["value"] is None:
        return
    moved = value - score["value"]
    score["value"] = value
    for end in ("low", "high"):
        if score[end] is not None:
            score[end] = max(0.0, score[end] + moved)

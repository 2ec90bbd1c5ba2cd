"""Evaluation: synthetic rows, raygen's or anybody's, beside real ones: a report to look at, one to read by
machine, and a gate."""

import os
import time
from dataclasses import dataclass
from typing import Any

from raygen import __version__, score_catalogue, storage, uris
from raygen.cluster import connection, devices
from raygen.config import Config
from raygen.config_sections import EvaluateSettings
from raygen.errors import ConfigError, SchemaError, did_you_mean
from raygen.evaluation import counting, error_budget, real_rows, synthetic_rows
from raygen.evaluation.judge import Judge, judge_of
from raygen.evaluation.outcome import Evaluation
from raygen.evaluation.real_rows import RealRows
from raygen.metrics import counted, coverage, examples, intervals, scorecard
from raygen.model import folder as model_folder
from raygen.report import redrawn
from raygen.report.evaluation import page, terminal
from raygen.report.evaluation.record import RealTable, Report, RuleRecord, Run, ScoreRecord
from raygen.report.latent.record import LatentReport
from raygen.report.redrawn import Say
from raygen.table.source import Source

PAGE, REPORT = "index.html", "report.json"


@dataclass(frozen=True)
class Synthetic:
    """Synthetic rows to judge.

    Attributes:
        path, name: As named, and as short as tells it from the others.
        source: Their files.
        choice: How they were chosen among those of the model; empty: they were not.
        problems: How they differ from the real table and from their manifest.
    """

    path: str
    name: str
    source: Source
    choice: str
    problems: list[str]


def evaluate(
    config: Config | str | os.PathLike[str],
    synthetic: list[str] | None = None,
    out: str | None = None,
    fail_under: dict[str, float] | None = None,
    fail_over: dict[str, float] | None = None,
    command: str = "",
    say: Say = print,
) -> Evaluation:
    """Compare synthetic rows with real ones, and say their scores.

    Args:
        config: A model (its path, a `Model` or a `Training`), or a config whose `data.source` has the real
            rows. Those that the model of the `run.folder` held out are told apart from those it learned
            from; else `evaluate.holdout` may name real rows that the synthetic ones were made without.
        synthetic: Parquet or CSV files or folders, several to compare side by side; the run's own
            `synthetic/` if none.
        out: Folder of the report; `report/` in the run folder if empty.
        fail_under, fail_over: Least and greatest value by score, of the gate.
        command: How to make the report again, for its last section.
        say: Called with each line of progress.

    Raises:
        SchemaError: If real or synthetic rows cannot be read.
        ConfigError: If a setting names what is not there.
        OutputError: If the report cannot be written.
    """
    for name in (*(fail_under or {}), *(fail_over or {})):
        score_catalogue.definition(name)
    config, began, say = of_model(config), time.perf_counter(), redrawn.teller(say)
    if config.run.folder:
        config = config.settled()
    model = _model(config)
    say(f"Reading real rows of {config.data.source} ...")
    real = _real(config, model)
    tables = _synthetic(synthetic or [storage.join(config.run.folder, "synthetic")], real)
    notes = _notes(real, tables)
    folder = uris.absolute(out or storage.join(config.run.folder or ".", "report"))
    storage.make_folder(folder)
    with connection.connected():
        judge = judge_of(real, config, say)
        notes += judge.left_out()
        for note in notes:
            say(f"Note: {note}")
        runs = [_run(table, judge, model, config.evaluate, say) for table in tables]
    report = Report(
        raygen=__version__,
        real=RealTable(path=real.path, rows=real.table.num_rows, columns=len(real.kinds)),
        holdout=_holdout(real, config),
        seed=config.evaluate.seed,
        scored_rows=scorecard.SCORED_ROWS,
        sample_rows=config.evaluate.sample_rows,
        command=command,
        config=config.to_dict(),
        notes=notes,
        runs=runs,
        gate=_gate(runs, fail_under or {}, fail_over or {}),
        seconds=time.perf_counter() - began,
    )
    return _written(report, folder, say)


def _written(report: Report, folder: str, say: Say) -> Evaluation:
    for line in terminal.lines(report):
        say(line)
    storage.write(storage.join(folder, REPORT), report.model_dump_json(indent=1).encode())
    storage.write(storage.join(folder, PAGE), page.render(report).encode())
    return Evaluation(folder, report.passed, report)


def of_model(named: Config | str | os.PathLike[str]) -> Config:
    """The config to evaluate the rows of a model by: its own, in the run folder where it lies now. A config
    stays as it is."""
    if isinstance(named, Config):
        return named
    uri = uris.absolute(named)
    config = Config.from_dict(model_folder.read_index(uri)["config"])
    return config.override({"run.folder": storage.parent(uri)})


def _model(config: Config) -> model_folder.Artifact | None:
    """The run's model, if it has one."""
    uri = storage.join(config.run.folder, "model") if config.run.folder else ""
    if uri and model_folder.is_model(uri):
        devices.import_tensorflow()  # before anything else does, and says so
    return model_folder.load(uri) if uri and model_folder.is_model(uri) else None


def _real(config: Config, model: model_folder.Artifact | None) -> RealRows:
    real = real_rows.real_rows(config, model)
    target = config.evaluate.target
    if target and target not in real.kinds:
        raise ConfigError(
            f"evaluate.target = '{target}' is no learned column.", did_you_mean(target, real.kinds)
        )
    return real


def _notes(real: RealRows, tables: list[Synthetic]) -> list[str]:
    """What a reader should know of the rows that are compared."""
    return real.notes + [
        f"the rows of '{table.path}' were generated with {table.choice}, and are compared with all real rows."
        for table in tables
        if table.choice
    ]


def _gate(runs: list[Run], under: dict[str, float], over: dict[str, float]) -> list[RuleRecord]:
    return [
        rule.model_copy(update={"run": run.name})
        for run in runs
        for rule in scorecard.gate(run.scores, under, over)
    ]


def _holdout(real: RealRows, config: Config) -> RealTable | None:
    if not real.has_unseen:
        return None
    return RealTable(
        path=config.evaluate.holdout or real.path, rows=real.holdout.num_rows, chose_model=real.chose_model
    )


def _synthetic(paths: list[str], real: RealRows) -> list[Synthetic]:
    sources = [synthetic_rows.opened(path, real.schema) for path in paths]
    names = synthetic_rows.short_names(paths)
    return [
        Synthetic(path, name, source, synthetic_rows.choice(path), _problems(path, source, real))
        for path, name, source in zip(paths, names, sources, strict=True)
    ]


def _run(
    table: Synthetic, judge: Judge, model: model_folder.Artifact | None, settings: EvaluateSettings, say: Say
) -> Run:
    """Scores of one table of synthetic rows: over all of them, and over a sample where a classifier or a
    neighbour is involved."""
    with storage.reading(table.path):
        say(f"Counting all rows of {table.path} ...")
        counts = counting.tally(table.source, judge.reference)
        if not counts.num_rows:
            raise SchemaError(
                f"synthetic rows '{table.path}' hold no row.", "generate some, or check the path."
            )
        count, seed = min(judge.scorecard.real.num_rows, counts.num_rows), settings.seed
        say(f"  {counts.num_rows:,} rows. Scoring {count:,} of them by models ...")
        sample = synthetic_rows.sample(table.source, list(judge.real.kinds), scorecard.SCORED_ROWS, seed)
        all_rows = counted.scores(judge.reference, counts)
        scores, rules = judge.scores(sample, counts, all_rows), judge.rules.records(table.source)
        if kept := judge.rules.score(rules, counts.num_rows):
            scores["rules_kept"] = kept
        run = Run(
            name=table.name,
            path=table.path,
            rows=counts.num_rows,
            problems=table.problems,
            scores=scores,
            rules=rules,
            memory_rows=judge.scorecard.memory_rows(sample),
            c2st_of_sample=_c2st_of_sample(table, judge, counts.num_rows, settings),
            examples=examples.examples(judge.real.table, sample, judge.reference),
            columns=all_rows.columns,
            pairs=all_rows.pairs,
        )
    if not model or synthetic_rows.generation(table.path).get("fingerprint") != model.fingerprint:
        return run
    update: dict[str, Any] = {"latent": _latent(model, table.path)}
    # The budget is of rows that the sampler alone chose.
    if judge.real.has_unseen and judge.real.holdout.num_rows and not table.choice:
        say("Taking held-out rows through the encoder and the decoder ...")
        update["budget"] = error_budget.budget(model, judge.real, sample, judge.reference, seed)
    return run.model_copy(update=update)


def _c2st_of_sample(
    table: Synthetic, judge: Judge, rows: int, settings: EvaluateSettings
) -> ScoreRecord | None:
    """C2ST of `evaluate.sample_rows` rows; None where the verdict has as many."""
    most, seed = min(judge.real.table.num_rows, rows), settings.seed
    count = min(most, settings.sample_rows)
    if count == min(most, scorecard.SCORED_ROWS):
        return None
    kinds = judge.real.kinds
    real = scorecard.sample(judge.real.table, count, seed)
    score = intervals.c2st(real, synthetic_rows.sample(table.source, list(kinds), count, seed), kinds, seed)
    return ScoreRecord(value=score.value, low=score.low, high=score.high, better="higher", rows=count)


def _problems(path: str, source: Source, real: RealRows) -> list[str]:
    """How rows differ from the real ones and from their manifest, in sentences.

    Raises:
        SchemaError: If they cannot be compared.
    """
    problems = coverage.problems(real.schema, source.schema, real.all_kinds)
    with storage.reading(path):
        problems += synthetic_rows.manifest_problems(source)
        lost = [n for n, kind in real.kinds.items() if not synthetic_rows.readable(source, n, kind)]
        if lost:
            named = f"synthetic rows '{path}' lack {', '.join(lost[:5])} in a form that can be compared: "
            raise SchemaError(named + " ".join(problems), "compare tables of the same columns.")
        synthetic_rows.check_files(source, list(real.kinds))
    return problems


def _latent(model: model_folder.Artifact, path: str) -> LatentReport | None:
    """The model's latent report, with the sampler that these rows were drawn from."""
    report = model_folder.read_report(model.uri)
    if not report:
        return None
    sampler = synthetic_rows.generation(path).get("sampler", report.chosen)
    return report.model_copy(update={"chosen": sampler})

"""The `raygen` command: each verb calls the function of the same name and prints what it returns."""

import argparse
import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import harmonic_mean

from raygen import __version__, score_catalogue, uris
from raygen.config import Config, parse_override
from raygen.errors import ConfigError, GenerationError, RaygenError, TrainingError

FAILED = (TrainingError, GenerationError)


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; exit status 0 done, 1 failed, 2 the user's mistake, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    args = parser().parse_args(arguments)
    args.arguments, args.say = arguments, _say_or_redraw()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    try:
        result = args.verb(args)
    except RaygenError as error:
        if isinstance(args.say, Terminal):
            args.say.end()
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1 if isinstance(error, FAILED) else 2
    except KeyboardInterrupt:
        again = shlex.join(["raygen", *arguments])
        print(f"\nInterrupted. What was finished stays; to go on, run: {again}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if args.json:
        print(json.dumps(result))
    return 0 if result.get("passed", True) else 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="raygen", description="Learn a table with a Keras VAE on Ray, and write synthetic rows."
    )
    top.add_argument("--version", action="version", version=f"raygen {__version__}")
    verbs = top.add_subparsers(title="verbs", required=True, metavar="VERB")

    def verb(name, run, help):
        added = verbs.add_parser(name, help=help, description=help)
        added.add_argument("--json", action="store_true", help="print the result as one JSON line, last")
        added.set_defaults(verb=run)
        return added

    demo = verb(
        "demo", _demo, "the whole way on UCI Adult: train, generate 100,000 rows, compare with real ones"
    )
    demo.add_argument("--folder", default="runs/demo", help="where everything goes (default: runs/demo)")
    _with_overrides(demo)
    init = verb("init", _init, "look at a table and write a commented config to edit")
    init.add_argument("data", metavar="DATA", help="Parquet or CSV, a file or a folder")
    init.add_argument("-o", "--out", default="raygen.toml", help="file to write (default: raygen.toml)")
    init.add_argument("--force", action="store_true", help="replace the file if it exists")
    train = verb("train", _train, "learn the config's table; resumes an unfinished run")
    train.add_argument("config", metavar="CONFIG.toml")
    _with_overrides(train)
    tune = verb("tune", _tune, "search settings with Ray Tune; resumes an unfinished search")
    tune.add_argument("config", metavar="CONFIG.toml")
    _with_overrides(tune)
    generate = verb(
        "generate",
        _generate,
        "write synthetic rows; resumes an unfinished generation, or adds rows to a finished one",
    )
    generate.add_argument("config", metavar="CONFIG.toml|MODEL", help="a config, or a model folder")
    _with_rows(generate)
    verify = verb("verify", _verify, "rows, hash and schema of every shard of a folder against its manifest")
    verify.add_argument("folder", metavar="FOLDER", help="that raygen generate wrote")
    verify.add_argument(
        "--mend",
        action="store_true",
        help="delete the shards that are not as the manifest says, and make them again",
    )
    evaluate = verb("evaluate", _evaluate, "compare synthetic rows with real ones: scores, a report, a gate")
    evaluate.add_argument(
        "config",
        metavar="CONFIG.toml|MODEL",
        nargs="?",
        help="a config, or a model folder; or --real and --synthetic",
    )
    evaluate.add_argument("--real", help="real rows in place of data.source")
    rows = {"nargs": "+", "action": "extend", "default": [], "metavar": "ROWS"}
    evaluate.add_argument(
        "--synthetic", "--compare", **rows, help="synthetic rows, anybody's; several side by side"
    )
    evaluate.add_argument(
        "--holdout", help="real rows that the synthetic ones were made without, in place of evaluate.holdout"
    )
    evaluate.add_argument("--target", help="column to predict, in place of evaluate.target")
    evaluate.add_argument("--out", help="folder of the report in place of report/ in the run folder")
    evaluate.add_argument(
        "--fail-under",
        nargs="+",
        action="extend",
        default=[],
        metavar="SCORE=VALUE",
        help=f"exit 1 if a score is below; scores: {', '.join(score_catalogue.SCORES)}",
    )
    evaluate.add_argument(
        "--fail-over",
        nargs="+",
        action="extend",
        default=[],
        metavar="SCORE=VALUE",
        help="exit 1 if a score is above",
    )
    _with_overrides(evaluate)
    plan = verb("plan", _plan, "what training and generating would take; runs neither")
    plan.add_argument("config", metavar="CONFIG.toml|MODEL", help="a config, or a model folder")
    _with_rows(plan)
    plan.add_argument(
        "--within",
        type=_seconds,
        default=3600.0,
        metavar="TIME",
        help="tell what finishes in 90s, 30m, 1h (default) or 2d",
    )
    inspect = verb("inspect", _inspect, "columns, training and latent report of a model")
    inspect.add_argument("model", metavar="MODEL")
    doctor = verb(
        "doctor",
        _doctor,
        "the latent report of someone else's Keras VAE: what is wrong, where to draw z from, rows drawn so",
    )
    doctor.add_argument(
        "encoder", metavar="ENCODER.keras", help="gives z_mean and z_log_sigma (or z_log_var), and maybe z"
    )
    doctor.add_argument("decoder", metavar="DECODER.keras")
    doctor.add_argument(
        "data", metavar="DATA", help="Parquet or CSV, rows as the encoder was fed: numbers, scaled"
    )
    doctor.add_argument("--generate", type=_rows, default=0, metavar="N", help="write N rows to --out")
    doctor.add_argument("--out", default="", metavar="FILE", help="a new .parquet or .csv file")
    doctor.add_argument("--page", default="", metavar="FILE.html", help="the report with pictures")
    doctor.add_argument("--seed", type=int, default=0, help="of everything drawn (default: 0)")
    doctor.add_argument(
        "--convention",
        default="",
        metavar="log_sigma|log_var",
        help="the draw's std is exp(o) or exp(o / 2); found out if not given",
    )
    doctor.add_argument(
        "--sampler",
        default="auto",
        help="law to draw from: auto, normal, diagonal, gaussian, mixture, flow, naive",
    )
    doctor.add_argument(
        "--mean-only", action="store_true", help="write the decoder's mean, without the residual variance"
    )
    doctor.add_argument(
        "--flow-steps",
        type=int,
        default=4000,
        help="of the flow's training, at most; 0 leaves it out (default: 4000)",
    )
    return top


def _with_overrides(verb) -> None:
    verb.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="settings in place of the config's",
    )


def _with_rows(verb) -> None:
    _with_overrides(verb)
    verb.add_argument("--rows", type=_rows, help="in place of generate.rows; 1e6 works too")
    verb.add_argument(
        "--first-row",
        type=_row,
        metavar="N",
        help="in place of generate.first_row: begin with row N, counted from 0",
    )
    verb.add_argument("--seed", type=int, help="in place of generate.seed")
    verb.add_argument("--out", help="folder in place of synthetic/ beside the model")
    verb.add_argument("--format", help="in place of generate.format: parquet, csv or jsonl")
    verb.add_argument(
        "--shard-mib",
        type=float,
        metavar="MIB",
        help="in place of generate.shard_mib: size of one shard, about",
    )
    verb.add_argument(
        "--partition-by",
        nargs="+",
        action="extend",
        metavar="COLUMN",
        help="in place of generate.partition_by: Hive folders",
    )
    verb.add_argument(
        "--sampler",
        help="latent sampler in place of the model's choice: normal, diagonal, gaussian, learned, "
        "mixture, flow, naive",
    )
    verb.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="in place of generate.temperature: below 1, likely values more often",
    )
    verb.add_argument(
        "--where",
        action="append",
        metavar="CONDITIONS",
        help="only rows such as \"income = '>50K' AND age BETWEEN 30 AND 40\"",
    )
    verb.add_argument(
        "--oversample",
        type=int,
        metavar="K",
        help="keep one row of K drawn, chosen by their density ratio (generate.oversample)",
    )
    verb.add_argument(
        "--per",
        metavar="COLUMN=ROWS",
        help="exactly so many rows of each category of a column, in place of --rows",
    )


def _rows(text: str, least: int = 1) -> int:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value < 2**53 or value != int(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows")
    return int(text) if text.isdigit() else int(value)


def _row(text: str) -> int:
    return _rows(text, 0)


def _seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    try:
        value = float(text[:-1]) * units[text[-1]]
    except (ValueError, KeyError, IndexError):
        value = 0.0
    if not 0 < value < 1e10:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 30m, 1h or 2d")
    return value


class Terminal:
    """Prints lines; `redraw` shows one in place of the last that it showed."""

    drawn = False

    def __call__(self, line: str) -> None:
        self.end()
        print(line, flush=True)

    def redraw(self, line: str) -> None:
        print(f"\r\x1b[K{line}", end="", flush=True)
        self.drawn = True

    def end(self) -> None:
        """Leave the line that is being redrawn as it stands: what comes next stands below it."""
        print("\n" * self.drawn, end="", flush=True)
        self.drawn = False


def _say(line: str) -> None:
    print(line, flush=True)


def _say_or_redraw():
    return Terminal() if sys.stdout.isatty() else _say


def _config_or_model(args) -> Config | str:
    """A config for a .toml file, a model folder for anything else."""
    if args.config.endswith(".toml") or Path(args.config).is_file():
        return Config.load(args.config, args.set)
    if args.set:
        raise ConfigError(
            f"--set has no effect on '{args.config}', a model folder.",
            "use --rows, --seed and --out, or name a config.",
        )
    return args.config


def _asked(args) -> dict:
    """What generate and plan take alike."""
    names = (
        "rows",
        "seed",
        "out",
        "sampler",
        "temperature",
        "per",
        "oversample",
        "first_row",
        "format",
        "shard_mib",
        "partition_by",
    )
    return {"where": " AND ".join(args.where) if args.where else None} | {
        name: getattr(args, name) for name in names
    }


def _demo(args) -> dict:
    from raygen.commands import demo

    return demo.run(args.folder, args.set, _say)


def _init(args) -> dict:
    from raygen.commands import init as starter

    path = starter.init(args.data, args.out, args.force)
    _say(f"Wrote {path}. Look at its [schema.columns], then: raygen train {path}")
    return {"config": str(path)}


def _train(args) -> dict:
    from raygen.training import driver as training

    done = training.train(Config.load(args.config, args.set), _say)
    _say(f"Next: raygen generate {args.config}, or raygen inspect {done.model}")
    m = done.metrics
    state = (
        "was trained before, with the same settings"
        if done.finished_before
        else f"trained in {m['training_seconds']:.0f} s"
    )
    rate = harmonic_mean(h["rows_per_second"] for h in m["history"])
    _say(
        f"Model {done.model} ({done.fingerprint}) {state}: {m['steps']:,} steps on {m['rows']:,} "
        f"rows, {rate:,.0f} rows/s; "
        f"held-out {m['held_out_nats']:.3f} nats/row; z from {done.sampler}."
    )
    return asdict(done)


def _tune(args) -> dict:
    from raygen.report.search import terminal
    from raygen.search import driver as search

    config = Config.load(args.config, args.set)
    done = search.tune(config, shlex.join(["raygen", *args.arguments]), _say)
    for line in terminal.lines(done.search):
        _say(line)
    page, best = (uris.join(done.folder, name) for name in (search.PAGE, search.BEST))
    _say(f"Model {done.model} ({done.fingerprint}); the search: {page}; its best settings: {best}")
    _say(
        f"Next: raygen generate {done.model}, or for a longer run: raygen train {best} --set "
        f"train.steps={2 * config.train.steps}"
    )
    return asdict(done)


def _generate(args) -> dict:
    from raygen.generation import driver as generation

    done = generation.generate(_config_or_model(args), say=args.say, **_asked(args))
    kept = f", {done.kept} of them were there before" if done.kept else ""
    args.say(
        f"Wrote {done.rows:,} rows in {done.shards:,} shard(s){kept} and {done.bytes / 1e6:,.1f} MB "
        f"to {done.folder} in {done.seconds:.0f} s."
    )
    return asdict(done)


def _verify(args) -> dict:
    from raygen.generation import verification

    done = verification.verify(args.folder, args.mend, args.say)
    state = ", ".join(f"{count:,} {kind}" for kind, count in done.found.items()) or "all as the manifest says"
    mended = f", {done.mended:,} of them made again" if args.mend else ""
    args.say(
        f"{done.rows:,} rows in {done.shards:,} whole shard(s){mended}, {done.bytes / 1e6:,.1f} MB, "
        f"in {done.seconds:.0f} s: {state}."
    )
    if done.mendable:
        args.say(f"To mend it, run: {shlex.join(['raygen', 'verify', args.folder, '--mend'])}")
    return asdict(done) | {"passed": done.passed}


def _evaluate(args) -> dict:
    from raygen.evaluation import driver as evaluation
    from raygen.report.evaluation import terminal

    if not args.config and not (args.real and args.synthetic):
        raise ConfigError(
            "nothing to evaluate was named.",
            "name a config, or real rows with --real and synthetic ones with --synthetic.",
        )
    named = _config_or_model(args) if args.config else Config().override(dict(map(parse_override, args.set)))
    config = evaluation.of_model(named) if isinstance(named, str) else named
    if args.real:
        config = config.override({"data.source": args.real} | ({} if args.config else {"run.folder": ""}))
    given = {"evaluate.holdout": args.holdout, "evaluate.target": args.target}
    config = config.override({k: v for k, v in given.items() if v is not None})
    under, over = (dict(map(_limit, pairs)) for pairs in (args.fail_under, args.fail_over))
    command = shlex.join(["raygen", *args.arguments])
    done = evaluation.evaluate(config, args.synthetic, args.out, under, over, command, _say)
    for line in terminal.lines(done.report):
        _say(line)
    page, report = (uris.join(done.folder, name) for name in (evaluation.PAGE, evaluation.REPORT))
    _say(f"The report: {page}, and for machines {report}")
    return {
        "folder": done.folder,
        "passed": done.passed,
        "gate": [rule.model_dump() for rule in done.report.gate],
        "scores": [
            {name: score.model_dump() for name, score in run.scores.items()} for run in done.report.runs
        ],
    }


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    score_catalogue.definition(name)
    try:
        return name, float(value)
    except ValueError:
        raise ConfigError(f"'{text}' is no limit.", "write it as c2st=0.7.") from None


def _plan(args) -> dict:
    from raygen.commands import plan as planning

    return planning.plan(_config_or_model(args), within=args.within, say=_say, **_asked(args))


def _inspect(args) -> dict:
    from raygen.commands import inspect_model

    return inspect_model.inspect(args.model, _say)


def _doctor(args) -> dict:
    from raygen.cluster import devices
    from raygen.diagnosis import driver as diagnosis

    devices.import_tensorflow()
    options = ("generate", "out", "page", "seed", "convention", "sampler", "mean_only", "flow_steps")
    return diagnosis.doctor(
        args.encoder, args.decoder, args.data, say=_say, **{name: getattr(args, name) for name in options}
    )


if __name__ == "__main__":
    sys.exit(main())

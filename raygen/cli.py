"""The `raygen` command: each verb calls the function of the same name and prints what it returns."""

import argparse
import contextlib
import io
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import harmonic_mean

from raygen import score_catalogue, uris
from raygen.cli_parser import COMPLETED_BY, parser
from raygen.config import Config, parse_override
from raygen.config_sections import GenerateSettings
from raygen.errors import ConfigError, GenerationError, RaygenError, TrainingError, printable
from raygen.report import redrawn
from raygen.report.redrawn import Say

FAILED = (TrainingError, GenerationError)


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; exit status 0 done, 1 failed, 2 the user's mistake, 130 interrupted, 143 terminated."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):  # a terminal of few letters gets escapes in place of the others
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    if not arguments:
        parser().print_help()
        return 0
    args = parser().parse_args(arguments)
    args.arguments, args.say = arguments, _say_or_redraw()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    ending: list[int] = []
    try:
        with _terminable(ending):
            result = VERBS[args.verb](args)
    except RaygenError as error:
        if isinstance(args.say, redrawn.Terminal):
            args.say.end()
        lines = [printable(line) for line in str(error).splitlines()]
        print(f"{type(error).__name__}: " + "\n".join(lines), file=sys.stderr)
        return 1 if isinstance(error, FAILED) else 2
    except KeyboardInterrupt:
        again = shlex.join(["raygen", *arguments])
        how = "Terminated (SIGTERM)" if ending else "Interrupted"
        print(f"\n{how}. What was finished stays; to go on, run: {again}", file=sys.stderr)
        return 143 if ending else 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if args.json:
        print(json.dumps(result))
    return 0 if result.get("passed", True) else 1


@contextlib.contextmanager
def _terminable(ending: list[int]) -> Iterator[None]:
    """Make SIGTERM, by which schedulers end a process, what Ctrl-C is; `ending` then holds it."""

    def end(number: int, frame: object) -> None:
        ending.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def _say(line: str) -> None:
    print(printable(line), flush=True)


def _say_or_redraw() -> Say:
    return redrawn.Terminal() if sys.stdout.isatty() else _say


def _config_or_model(args: argparse.Namespace) -> Config | str:
    """A config for a .toml file, a model folder for anything else."""
    if args.config.endswith(".toml") or (Path(args.config).is_file() and not args.config.endswith(".tar")):
        return Config.load(args.config, args.set)
    if args.set:
        raise ConfigError(
            f"--set has no effect on '{args.config}', a model folder.",
            "use --rows, --seed and --out, or name a config.",
        )
    return args.config


def _settings(args: argparse.Namespace) -> dict:
    """What generate and plan take alike: `out`, and the settings of [generate] that have a flag."""
    settings = {name: getattr(args, name) for name in GenerateSettings.model_fields}
    where = " AND ".join(args.where) if args.where else None
    return settings | {"out": args.out, "where": where}


def _demo(args: argparse.Namespace) -> dict:
    from raygen.commands import demo

    return demo.run(args.folder, args.set, _say)


def _init(args: argparse.Namespace) -> dict:
    from raygen.commands import init as starter

    path = starter.init(args.data, args.out, args.force, _say)
    _say(f"Wrote {path}. Look at its [schema.columns], then: {shlex.join(['raygen', 'train', str(path)])}")
    return {"config": str(path)}


def _train(args: argparse.Namespace) -> dict:
    from raygen.training import driver as training

    result = training.train(Config.load(args.config, args.set), _say)
    again = ["raygen", "generate", args.config, *_set_to_generate(args.set)]
    _say(f"Next: {shlex.join(again)}, or {shlex.join(['raygen', 'inspect', result.model])}")
    m = result.metrics
    state = (
        "was trained before, with the same settings"
        if result.finished_before
        else f"trained in {m['training_seconds']:.0f} s"
    )
    rate = harmonic_mean(h["rows_per_second"] for h in m["history"])
    _say(
        f"Model {result.model} ({result.fingerprint}) {state}: {m['steps']:,} steps on {m['rows']:,} "
        f"rows, {rate:,.0f} rows/s; "
        f"held-out {m['held_out_nats']:.3f} nats/row; z from {result.sampler}."
    )
    return result.to_dict()


def _set_to_generate(settings: list[str]) -> list[str]:
    """What `generate` needs of --set of `train`: its own settings, and where the run is."""
    needed = [one for one in settings if parse_override(one)[0].startswith(("run.", "generate."))]
    return ["--set", *needed] if needed else []


def _tune(args: argparse.Namespace) -> dict:
    from raygen.report.search import terminal
    from raygen.search import driver as search

    config = Config.load(args.config, args.set)
    result = search.tune(config, shlex.join(["raygen", *args.arguments]), _say)
    for line in terminal.lines(result.search):
        _say(line)
    page, best = (uris.join(result.folder, name) for name in (search.PAGE, search.BEST))
    _say(f"Model {result.model} ({result.fingerprint}); the search: {page}; its best settings: {best}")
    steps = max((trial.steps or 0 for trial in result.search.trials), default=0)
    _say(
        f"Next: raygen generate {result.model}, or for a longer run: raygen train {best} --set "
        f"train.steps={2 * steps}"
    )
    named = {name: getattr(result, name) for name in ("model", "fingerprint", "folder")}
    return named | {"search": result.search.model_dump()}


def _generate(args: argparse.Namespace) -> dict:
    from raygen.cluster import devices

    devices.start_tensorflow()
    from raygen.generation import driver as generation

    result = generation.generate(_config_or_model(args), say=args.say, **_settings(args))
    kept = f", {result.kept} of them were there before" if result.kept else ""
    args.say(
        f"Wrote {result.rows:,} rows in {result.shards:,} shard(s){kept} and {result.bytes / 1e6:,.1f} MB "
        f"to {result.folder} in {result.seconds:.0f} s."
    )
    return asdict(result)


def _complete(args: argparse.Namespace) -> dict:
    from raygen.cluster import devices

    devices.start_tensorflow()
    from raygen.completion import driver as completion

    settings = {name: getattr(args, name) for name in [*completion.HOW, *COMPLETED_BY]}
    result = completion.complete(args.model, args.partial, args.out, args.say, **settings)
    kept = f", {result.kept} of them were there before" if result.kept else ""
    args.say(
        f"Wrote {result.rows:,} completed rows in {result.shards:,} shard(s){kept} to {result.folder} in "
        f"{result.seconds:.0f} s. They hold the given cells of real rows."
    )
    return asdict(result)


def _score(args: argparse.Namespace) -> dict:
    from raygen.cluster import devices

    devices.start_tensorflow()
    from raygen.completion import scoring

    given = {name: getattr(args, name) for name in ("particles", "seed") if getattr(args, name) is not None}
    given |= {"by_column": args.by_column, "top": args.top}
    result = scoring.score(args.model, args.rows, args.out, say=args.say, **given)
    if result.out:
        args.say(f"Wrote the scores of {result.rows:,} rows to {result.out} in {result.seconds:.0f} s.")
    return asdict(result)


def _verify(args: argparse.Namespace) -> dict:
    from raygen.generation import verification

    result = verification.verify(args.folder, args.repair, args.say)
    state = (
        ", ".join(f"{count:,} {kind}" for kind, count in result.found.items()) or "all as the manifest says"
    )
    repaired = f", {result.repaired:,} of them made again" if args.repair else ""
    args.say(
        f"{result.rows:,} rows in {result.shards:,} whole shard(s){repaired}, {result.bytes / 1e6:,.1f} MB, "
        f"in {result.seconds:.0f} s: {state}."
    )
    if result.repairable:
        args.say(f"To repair it, run: {shlex.join(['raygen', 'verify', args.folder, '--repair'])}")
    return asdict(result) | {"passed": result.passed}


def _evaluate(args: argparse.Namespace) -> dict:
    from raygen.evaluation import driver as evaluation

    if not args.config and not (args.real and args.synthetic):
        raise ConfigError(
            "nothing to evaluate was named.",
            "name a config, or real rows with --real and synthetic ones with --synthetic.",
        )
    named = _config_or_model(args) if args.config else Config().override(dict(map(parse_override, args.set)))
    config = evaluation.of_model(named)
    if args.real:
        config = config.override({"data.source": args.real} | ({} if args.config else {"run.folder": ""}))
    changes = {"evaluate.holdout": args.holdout, "evaluate.target": args.target}
    config = config.override({k: v for k, v in changes.items() if v is not None})
    under, over = (dict(map(_limit, pairs)) for pairs in (args.fail_under, args.fail_over))
    command = shlex.join(["raygen", *args.arguments])
    result = evaluation.evaluate(config, args.synthetic, args.out, under, over, command, _say)
    page, report = (uris.join(result.folder, name) for name in (evaluation.PAGE, evaluation.REPORT))
    _say(f"The report: {page}, and for machines {report}")
    return {
        "folder": result.folder,
        "passed": result.passed,
        "gate": [rule.model_dump() for rule in result.report.gate],
        "scores": [
            {name: score.model_dump() for name, score in run.scores.items()} for run in result.report.runs
        ],
    }


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    score_catalogue.definition(name)
    try:
        return name, float(value)
    except ValueError:
        raise ConfigError(f"'{text}' is no limit.", "write it as c2st=0.7.") from None


def _plan(args: argparse.Namespace) -> dict:
    from raygen.cluster import devices

    devices.start_tensorflow()
    from raygen.commands import plan as planning

    return planning.plan(_config_or_model(args), within=args.within, say=_say, **_settings(args))


def _inspect(args: argparse.Namespace) -> dict:
    from raygen.cluster import devices
    from raygen.commands import inspect_model

    devices.start_tensorflow()
    model = args.model
    if model.endswith(".toml"):
        model = uris.join(Config.load(model).settled().run.folder, "model")
    return inspect_model.inspect(model, _say)


def _pack(args: argparse.Namespace) -> dict:
    from raygen.model import packed

    result = packed.pack(args.model, args.out, args.anyway)
    _say(f"Packed {', '.join(result.files)} ({result.bytes / 1e6:,.1f} MB): {result.path}")
    return asdict(result)


def _unpack(args: argparse.Namespace) -> dict:
    from raygen.model import packed

    result = packed.unpack(args.file, args.out)
    _say(f"Model {result.path} ({result.fingerprint})")
    _say(f"Next: {shlex.join(['raygen', 'inspect', result.path])}")
    return asdict(result)


def _doctor(args: argparse.Namespace) -> dict:
    from raygen.cluster import devices
    from raygen.diagnosis import driver as diagnosis

    devices.start_tensorflow()
    options = ("generate", "out", "page", "seed", "convention", "sampler", "mean_only", "flow_steps")
    return diagnosis.doctor(
        args.encoder, args.decoder, args.data, say=_say, **{name: getattr(args, name) for name in options}
    )


def _help(args: argparse.Namespace) -> dict:
    from raygen.commands import help as manual

    text = manual.page(args.topic) if args.topic else manual.contents()
    print(text)
    return {"topic": args.topic}


VERBS = {
    "demo": _demo,
    "init": _init,
    "train": _train,
    "tune": _tune,
    "generate": _generate,
    "complete": _complete,
    "score": _score,
    "verify": _verify,
    "evaluate": _evaluate,
    "plan": _plan,
    "inspect": _inspect,
    "pack": _pack,
    "unpack": _unpack,
    "doctor": _doctor,
    "help": _help,
}


if __name__ == "__main__":
    sys.exit(main())

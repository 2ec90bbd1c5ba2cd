"""The verbs and flags of the command line."""

import argparse
from functools import partial
from typing import Any, get_args, get_origin

from annotated_types import Ge
from pydantic.fields import FieldInfo

from raygen import __version__, sampler_catalogue, score_catalogue
from raygen.config_sections import GenerateSettings

COMPLETED_BY = ("format", "compression", "csv_safe", "rows_per_shard", "num_actors", "cpus_per_actor")
COMPLETED_AS = {
    "most_likely": "the most likely value of each cell, of numbers the mean, in place of a draw",
    "median": "of numbers the median, not the mean",
    "probability": "beside each column of categories, how likely its most likely value is",
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="raygen", description="Learn a table with a Keras VAE on Ray, and write synthetic rows."
    )
    top.add_argument("--version", action="version", version=f"raygen {__version__}")
    verbs = top.add_subparsers(title="verbs", required=True, metavar="VERB")

    def verb(name: str, help: str) -> argparse.ArgumentParser:
        parser = verbs.add_parser(name, help=help, description=help)
        parser.add_argument("--json", action="store_true", help="print the result as one JSON line, last")
        parser.set_defaults(verb=name)
        return parser

    demo = verb("demo", "the whole way on UCI Adult: train, generate 100,000 rows, compare with real ones")
    demo.add_argument("--folder", default="runs/demo", help="where everything goes (default: runs/demo)")
    _with_overrides(demo)
    init = verb("init", "look at a table and write a commented config to edit")
    init.add_argument("data", metavar="DATA", help="Parquet, CSV, JSON Lines or Feather, a file or a folder")
    init.add_argument("-o", "--out", default="raygen.toml", help="file to write (default: raygen.toml)")
    init.add_argument("--force", action="store_true", help="replace the file if it exists")
    train = verb("train", "learn the config's table; resumes an unfinished run")
    train.add_argument("config", metavar="CONFIG.toml")
    _with_overrides(train)
    tune = verb("tune", "search settings with Ray Tune; resumes an unfinished search")
    tune.add_argument("config", metavar="CONFIG.toml")
    _with_overrides(tune)
    generate = verb(
        "generate",
        "write synthetic rows; resumes an unfinished generation, or adds rows to a finished one",
    )
    generate.add_argument("config", metavar="CONFIG.toml|MODEL", help="a config, or a model folder")
    _with_rows(generate)
    _complete(verb("complete", "fill rows that are given in part; given cells stay as they are"))
    _score(verb("score", "how likely each row of a table is under a model, and which cells make it unlikely"))
    _verify(verb("verify", "rows, hash and schema of every shard of a folder against its manifest"))
    _evaluate(verb("evaluate", "compare synthetic rows with real ones: scores, a report, a gate"))
    plan = verb("plan", "what training, tuning, generating, completing and scoring would take")
    plan.add_argument("config", metavar="CONFIG.toml|MODEL", help="a config, or a model folder")
    _with_rows(plan)
    plan.add_argument(
        "--within",
        type=_seconds,
        default=3600.0,
        metavar="TIME",
        help="tell what finishes in 90s, 30m, 1h (default) or 2d",
    )
    inspect = verb("inspect", "columns, training and latent report of a model")
    inspect.add_argument("model", metavar="MODEL")
    _pack(verb("pack", "write what may leave of a model as one file"))
    _unpack(verb("unpack", "make a model folder of a packed model"))
    _doctor(
        verb(
            "doctor",
            "the latent report of someone else's Keras VAE: what is wrong, where to draw z from, "
            "rows drawn so",
        )
    )
    topic = verb("help", "print a page of the manual, or the list of them")
    topic.add_argument("topic", metavar="TOPIC", nargs="?", default="", help="such as generate, or settings")
    return top


def _complete(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("model", metavar="MODEL", help="a model folder")
    verb.add_argument("partial", metavar="PARTIAL", help="a table with any of the model's columns")
    verb.add_argument(
        "--out", help="folder in place of completed/ beside the model; a name such as rows.csv makes one file"
    )
    verb.add_argument(
        "--fill",
        metavar="all|absent|COLUMN,...",
        help="which missing cells get a value: all; absent: none of columns that are there; or some columns'",
    )
    verb.add_argument("--draws", type=int, metavar="N", help="completed rows for each row (default: 1)")
    for name, text in COMPLETED_AS.items():
        verb.add_argument(f"--{name.replace('_', '-')}", action="store_true", default=None, help=text)
    _with_particles(verb)
    for name in COMPLETED_BY:
        _flag(verb, name, GenerateSettings.model_fields[name])


def _score(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("model", metavar="MODEL", help="a model folder")
    verb.add_argument("rows", metavar="ROWS", help="a table with columns of the model's")
    verb.add_argument("--out", metavar="FILE", help="a .parquet or .csv file for the scores of all rows")
    verb.add_argument(
        "--by-column", action="store_true", help="how surprising each cell is given the others, too"
    )
    verb.add_argument(
        "--top", type=int, default=10, metavar="N", help="least likely rows to list (default: 10)"
    )
    _with_particles(verb)


def _with_particles(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--particles", type=int, metavar="N", help="draws behind each row, a power of two (default: 32)"
    )
    verb.add_argument("--seed", type=int, metavar="N", help="other seeds draw others")


def _verify(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("folder", metavar="FOLDER", help="that raygen generate wrote")
    verb.add_argument(
        "--repair",
        action="store_true",
        help="delete the shards that are not as the manifest says, and make them again",
    )
    verb.add_argument("--mend", dest="repair", action="store_true", help=argparse.SUPPRESS)  # until 0.3


def _evaluate(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "config",
        metavar="CONFIG.toml|MODEL",
        nargs="?",
        help="a config, or a model folder; or --real and --synthetic",
    )
    verb.add_argument("--real", help="real rows in place of data.source")
    rows: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "ROWS"}
    verb.add_argument(
        "--synthetic", "--compare", **rows, help="synthetic rows, anybody's; several side by side"
    )
    verb.add_argument(
        "--holdout", help="real rows that the synthetic ones were made without, in place of evaluate.holdout"
    )
    verb.add_argument("--target", help="column to predict, in place of evaluate.target")
    verb.add_argument("--out", help="folder of the report in place of report/ in the run folder")
    verb.add_argument(
        "--fail-under",
        nargs="+",
        action="extend",
        default=[],
        metavar="SCORE=VALUE",
        help=f"exit 1 if a score is below; scores: {', '.join(score_catalogue.SCORES)}",
    )
    verb.add_argument(
        "--fail-over",
        nargs="+",
        action="extend",
        default=[],
        metavar="SCORE=VALUE",
        help="exit 1 if a score is above",
    )
    _with_overrides(verb)


def _pack(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("model", metavar="MODEL", help="a model folder")
    verb.add_argument("--out", default="", metavar="FILE.tar", help="a new file (default: MODEL.tar)")
    verb.add_argument("--anyway", action="store_true", help="even if [privacy] lets more in than by default")


def _unpack(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("file", metavar="FILE.tar", help="what raygen pack wrote")
    verb.add_argument("--out", default="", metavar="FOLDER", help="a new folder (default: FILE)")


def _doctor(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "encoder", metavar="ENCODER.keras", help="gives z_mean and z_log_sigma (or z_log_var), and maybe z"
    )
    verb.add_argument("decoder", metavar="DECODER.keras")
    verb.add_argument(
        "data", metavar="DATA", help="Parquet or CSV, rows as the encoder was fed: numbers, scaled"
    )
    verb.add_argument("--generate", type=_rows, default=0, metavar="N", help="write N rows to --out")
    verb.add_argument("--out", default="", metavar="FILE", help="a new .parquet or .csv file")
    verb.add_argument("--page", default="", metavar="FILE.html", help="the report with pictures")
    verb.add_argument("--seed", type=int, default=0, help="of everything drawn (default: 0)")
    verb.add_argument(
        "--convention",
        default="",
        metavar="log_sigma|log_var",
        help="the draw's std is exp(o) or exp(o / 2); found out if not given",
    )
    verb.add_argument(
        "--sampler",
        default="auto",
        help=f"law to draw from: {', '.join(('auto', *sampler_catalogue.FITTED))}",
    )
    verb.add_argument(
        "--mean-only", action="store_true", help="write the decoder's mean, without the residual variance"
    )
    verb.add_argument(
        "--flow-steps",
        type=int,
        default=4000,
        help="of the flow's training, at most; 0 leaves it out (default: 4000)",
    )


def _with_overrides(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="settings in place of the config's",
    )


def _with_rows(verb: argparse.ArgumentParser) -> None:
    """A flag for each setting of `[generate]`."""
    _with_overrides(verb)
    verb.add_argument(
        "--out", help="folder in place of synthetic/ beside the model; a name such as rows.csv makes one file"
    )
    for name, setting in GenerateSettings.model_fields.items():
        _flag(verb, name, setting)


def _flag(verb: argparse.ArgumentParser, name: str, setting: FieldInfo) -> None:
    choices = [choice for choice in get_args(setting.annotation) if isinstance(choice, str)]
    text = f"{setting.description}" + (f" ({', '.join(choices)})" if choices else "")
    verb.add_argument(f"--{name.replace('_', '-')}", help=text.replace("%", "%%"), **_kind(name, setting))


def _kind(name: str, setting: FieldInfo) -> dict[str, Any]:
    """How argparse reads a setting."""
    if name == "where":
        return {"action": "append", "metavar": "CONDITIONS"}
    if name == "per":
        return {"metavar": "COLUMN=ROWS"}
    if get_origin(setting.annotation) is list:
        return {"nargs": "+", "action": "extend", "metavar": "COLUMN"}
    if setting.annotation is bool:
        return {"action": "store_true", "default": None}
    if setting.annotation is int and "row" in name:
        least: Any = next((m.ge for m in setting.metadata if isinstance(m, Ge)), 0)
        return {"type": partial(_rows, least=least), "metavar": "N"}
    if setting.annotation in (int, float):
        return {"type": setting.annotation, "metavar": "N"}
    return {"metavar": name.upper()}


def _rows(text: str, least: int = 1) -> int:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value < 2**53 or value != int(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows")
    return int(text) if text.isdigit() else int(value)


def _seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    try:
        value = float(text[:-1]) * units[text[-1]]
    except (ValueError, KeyError, IndexError):
        value = 0.0
    if not 0 < value < 1e10:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 30m, 1h or 2d")
    return value

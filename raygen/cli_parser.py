"""The verbs and flags of the command line."""

import argparse
from typing import Any

from raygen import __version__, sampler_catalogue, score_catalogue


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="raygen", description="Learn a table with a Keras VAE on Ray, and write synthetic rows."
    )
    top.add_argument("--version", action="version", version=f"raygen {__version__}")
    verbs = top.add_subparsers(title="verbs", required=True, metavar="VERB")

    def verb(name: str, help: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=help, description=help)
        added.add_argument("--json", action="store_true", help="print the result as one JSON line, last")
        added.set_defaults(verb=name)
        return added

    demo = verb("demo", "the whole way on UCI Adult: train, generate 100,000 rows, compare with real ones")
    demo.add_argument("--folder", default="runs/demo", help="where everything goes (default: runs/demo)")
    _with_overrides(demo)
    init = verb("init", "look at a table and write a commented config to edit")
    init.add_argument("data", metavar="DATA", help="Parquet or CSV, a file or a folder")
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
    verify = verb("verify", "rows, hash and schema of every shard of a folder against its manifest")
    verify.add_argument("folder", metavar="FOLDER", help="that raygen generate wrote")
    verify.add_argument(
        "--repair",
        action="store_true",
        help="delete the shards that are not as the manifest says, and make them again",
    )
    verify.add_argument("--mend", dest="repair", action="store_true", help=argparse.SUPPRESS)  # until 0.3
    evaluate = verb("evaluate", "compare synthetic rows with real ones: scores, a report, a gate")
    evaluate.add_argument(
        "config",
        metavar="CONFIG.toml|MODEL",
        nargs="?",
        help="a config, or a model folder; or --real and --synthetic",
    )
    evaluate.add_argument("--real", help="real rows in place of data.source")
    rows: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "ROWS"}
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
    plan = verb("plan", "what training and generating would take; runs neither")
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
    doctor = verb(
        "doctor",
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
        help=f"law to draw from: {', '.join(('auto', *sampler_catalogue.FITTED))}",
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
    topic = verb("help", "print a page of the manual, or the list of them")
    topic.add_argument("topic", metavar="TOPIC", nargs="?", default="", help="such as generate, or settings")
    return top


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
        "--csv-safe",
        action="store_true",
        default=None,
        help="in place of generate.csv_safe: an apostrophe before text that begins as a formula does",
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
        help=f"latent sampler in place of the model's choice: {', '.join(sampler_catalogue.NAMES)}",
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

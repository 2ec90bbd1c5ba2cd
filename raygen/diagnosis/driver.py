"""`raygen doctor`: the latent diagnosis of a Keras VAE that someone else trained, and rows from the law that
its z should be drawn from."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from raygen import rng, storage
from raygen.diagnosis import defects
from raygen.diagnosis import networks as foreign
from raygen.errors import ConfigError, OutputError, did_you_mean
from raygen.report.latent import page as latent_page
from raygen.report.latent import terminal
from raygen.report.latent.record import LatentReport
from raygen.report.redrawn import Say
from raygen.sampler_catalogue import FITTED, NAIVE

if TYPE_CHECKING:
    import keras

HELD_SHARE, HELD_ROWS = 0.1, 100  # held out of the samplers, but at least so many rows
MEANT = {"log_sigma": "a log standard deviation, std = exp(o)", "log_var": "a log variance, std = exp(o / 2)"}


def doctor(
    encoder: "str | Path | keras.Model",
    decoder: "str | Path | keras.Model",
    data: str,
    generate: int = 0,
    out: str = "",
    page: str = "",
    seed: int = 0,
    convention: str = "",
    sampler: str = "auto",
    mean_only: bool = False,
    flow_steps: int = 4000,
    say: Say = print,
) -> dict:
    """Say what is wrong with a trained VAE and where its z should be drawn from; write rows drawn so.

    Args:
        encoder, decoder: `.keras` files, or keras.Model; the encoder gives z_mean, o (a log variance or log
            standard deviation) and maybe z.
        data: Parquet or CSV, rows as the encoder was fed in training.
        generate: Rows to write to `out`.
        out: A new .parquet or .csv file.
        page: An .html file for the report with pictures.
        seed: Of everything drawn; the same seed gives the same rows.
        convention: "log_sigma" or "log_var": how the draw takes o; found out if empty.
        sampler: The law to draw from; "auto" is the one chosen on held-out rows.
        mean_only: Write the decoder's mean without the residual variance.
        flow_steps: Of the flow's training, at most; 0 leaves it out.
        say: Where lines go.

    Returns:
        `defects`, `convention`, `outputs`, `holes`, `notes`, `latent` (the report) and what was written.

    Raises:
        ConfigError, ModelError, SchemaError, OutputError: For a user's mistake.
    """
    _check(generate, out, page, seed, convention, sampler, flow_steps)
    d = _diagnosed(foreign.load(encoder, decoder), data, convention, sampler, flow_steps, seed, say)
    wrong = defects.find(d.figures, d.report)
    for line in _lines(wrong, d.notes, d.report):
        say(line)
    if page:
        storage.write(page, _page(wrong, d.notes, d.report, Path(data).name).encode())
        say(f"The same with pictures: {page}")
    if generate:
        _generate(d, generate, out, mean_only, seed, say)
    return {
        "defects": wrong,
        **d.figures,
        "notes": d.notes,
        "latent": d.report.to_dict(),
        "page": page,
        "out": out,
        "rows_written": generate,
    }


@dataclass(frozen=True)
class Diagnosis:
    """What was measured of a VAE.

    Attributes:
        schema: Of the table.
        variance: Residual variance of each column.
        figures: By which defects are found.
        notes: Sentences on what is no defect, but to be known.
    """

    networks: foreign.Networks
    schema: pa.Schema
    samplers: dict
    report: LatentReport
    variance: np.ndarray
    figures: dict
    notes: list[str]


def _diagnosed(
    networks: foreign.Networks, data: str, convention: str, sampler: str, flow_steps: int, seed: int, say: Say
) -> Diagnosis:
    table, there = foreign.read_table(data, networks, seed)
    from raygen.diagnosis import measurements

    x, names = foreign.matrix(table), table.column_names
    order = rng.generator(seed, "doctor split").permutation(len(x))
    held = max(int(HELD_SHARE * len(x)), HELD_ROWS)
    held_x, x = x[np.sort(order[:held])], x[np.sort(order[held:])]
    say(
        f"Encoder: {networks.width} columns -> z of {networks.latent_dim}; decoder: z -> "
        f"{networks.columns_out}. {there:,} rows of '{data}'."
    )
    codes, held_codes = networks.encode(x), networks.encode(held_x)
    spread = measurements.read_convention(networks, x, codes, convention, seed)
    rows, held_rows = (measurements.posteriors(c, spread["draw"]) for c in (codes, held_codes))
    outputs, variance = measurements.outputs(networks, names, held_x, held_rows, seed)
    samplers, report = measurements.fit(
        networks, names, (x, held_x), (rows, held_rows), variance**0.5, sampler, flow_steps, seed, say
    )
    holes = measurements.holes(rows, held_rows, samplers, seed)
    figures = {"convention": spread, "outputs": outputs, "holes": holes}
    notes = _notes(figures, networks, there, len(table))
    return Diagnosis(networks, table.schema, samplers, report, variance, figures, notes)


def _generate(d: Diagnosis, rows: int, out: str, mean_only: bool, seed: int, say: Say) -> None:
    """Write rows drawn from the chosen law."""
    from raygen.diagnosis import measurements

    if d.report.chosen == NAIVE:
        say(
            "Warning: --sampler naive drops the variance of z_mean; its rows lie near the "
            "decoder's average row."
        )
    scale = np.zeros(len(d.variance)) if mean_only else d.variance**0.5
    block = measurements.blocks(d.networks, d.samplers[d.report.chosen], scale, seed)
    _write(block, d.schema, rows, out)
    around = "the decoder's mean alone" if mean_only else "the decoder's mean and the residual variance"
    say(f"Wrote {rows:,} rows to {out}: z from {d.report.chosen}, {around}.")


def _page(wrong: list[dict[str, str]], notes: list[str], report: LatentReport, name: str) -> str:
    """The report with pictures, as HTML; `name` is the table's."""
    sentences = [f"{d['text']} To mend it: {d['mend']}." for d in wrong] or ["No defect was found."]
    report = report.model_copy(update={"unsettled": sentences + notes})
    return latent_page.render(report, f"Where to draw z from: {name}")


def _check(
    generate: int, out: str, page: str, seed: int, convention: str, sampler: str, flow_steps: int
) -> None:
    if bool(generate) != bool(out):
        raise ConfigError(
            "rows are written with --generate and --out together; one of them came.", "give both, or none."
        )
    if generate < 0 or seed < 0 or flow_steps < 0:
        raise ConfigError(
            f"generate = {generate}, seed = {seed}, flow_steps = {flow_steps}: none may be negative.",
            "give 0 or more.",
        )
    if out and not out.lower().endswith((".parquet", ".csv")):
        raise ConfigError(f"--out '{out}' is neither .parquet nor .csv.", "let it end so.")
    if page and not page.lower().endswith((".html", ".htm")):
        raise ConfigError(f"--page '{page}' is no .html file.", "let it end in .html.")
    if convention and convention not in tuple(MEANT):
        raise ConfigError(f"--convention '{convention}' is unknown.", did_you_mean(convention, tuple(MEANT)))
    if sampler != "auto" and sampler not in FITTED:
        raise ConfigError(f"--sampler '{sampler}' is unknown.", did_you_mean(sampler, FITTED))
    if sampler == "flow" and not flow_steps:
        raise ConfigError(
            "--sampler flow, but --flow-steps 0 leaves the flow out.", "leave out --flow-steps."
        )
    if generate and storage.exists(out):
        raise OutputError(f"'{out}' exists already.", "choose another file with --out.")


def _notes(figures: dict, networks: foreign.Networks, there: int, taken: int) -> list[str]:
    """What is no defect, but to be known."""
    spread, share = figures["convention"], figures["outputs"]["residual_share_median"]
    meant = defects.CONVENTIONS[spread["convention"]] if spread["told"] else MEANT[spread["draw"]]
    notes = [
        f"The encoder's second output o ('{networks.spread_name}') is taken as {meant} ({spread['why']})."
    ]
    if spread["misfits"] and not spread["told"]:
        notes.append(
            "Whether the KL takes it in the same way, the weights do not tell: training has not come "
            "to rest, or its loss is another."
        )
    notes.append(
        f"The decoder's mean alone lacks the residual variance, {100 * share:.0f} % of the median "
        "column's variance; rows are drawn around it so."
    )
    notes.append(
        "If the network was trained on these very rows, its z fits them better than it would new "
        "ones: give rows kept back from training too."
    )
    if taken < there:
        notes.append(
            f"The table has {there:,} rows; {taken:,} of them were drawn by the seed, and are all "
            "that was looked at."
        )
    return notes


def _lines(found: list[dict[str, str]], notes: list[str], report: LatentReport) -> list[str]:
    out = [""]
    out.append(
        "No defect was found."
        if not found
        else f"Found {len(found)} defect{'s' * (len(found) > 1)}, the worst first:"
    )
    for i, d in enumerate(found, 1):
        out += textwrap.wrap(
            f"{i}. {d['name']} ({d['severity']}): {d['text']} To mend it: {d['mend']}.",
            terminal.WIDTH,
            subsequent_indent="   ",
        )
    out.append("")
    for note in notes:
        out += textwrap.wrap(note, terminal.WIDTH, subsequent_indent="  ")
    return [*(line.encode("ascii", "replace").decode() for line in out), "", *terminal.lines(report)]


def _write(
    block: Callable[[int], tuple[np.ndarray, np.ndarray]], schema: pa.Schema, rows: int, out: str
) -> None:
    """Exactly `rows` rows, block by block, whole or not at all."""
    with storage.whole(out) as stream:
        writer = (
            pq.ParquetWriter(stream, schema)
            if out.lower().endswith(".parquet")
            else pacsv.CSVWriter(stream, schema)
        )
        with writer:
            written = 0
            while written < rows:
                drawn = block(written // foreign.BATCH_ROWS)[1][: rows - written]
                arrays = [
                    pa.array(column, pa.float64()).cast(f.type, safe=False)
                    for column, f in zip(drawn.T, schema, strict=True)
                ]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                written += len(drawn)

"""`raygen demo`: the whole way on the bundled UCI Adult table, and a look at how good the rows are."""

from collections.abc import Iterable
from dataclasses import asdict
from importlib import resources

import pyarrow.dataset as pads
import pyarrow.parquet as pq

from raygen import filesystems, rng, storage, uris
from raygen.config import Config
from raygen.generation import driver as generation
from raygen.metrics import fidelity
from raygen.metrics.row_codes import take
from raygen.model import folder as model_folder
from raygen.report.redrawn import Say
from raygen.training import driver as training

ROWS = 100_000
SCORED_ROWS = 16_000
NAMES = {
    "synthetic": "synthetic rows",
    "ceiling": "other real rows (ceiling)",
    "floor": "columns shuffled (floor)",
}


def adult() -> str:
    """Path of the bundled table: 32,561 x 15 (Becker and Kohavi 1996, CC BY 4.0)."""
    return str(resources.files("raygen") / "datasets" / "adult.parquet")


def run(folder: str = "runs/demo", overrides: Iterable[str] = (), say: Say = print) -> dict:
    """Train on UCI Adult, write 100,000 rows, and compare them with real ones.

    Args:
        folder: Run folder.
        overrides: `section.key=value` settings.
        say: Called with each line.
    """
    from raygen.config import parse_override

    config = Config().override({"run.folder": folder, "data.source": adult(), "generate.rows": ROWS})
    config = config.override(dict(map(parse_override, overrides)))
    trained = training.train(config, say)
    made = generation.generate(config, say=say)
    say(
        f"Wrote {made.rows:,} rows to {made.folder}: the columns, types and precision of the "
        f"{trained.metrics['rows']:,} real ones."
    )
    say("")
    quality = compare(trained.model, made.folder)
    say(
        f"{'':28}{'Shape error':>12}{'Trend error':>13}{'C2ST':>8}   (a classifier tells them from "
        "real rows: 0 always, 1 never)"
    )
    for name, title in NAMES.items():
        row = quality[name]
        say(f"{title:28}{row.shape_error:>10.2f} %{row.trend_error:>11.2f} %{row.c2st:>8.3f}")
    say("")
    say(
        'Look at them:    python -c "import pandas; '
        f"print(pandas.read_parquet('{made.folder}/part-00000000.parquet'))\""
    )
    say(f"A million more:  raygen generate {trained.model} --rows 1e6 --seed 1 --out {folder}/million")
    say(f"All scores:      raygen evaluate {trained.model} --target income")
    say(
        "Your own table:  raygen init YOUR.parquet -o mine.toml && raygen train mine.toml && raygen "
        "generate mine.toml"
    )
    figures = {name: asdict(scores) for name, scores in quality.items()}
    return {"model": trained.model, "synthetic": made.folder, "rows": made.rows, "quality": figures}


def compare(model: str, folder: str, seed: int = 0) -> dict[str, fidelity.Fidelity]:
    """Quality of a folder of synthetic rows beside its floor and ceiling, on equal numbers of rows: half of
    the real table is the reference, the other half the ceiling."""
    found = model_folder.load(model)
    kinds = {name: found.codec.schema.kinds[name] for name in found.codec.schema.learned}
    real = pq.read_table(uris.absolute(found.config.data.source))
    rows = rng.generator(seed, "demo halves").permutation(real.num_rows)
    shards = sorted(i.path for i in storage.listing(folder) if i.path.endswith(".parquet"))
    synthetic = pads.dataset(shards, filesystem=filesystems.resolve(folder)[0]).head(SCORED_ROWS)
    half = min(real.num_rows // 2, SCORED_ROWS)
    reference, holdout = (take(real, part) for part in (rows[:half], rows[half : 2 * half]))
    return fidelity.quality(reference, holdout, synthetic, kinds, seed)

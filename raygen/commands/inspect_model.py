"""`raygen inspect`: what a model folder holds, in words and figures."""

import os

from raygen import storage, uris
from raygen.codec.bins import NumericBlock
from raygen.codec.block import Block
from raygen.codec.categories import CategoryBlock
from raygen.codec.contents import Content, contents
from raygen.config import refusing_others
from raygen.config_privacy import PrivacySettings
from raygen.model import folder as model_folder
from raygen.report.latent import terminal
from raygen.report.redrawn import Say
from raygen.table.part import Part

USES = {
    "computed": "computed in every row",
    "difference": "the difference is learned",
    "tied": "learned: when it holds",
    "override": "kept in every row",
    "checked": "not used",
}


@refusing_others
def inspect(model: str | os.PathLike[str], say: Say = print) -> dict:
    """Print columns, training and latent samplers of a model; the same as a dict.

    Raises:
        ModelError: If the model is missing or damaged.
    """
    found = model_folder.load(uris.absolute(model))
    m = found.metrics
    say(f"Model {found.uri}  fingerprint {found.fingerprint}")
    say(f"Learned from {m['rows']:,} rows of {found.config.data.source}")
    say("")
    say(f"{'column':24} {'kind':12} {'type':22} codes")
    columns = {}
    for field in found.codec.schema.arrow:
        kind = found.codec.schema.kinds[field.name]
        own = [part for part in Part.every(field.name) if part in found.codec.blocks]
        codes = " + ".join(_codes(found.codec.blocks[part]) for part in own)
        if kind == "fake" and found.codec.fakes:
            missing = ", missing" if Part(field.name) in found.codec.blocks else ""
            codes = f"{found.codec.fakes.columns[field.name]}, {found.codec.fakes.state.locale}{missing}"
        if field.name in found.codec.reduction.computed:
            codes = "computed"
        if count := len(found.codec.explained.get(Part(field.name), ())):
            codes += f", {count} relation{'s' * (count > 1)}"
        columns[field.name] = {"kind": kind, "type": str(field.type), "codes": codes}
        say(f"{field.name[:24]:24} {kind:12} {str(field.type)[:22]:22} {codes or '-'}")
    held = contents(found.codec, m["rows"])
    for use in found.codec.reduction.uses:
        how = USES["override" if use.relation in found.codec.reduction.emptying else use.how]
        say(f"Relation: {use.relation.column} {use.relation.phrase} ({how})")
    say("")
    for line in held_lines(held, found.config.privacy):
        say(line)
    say("")
    say(
        f"Training: {m['steps']:,} steps in {m['training_seconds']:.0f} s; the weights kept are those "
        f"of step {m['kept_step']:,}."
    )
    say("   step   epoch  reconstruction      KL   (held-out, nats/row)")
    for h in m["history"][:: max(1, len(m["history"]) // 10)]:
        say(f"{h['step']:7,} {h['epoch']:7.1f} {h['held_out_reconstruction']:15.3f} {h['held_out_kl']:7.3f}")
    report = model_folder.read_report(found.uri)
    if report:
        say("")
        say("Where z is drawn from:")
        for line in terminal.lines(report):
            say(line)
        page = storage.join(found.uri, model_folder.PAGE)
        if storage.exists(page):
            say(f"The same with pictures: {page}")
    return {
        "model": found.uri,
        "fingerprint": found.fingerprint,
        "sampler": found.sampler,
        "columns": columns,
        "relations": [use.to_dict() for use in found.codec.reduction.uses],
        "contents": [one.to_dict() for one in held],
        "metrics": m,
        "latent": report.to_dict() if report else None,
    }


def held_lines(held: list[Content], settings: PrivacySettings) -> list[str]:
    """The section on what of the table a model holds."""
    lines = ["What of the table is in this model:"]
    lines += [f"  {one.name[:30]:30} {one.sentence}" for one in held]
    least = min((one.rows for one in held if one.rows is not None), default=None)
    if least is not None:
        lines.append(f"  The fewest rows behind a stored string, pair or frequent value: {least:,}.")
    columns = "".join(f", privacy.columns.{name} = {rows}" for name, rows in settings.columns.items())
    public = f", privacy.public = {settings.public}" if settings.public else ""
    unit = f", privacy.unit = {settings.unit}" if settings.unit else ""
    lines.append(f"  In force: privacy.min_rows = {settings.min_rows}{columns}{public}{unit}.")
    if any(one.min_rows == 1 and one.what != "pairs" for one in held):
        lines.append("  Columns of min_rows = 1 are stored as they are: it has values of single rows.")
    return [*lines, "  None of this is differential privacy: the network may still remember combinations."]


def _codes(block: Block) -> str:
    if isinstance(block, NumericBlock):
        bars = int(block.is_bar.sum())
        words = f"{len(block.grid) - bars} atoms, {bars} bars"
    elif isinstance(block, CategoryBlock):
        words = f"{len(block.members)} categories" + (
            f" in {block.num_codes} codes" if block.num_codes < len(block.members) else ""
        )
    else:
        words = "Gaussian" if block.has_offset.any() else "one value"
    return words + (", missing" if block.missing else "")

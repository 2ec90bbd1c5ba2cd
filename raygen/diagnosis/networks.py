"""Someone else's trained networks and their table: read from files without running code from them, and
checked against each other."""

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.errors import ModelError, SchemaError, listed
from raygen.table.source import Source

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

BATCH_ROWS = 2048
MIN_ROWS = 200
MAX_ROWS = 100_000
MAX_LOG_VAR = 20.0
PARTS = ("config.json", "metadata.json", "model.weights.h5")
CODE = ("Lambda", "__lambda__")
RESAVE = (
    "save a model that ends at z_mean and z_log_sigma: keras.Model(encoder.inputs, "
    "encoder.outputs[:2]).save('encoder.keras'), "
    "or by layer names: keras.Model(encoder.inputs, [encoder.get_layer('Z-Mean').output, "
    "encoder.get_layer('Z-Log-Sigma').output])."
)
REWRITE = (
    "build the decoder of keras' own layers, set its weights with set_weights, and save it with "
    "decoder.save('decoder.keras')."
)


@dataclass(frozen=True)
class Networks:
    """An encoder and a decoder that fit each other.

    Attributes:
        encoder, decoder: keras.Model.
        width: Columns that the encoder takes.
        latent_dim: Of z.
        outputs: 2 (z_mean, o), or 3 with z.
        columns_out: Width of the decoder's output.
        spread_name: Of the layer that gives o.
    """

    encoder: "keras.Model"
    decoder: "keras.Model"
    width: int
    latent_dim: int
    outputs: int
    columns_out: int
    spread_name: str

    def encode(self, x: np.ndarray) -> list[np.ndarray]:
        """z_mean, o and, with three outputs, z, each float32 of shape (rows, latent_dim).

        Raises:
            ModelError: If one of them is not finite.
        """
        found = _in_batches(self.encoder, x)
        for name, values in zip(("z_mean", "z_log_sigma", "z"), found, strict=False):
            bad = ~np.isfinite(values).all(axis=1)
            if bad.any():
                raise ModelError(
                    f"the encoder's {name} is not finite in {bad.sum():,} of {len(x):,} rows.",
                    "train it again, with a lower rate.",
                )
        return found

    def decode(self, z: np.ndarray) -> np.ndarray:
        """The decoder's output, float32 of shape (rows, columns_out)."""
        return _in_batches(self.decoder, z)[0]

    def decode_graph(self, z: "tf.Tensor") -> "tf.Tensor":
        """The same in graph."""
        return self.decoder(z, training=False)


def load(encoder: "str | Path | keras.Model", decoder: "str | Path | keras.Model") -> Networks:
    """Two networks from `.keras` files, or as keras.Model of the caller's own.

    Raises:
        ModelError: If a file is no `.keras` file, holds code, is damaged, or the two are no encoder and
            decoder of one VAE.
    """
    import keras

    encoder, decoder = _model(encoder, "encoder", RESAVE), _model(decoder, "decoder", REWRITE)
    inputs, outputs = _shapes(encoder, "encoder")
    if len(inputs) != 1 or len(inputs[0]) != 2 or inputs[0][1] is None:
        raise ModelError(
            f"the encoder takes {_show(inputs)}; one table of shape (rows, columns) was expected.",
            "join its inputs to one.",
        )
    if isinstance(getattr(encoder, "output", None), dict):
        raise ModelError(
            f"the encoder gives a dict of {listed(sorted(encoder.output))}.",
            "let it give a list: z_mean, z_log_sigma and, if need be, z.",
        )
    same = len(set(outputs)) == 1 and len(outputs[0]) == 2 and outputs[0][1] is not None
    if len(outputs) not in (2, 3) or not same:
        expected = (
            "two or three of one shape (rows, latent_dim) were expected: z_mean, z_log_sigma "
            "and, if need be, z"
        )
        raise ModelError(
            f"the encoder gives {_show(outputs)}; {expected}.",
            "save keras.Model(encoder.inputs, [z_mean, z_log_sigma]).",
        )
    names = [tensor._keras_history.operation.name.lower() for tensor in encoder.outputs]
    if "mean" in names[1] and "mean" not in names[0]:
        raise ModelError(
            f"the encoder gives '{names[0]}' and then '{names[1]}'; z_mean was expected first.",
            "turn them round.",
        )
    latent_dim = int(outputs[0][1])
    taken, given = _shapes(decoder, "decoder")
    if taken != [(None, latent_dim)]:
        raise ModelError(
            f"the decoder takes {_show(taken)}; z of the encoder is {_show([(None, latent_dim)])}.",
            "give the decoder of this encoder.",
        )
    width = int(inputs[0][1])
    if len(given) != 1 or len(given[0]) != 2 or given[0][1] not in (1, width):
        expected = f"{_show([(None, width)])} was expected, the rows that the encoder takes"
        raise ModelError(
            f"the decoder gives {_show(given)}; {expected}.",
            "give the decoder of this encoder, with one output: the reconstruction.",
        )
    encoder, decoder = (
        keras.Model(m.inputs[0], list(m.outputs)) for m in (encoder, decoder)
    )  # whose call takes a tensor, not a list of one
    return Networks(encoder, decoder, width, latent_dim, len(outputs), int(given[0][1]), names[1])


def read_table(uri: str, networks: Networks, seed: int = 0) -> tuple[pa.Table, int]:
    """The rows that the encoder was fed, MAX_ROWS of them at most, drawn by `seed` and in their order, and
    the rows there are.

    Raises:
        SchemaError: If the columns are not `networks.width` numbers without missing values, or there are
            fewer than MIN_ROWS rows.
    """
    source = Source.open(uri)
    texts = [f.name for f in source.schema if not _is_number(f.type)]
    if texts:
        raise SchemaError(
            f"'{uri}' has columns that are not numbers: {listed(texts)}.",
            "give the table as the encoder was fed: encoded and scaled.",
        )
    names = source.schema.names
    if len(names) != networks.width:
        few = listed(names, 5)
        hint = "give the columns that the encoder was fed, in their order; leave out an index or a target."
        raise SchemaError(
            f"'{uri}' has {len(names)} columns ({few}); the encoder takes {networks.width}.", hint
        )
    rows = sum(source.count_rows())
    if rows < MIN_ROWS:
        raise SchemaError(
            f"'{uri}' has {rows} rows; at least {MIN_ROWS} are needed.",
            "give more of the rows that the network was trained on.",
        )
    taken = np.sort(rng.generator(seed, "doctor rows").choice(rows, min(rows, MAX_ROWS), replace=False))
    pieces, first = [], 0
    for batch in source.batches():
        here = taken[np.searchsorted(taken, first) : np.searchsorted(taken, first + batch.num_rows)] - first
        pieces.append(batch.take(pa.array(here)))
        first += batch.num_rows
    table = pa.Table.from_batches(pieces, source.schema)
    wide = pa.schema(
        [(f.name, f.type if pa.types.is_floating(f.type) else pa.float64()) for f in source.schema]
    )
    table = table.cast(wide, safe=False)
    bad = {n: int((~np.isfinite(_column(table, n))).sum()) for n in names}
    if holes := [f"{n} ({count:,})" for n, count in bad.items() if count]:
        raise SchemaError(
            f"'{uri}' has missing or infinite values in {listed(holes)}.",
            "fill them as they were filled for training.",
        )
    return table, rows


def matrix(table: pa.Table) -> np.ndarray:
    """The rows as float32 of shape (rows, columns)."""
    return np.stack([_column(table, name) for name in table.column_names], axis=1).astype(np.float32)


def _column(table: pa.Table, name: str) -> np.ndarray:
    return table[name].cast(pa.float64()).to_numpy()  # null becomes nan


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _in_batches(model: "keras.Model", x: np.ndarray) -> list[np.ndarray]:
    import tensorflow as tf

    pieces = []
    for start in range(0, len(x), BATCH_ROWS):
        piece = tf.constant(x[start : start + BATCH_ROWS], tf.float32)
        found = model(piece, training=False)
        pieces.append(
            [np.asarray(f, np.float32) for f in (found if isinstance(found, list | tuple) else [found])]
        )
    return [np.concatenate(p) for p in zip(*pieces, strict=True)]


def _model(given: "str | Path | keras.Model", role: str, hint: str) -> "keras.Model":
    """A keras.Model from a file, or the one given."""
    import keras

    if isinstance(given, keras.Model):
        return given
    path = Path(given)
    what = f"{role} '{path}'"
    if not path.exists():
        raise ModelError(f"{what} does not exist.", "check the path.")
    if path.is_dir() or path.suffix.lower() != ".keras":
        kind = "a folder" if path.is_dir() else f"a {path.suffix or 'nameless'} file"
        raise ModelError(
            f"{what} is {kind}; only .keras files are read, for the others can hold code.",
            f"load it where it was made, and {role}.save('{role}.keras').",
        )
    _refuse_code(path, what, hint)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever keras meets in a file that is not its own
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:300].rstrip(".")
        raise ModelError(
            f"{what} cannot be loaded: {reason}.", f"save it again with keras 3, {role}.save('{role}.keras')."
        ) from None
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"{what} holds a {type(model).__name__}, not a model.",
            f"save the whole model, {role}.save('{role}.keras').",
        )
    return model


def _refuse_code(path: Path, what: str, hint: str) -> None:
    """Refuse a file that is no whole `.keras` file, or whose layers are code of its maker's own."""
    damaged = f"save it again with keras 3; {path.stat().st_size:,} bytes came."
    try:
        with zipfile.ZipFile(path) as archive:
            if missing := sorted(set(PARTS) - set(archive.namelist())):
                raise ModelError(
                    f"{what} is no .keras file of keras 3: it has no {listed(missing)}.", damaged
                )
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{what} is damaged, or no .keras file: {error}.", damaged) from None
    for found in _classes(config):
        if found[0] in CODE:
            raise ModelError(
                f"{what} has a Lambda layer: that is code inside the file, and code from a file is not run.",
                hint,
            )
        if not _is_known(*found):
            name = found[2] or found[0]
            raise ModelError(
                f"{what} has '{name}', a class of its maker's own: its code is not in the file, and "
                "is not looked for.",
                hint,
            )


def _classes(config: object) -> Iterator[tuple[str, Any, Any]]:
    """(class name, module, registered name) of every object in a model's config."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            own = (
                config["config"] if isinstance(config.get("config"), str) else config["class_name"]
            )  # functions have their name there
            yield own, config.get("module"), config.get("registered_name")
        for value in config.values():
            yield from _classes(value)
    elif isinstance(config, list):
        for value in config:
            yield from _classes(value)


def _is_known(name: str, module: object, registered: object) -> bool:
    import keras

    if keras.saving.get_registered_object(registered or name) is not None:
        return True
    return (
        not registered or registered == "function"
        if module is None
        else str(module).split(".")[0] in ("keras", "builtins")
    )


def _shapes(model: "keras.Model", role: str) -> tuple[list, list]:
    """Shapes of a model's inputs and outputs."""
    try:
        return [tuple(t.shape) for t in model.inputs], [tuple(t.shape) for t in model.outputs]
    except (AttributeError, ValueError, TypeError):
        raise ModelError(
            f"the {role} has no fixed shapes of inputs and outputs.",
            "save a functional or sequential model that was called once.",
        ) from None


def _show(shapes: Sequence[tuple[int | None, ...]]) -> str:
    sides = [
        f"({', '.join(['rows', *('?' if n is None else str(n) for n in shape[1:])])})" for shape in shapes
    ]
    return " and ".join(sides)

"""Networks and tables that doctor cannot read are refused, with what came and what was expected."""

import zipfile

import keras
import numpy as np
import pandas as pd
import pytest

import raygen
from raygen.diagnosis import networks
from raygen.errors import ModelError, SchemaError
from tests.diagnosis.foreign import correct, decoder, encoder, white, with_draw


def lambda_encoder():
    enc = encoder(np.eye(4), np.log(0.1))
    z = keras.layers.Lambda(lambda pair: pair[0] + keras.ops.exp(pair[1]), output_shape=(4,))(enc.outputs)
    return keras.Model(enc.inputs, [*enc.outputs, z])


def two_tables():
    a, b = keras.Input((4,)), keras.Input((4,))
    x = keras.layers.Concatenate()([a, b])
    return keras.Model([a, b], [keras.layers.Dense(4)(x), keras.layers.Dense(4)(x)])


def heads(*widths):
    x = keras.Input((4,))
    return keras.Model(x, [keras.layers.Dense(w)(x) for w in widths])


def in_dict():
    x = keras.Input((4,))
    return keras.Model(x, {"z_mean": keras.layers.Dense(4)(x), "z_log_var": keras.layers.Dense(4)(x)})


@pytest.mark.parametrize(
    ("enc", "said"),
    [
        (lambda_encoder, "Lambda layer: that is code"),
        (two_tables, r"takes \(rows, 4\) and \(rows, 4\)"),
        (lambda: heads(4), r"gives \(rows, 4\); two or three"),
        (lambda: heads(4, 4, 3), r"gives \(rows, 4\) and \(rows, 4\) and \(rows, 3\)"),
        (in_dict, "gives a dict of z_log_var, z_mean"),
        (lambda: heads(3, 3), r"decoder takes \(rows, 4\); z of the encoder is \(rows, 3\)"),
    ],
)
def test_encoders_that_are_none_are_refused_with_what_came(enc, said, files):
    paths = files(enc(), correct()[1], white(4))
    with pytest.raises(ModelError, match=said) as error:
        raygen.doctor(*paths)
    assert error.value.hint


def test_a_decoder_of_another_table_is_refused(files):
    paths = files(correct()[0], decoder(np.ones((4, 3))), white(4))
    with pytest.raises(ModelError, match=r"decoder gives \(rows, 3\); \(rows, 4\) was expected"):
        raygen.doctor(*paths)


def test_a_class_of_its_makers_own_is_refused_and_not_looked_for(files, tmp_path):
    paths = files(with_draw(correct()[0]), correct()[1], white(4))
    assert networks.load(*paths[:2]).outputs == 3  # registered in this process
    rewritten = tmp_path / "other.keras"
    with zipfile.ZipFile(paths[0]) as old, zipfile.ZipFile(rewritten, "w") as new:
        for name in old.namelist():
            new.writestr(
                name,
                old.read(name)
                .replace(b"raygen_tests>Draw", b"theirs>Draw")
                .replace(b'"tests.diagnosis.foreign"', b'"antigravity"'),
            )
    with zipfile.ZipFile(rewritten) as new:
        assert b"antigravity" in new.read("config.json")
    with pytest.raises(ModelError, match="'theirs>Draw', a class of its maker's own") as error:
        raygen.doctor(str(rewritten), *paths[1:])
    assert "encoder.outputs[:2]" in error.value.hint


@pytest.mark.parametrize("broken", ["half", "empty", "not_zip", "flipped"])
def test_a_damaged_file_is_refused(broken, files):
    paths = files(*correct(), white(4))
    with open(paths[0], "rb") as stream:  # noqa: PTH123
        content = bytearray(stream.read())
    if broken == "flipped":
        content[len(content) // 2] ^= 0xFF
    content = {
        "half": content[: len(content) // 2],
        "empty": b"",
        "not_zip": b"keras" * 99,
        "flipped": content,
    }[broken]
    with open(paths[0], "wb") as stream:  # noqa: PTH123
        stream.write(content)
    with pytest.raises(ModelError, match=r"encoder '.*' (is damaged|cannot be loaded)"):
        raygen.doctor(*paths)


@pytest.mark.parametrize("ending", [".h5", ".pkl", ""])
def test_other_formats_are_refused(ending, files, tmp_path):
    paths = files(*correct(), white(4))
    other = tmp_path / f"model{ending}"
    other.write_bytes(b"...") if ending else other.mkdir()
    with pytest.raises(ModelError, match=r"only \.keras files are read"):
        raygen.doctor(paths[0], str(other), paths[2])
    with pytest.raises(ModelError, match="does not exist"):
        raygen.doctor(paths[0], str(tmp_path / "none.keras"), paths[2])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(c1="a"), "columns that are not numbers: c1"),
        (lambda t: t.assign(c1=t["c1"].where(t["c1"] > 0)), r"missing or infinite values in c1 \("),
        (lambda t: t.assign(c9=1.0), r"has 5 columns \(c0, c1, c2, c3, c9\); the encoder takes 4"),
        (lambda t: t[:199], "has 199 rows; at least 200"),
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_table_that_the_encoder_was_not_fed_is_refused(change, said, kind, files, tmp_path):
    paths = files(*correct(), white(4))
    table, path = change(pd.read_parquet(paths[2])), str(tmp_path / f"other.{kind}")
    table.to_parquet(path) if kind == "parquet" else table.to_csv(path, index=False)
    with pytest.raises(SchemaError, match=said):
        raygen.doctor(*paths[:2], path)

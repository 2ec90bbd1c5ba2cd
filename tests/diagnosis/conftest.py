"""The files that doctor reads."""

import pandas as pd
import pytest


@pytest.fixture
def files(tmp_path):
    """Save encoder, decoder and rows, and return their paths."""

    def save(enc, dec, x):
        paths = [tmp_path / name for name in ("encoder.keras", "decoder.keras", "rows.parquet")]
        enc.save(paths[0])
        dec.save(paths[1])
        pd.DataFrame(x, columns=[f"c{i}" for i in range(x.shape[1])]).to_parquet(paths[2])
        return [str(p) for p in paths]

    return save

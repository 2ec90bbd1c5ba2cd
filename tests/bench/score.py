"""How well the log-likelihood finds planted errors, beside scikit-learn's IsolationForest on the same rows.

    python -m tests.bench.score MODEL TEST.parquet [--rows 4000] [--share .01]

One cell of a share of the rows takes the value of another row, where that differs. AUC: the chance that a row
with a planted error is rated less likely than one without; rows that break a rule come first. The forest sees
categories as ones and zeros.
"""

import argparse

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

import raygen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("test")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--share", type=float, default=0.01)
    args = parser.parse_args()
    model = raygen.load(args.model)
    rows = pq.read_table(args.test).slice(0, args.rows).select(list(model.columns))
    wrong, cells = planted(rows, args.share)
    is_wrong = np.isin(np.arange(rows.num_rows), list(cells))
    scored = model.score(wrong, say=lambda line: None)
    nats = scored["log_likelihood"].to_numpy() - 1e6 * (np.array(scored["breaks"].to_pylist()) != "")
    columns = [numbers(wrong[name]) for name in wrong.column_names]
    forest = IsolationForest(random_state=0).fit(np.concatenate(columns, axis=1))
    rated = forest.score_samples(np.concatenate(columns, axis=1))
    print(f"{args.model}: {rows.num_rows:,} rows, {len(cells)} with a planted error")
    print(f"  raygen score     AUC {roc_auc_score(is_wrong, -nats):.4f}")
    print(f"  IsolationForest  AUC {roc_auc_score(is_wrong, -rated):.4f}")
    some = list(cells)
    surprise = model.score(wrong.take(pa.array(some)), by_column=True, say=lambda line: None)
    names = [name for name in surprise.column_names if name.startswith("surprise_")]
    most = np.argmax(np.stack([surprise[name].to_numpy() for name in names], axis=1), axis=1)
    right = [names[k].removeprefix("surprise_") == cells[row] for k, row in zip(most, some, strict=True)]
    print(
        f"  the planted cell is the most surprising of its row in {np.mean(right):.1%} of them "
        f"(by chance in one of {len(names)})"
    )


def planted(rows: pa.Table, share: float) -> tuple[pa.Table, dict[int, str]]:
    """The rows with errors, and the column of each by its row."""
    draws = np.random.default_rng(0)
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    cells: dict[int, str] = {}
    for row in draws.choice(rows.num_rows, round(share * rows.num_rows), replace=False):
        name = str(draws.choice(rows.column_names))
        values = columns[name]
        others = [v for v in (values[i] for i in draws.integers(0, rows.num_rows, 200)) if v != values[row]]
        if others:
            values[row], cells[int(row)] = others[0], name
    return pa.table({n: pa.array(v, rows.schema.field(n).type) for n, v in columns.items()}), cells


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.nan_to_num(column.to_numpy().astype(float))[:, None]
    codes = column.combine_chunks().dictionary_encode().indices.fill_null(0).to_numpy()
    return np.eye(codes.max() + 1)[codes]


if __name__ == "__main__":
    main()

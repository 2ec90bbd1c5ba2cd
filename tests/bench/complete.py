"""How well missing cells are filled, beside scikit-learn's imputers; and whether draws are calibrated.

    python -m tests.bench.complete MODEL TRAIN.parquet TEST.parquet [--missing .1 .3 .5] [--rows 2000]
                                   [--target income]

Cells of the test rows are taken away at random. Categories: share of the cells that are right, numbers: root
mean square error in standard deviations of the training rows, both means over the columns. IterativeImputer
(categories as the numbers of their codes, rounded) and the most frequent value, or the mean, are fitted to
the training rows. The middle 80 % of 100 draws are to hold 80 % of the true values, of columns whose values
hardly repeat: of the test rows, and of rows of the model itself, of which it knows the truth, so that what is
more or less there is the sampler's. Which place among the draws a true value has that is equal to some is
left to chance: else 80 % of few whole numbers would hold more. `--target`: the area under the ROC curve of
the column predicted from all others.
"""

import argparse

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import raygen

DRAWS = 100
CALIBRATED_ROWS = 400  # whose share has a standard error of 2 %
REPEATED = 0.1  # of the rows: a value that more of them have makes a column one of repeated values


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--missing", type=float, nargs="*", default=[0.1, 0.3, 0.5])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--particles", type=int, default=32)
    parser.add_argument("--target", default="")
    args = parser.parse_args()
    train, test = pq.read_table(args.train), pq.read_table(args.test).slice(0, args.rows)
    names = list(raygen.load(args.model).columns)
    train, test = train.select(names), test.select(names)
    numbers = [f.name for f in test.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]
    print(f"{args.model}: {test.num_rows:,} test rows, {len(numbers)} numbers of {len(names)} columns")
    for share in args.missing:
        gone = np.random.default_rng(7).random((test.num_rows, len(names))) < share
        partial = without(test, gone)
        known = np.array([c.is_valid().to_numpy() for c in test.columns]).T
        judged = gone & known
        ways = {
            "raygen, most likely": raygen.complete(
                args.model, partial, most_likely=True, particles=args.particles, say=lambda line: None
            ),
            "IterativeImputer": iterative(train, partial, numbers),
            "most frequent, mean": frequent(train, partial, numbers),
        }
        for way, filled in ways.items():
            right, error = scores(train, test, filled.select(names), judged, numbers)
            print(f"  {share:.0%} missing  {way:22} right {right:.4f}  rmse {error:.4f}")
    calibrated(args.model, train, test, numbers)
    if args.target:
        predicted(args.model, test, args.target, args.particles)


def without(table: pa.Table, gone: np.ndarray) -> pa.Table:
    columns = [
        pa.array(column.to_pylist(), column.type, mask=gone[:, i] | ~column.is_valid().to_numpy())
        for i, column in enumerate(table.columns)
    ]
    return pa.table(columns, names=table.column_names)


def scores(train, test, filled, judged: np.ndarray, numbers: list[str]) -> tuple[float, float]:
    right, error = [], []
    for i, name in enumerate(test.column_names):
        rows = np.flatnonzero(judged[:, i])
        true, made = (t[name].take(pa.array(rows)).to_pylist() for t in (test, filled))
        if name in numbers:
            spread = np.std(train[name].drop_null().to_numpy().astype(float))
            away = np.array(true, float) - np.array([np.nan if x is None else x for x in made], float)
            error.append(np.sqrt(np.mean(away**2)) / spread)
        else:
            right.append(np.mean([a == b for a, b in zip(true, made, strict=True)]))
    return float(np.mean(right)) if right else np.nan, float(np.mean(error)) if error else np.nan


def frequent(train: pa.Table, partial: pa.Table, numbers: list[str]) -> pa.Table:
    frame, columns = train.to_pandas(), {}
    for name in partial.column_names:
        own = partial[name].to_pandas()
        best = frame[name].mean() if name in numbers else frame[name].mode()[0]
        columns[name] = own.where(own.notna(), best)
    return pa.table({name: pa.array(list(values)) for name, values in columns.items()})


def iterative(train: pa.Table, partial: pa.Table, numbers: list[str]) -> pa.Table:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    levels = {
        n: pd.Index(train[n].to_pandas().dropna().unique()).sort_values()
        for n in train.column_names
        if n not in numbers
    }

    def coded(table: pa.Table) -> np.ndarray:
        columns = []
        for name in table.column_names:
            own = table[name].to_pandas()
            if name in levels:
                code = levels[name].get_indexer(own).astype(float)
                columns.append(np.where(code < 0, np.nan, code))
            else:
                columns.append(own.astype(float).to_numpy())
        return np.stack(columns, axis=1)

    imputer = IterativeImputer(random_state=0, max_iter=10).fit(coded(train.slice(0, 20_000)))
    values, columns = imputer.transform(coded(partial)), {}
    for i, name in enumerate(partial.column_names):
        if name in levels:
            index = np.clip(np.rint(values[:, i]), 0, len(levels[name]) - 1).astype(int)
            columns[name] = pa.array(list(levels[name][index]))
        else:
            columns[name] = pa.array(values[:, i])
    return pa.table(columns)


def calibrated(model: str, train: pa.Table, test: pa.Table, numbers: list[str]) -> None:
    own = raygen.load(model).sample(CALIBRATED_ROWS, seed=99, to_pandas=False).select(test.column_names)
    most = {n: train[n].value_counts().field(1).to_numpy().max() / train.num_rows for n in numbers}
    for name in [n for n in numbers if most[n] < REPEATED]:
        held = [held_by_the_middle(model, rows, name) for rows in (test.slice(0, CALIBRATED_ROWS), own)]
        print(f"  {name}: the middle 80 % hold {held[0]:.1%}, of the model's own rows {held[1]:.1%}")


def held_by_the_middle(model: str, rows: pa.Table, name: str) -> float:
    drawn = raygen.complete(model, rows.drop_columns([name]), draws=DRAWS, say=lambda line: None)
    values = drawn[name].to_numpy(zero_copy_only=False).astype(float).reshape(rows.num_rows, DRAWS)
    true = rows[name].to_numpy(zero_copy_only=False).astype(float)
    below, equal = (values < true[:, None]).sum(axis=1), (values == true[:, None]).sum(axis=1)
    chance = np.random.default_rng(0).random(rows.num_rows)
    place = ((below + chance * (equal + 1)) / (DRAWS + 1))[~np.isnan(true)]
    return float(np.mean((place >= 0.1) & (place <= 0.9)))


def predicted(model: str, test: pa.Table, target: str, particles: int) -> None:
    from sklearn.metrics import roc_auc_score

    rows = test.drop_columns([target])
    made = raygen.complete(
        model, rows, most_likely=True, probability=True, particles=particles, say=lambda line: None
    )
    values = sorted(set(test[target].to_pylist()))
    chosen, sure = np.array(made[target].to_pylist()), made[f"{target}_probability"].to_numpy()
    auc = roc_auc_score(
        np.array(test[target].to_pylist()) == values[1], np.where(chosen == values[1], sure, 1 - sure)
    )
    print(f"  {target} predicted from the others: AUC {auc:.4f}")


if __name__ == "__main__":
    main()

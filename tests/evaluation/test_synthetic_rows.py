"""Synthetic rows that are evaluated, and their names."""

from raygen.evaluation import synthetic_rows


def test_names_tell_runs_apart():
    assert synthetic_rows.short_names(["runs/a/synthetic/", "runs/b/synthetic"]) == [
        "a/synthetic",
        "b/synthetic",
    ]
    assert synthetic_rows.short_names(["x/one.parquet", "y/two.parquet"]) == ["one.parquet", "two.parquet"]

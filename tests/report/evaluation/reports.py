"""Made-up reports of `raygen evaluate` whose answers are known."""

import json

import numpy as np

from raygen.report.evaluation.record import Report, Run, read
from tests.report.latent.reports import full as latent_report

SCORES = {  # value, low, high, floor, ceiling, better
    "shape_error": (1.15, 1.02, 1.29, 0.0, 0.34, "lower"),
    "trend_error": (2.88, 2.7, 3.1, 30.1, 1.2, "lower"),
    "c2st": (0.791, 0.779, 0.803, 0.02, 0.997, "higher"),
    "mle": (0.9161, 0.909, 0.923, 0.5, 0.927, "higher"),
    "alpha_precision": (0.981, 0.97, 0.99, 0.62, 0.995, "higher"),
    "beta_recall": (0.482, 0.47, 0.49, 0.05, 0.503, "higher"),
    "dcr_share": (0.509, 0.5, 0.518, None, 0.5, 0.5),
    "dcr_2_percent": (0.503, 0.44, 0.56, 0.6, 0.51, "higher"),
    "exact_copies": (0.0011, None, None, 0.0, 0.0013, "lower"),
    "membership_auc": (0.512, 0.503, 0.521, None, 0.5, 0.5),
    "category_coverage": (0.961, None, None, 1.0, 0.982, "higher"),
    "range_coverage": (0.93, None, None, 1.0, 0.97, "higher"),
    "outside": (0.0004, None, None, 0.0, 0.0006, "lower"),
    "missing_error": (0.21, None, None, 0.0, 0.1, "lower"),
}
MEMORY = {  # only where unseen rows are known
    "c2st_test": (0.771, 0.75, 0.79, 0.03, 0.997, "higher"),
    "c2st_train_n": (0.785, 0.765, 0.805, 0.03, None, "higher"),
    "memory": (0.014, -0.02, 0.05, None, None, 0.0),
}
RARE = {  # only where it is asked for
    "copies_of_one": (0.0, None, None, None, 0.0, "lower"),
    "rare_values": (0.0, None, None, None, 0.0, "lower"),
    "rare_numbers": (0.0, None, None, None, 0.2, "lower"),
}
NAMES = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
]
NAMES += ["capital-gain", "capital-loss", "hours-per-week", "native-country", "income", "born"]
NUMBERS = {"age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"}
CITIES = [
    "Berlin",
    "Tokyo",
    "Sao Paulo",
    "Cairo",
    "Lagos",
    "Lima",
    "Oslo",
    "Llanfairpwllgwyngyll",
    "Rome",
    "Bonn",
    "Kyiv",
    None,
]


def column(rng, name: str, error: float) -> dict:
    law = np.random.default_rng([*name.encode(), 7])  # of the real rows, the same for every run
    numeric, when = name in NUMBERS or name.startswith("n"), name == "born"
    out = {
        "name": name,
        "kind": "datetime" if when else "numeric" if numeric else "categorical",
        "shape_error": error,
    }
    out |= {
        "missing_real": 0.051,
        "missing_synthetic": 0.049,
        "outside": 0.0002,
        "unseen": 0.0,
        "coverage": 0.97,
    }
    if numeric or when:
        real, scale = (
            np.concatenate([law.normal(-1, 0.4, 2000), law.normal(1, 0.8, 3000)]),
            10.0 ** law.integers(0, 6),
        )
        made = np.concatenate([real[:4000] + error / 20, rng.normal(0, 1, 1000)])
        edges = np.linspace(-3, 4, 41)
        counts = [(np.histogram(values, edges)[0] / 5000).tolist() for values in (real, made)]
        edges = edges * 2e8 + 1e9 if when else edges * scale
        out["histogram"] = {"edges": edges.tolist(), "real": counts[0], "synthetic": counts[1]}
    else:
        levels = CITIES[: law.integers(2, len(CITIES) + 1)]
        real = law.dirichlet(np.full(len(levels), 0.7))
        made = (1 - error / 50) * real + error / 50 * rng.dirichlet(np.ones(len(levels)))
        out["histogram"] = {
            "levels": levels,
            "real": real.tolist(),
            "synthetic": made.tolist(),
        }
    return out


def entry(value, low=None, high=None, floor=None, ceiling=None, better="higher") -> dict:
    return {"value": value, "low": low, "high": high, "floor": floor, "ceiling": ceiling, "better": better}


def run(name="vae", seed=0, names=NAMES, memory=False, **scores) -> dict:
    """One table in the manner of UCI Adult's, as report.json has it.

    Scores by name replace those of `SCORES`: a value, or value and half an interval, or None; `memory` adds
    the three scores of `MEMORY`."""
    rng = np.random.default_rng(seed)
    known = SCORES | (MEMORY if memory else {}) | {key: RARE[key] for key in RARE if key in scores}
    figures = {key: entry(*values) for key, values in known.items()}
    figures["mle"] |= {"measure": "AUC", "target": "income"}
    for key, value in scores.items():
        value, spread = value if isinstance(value, tuple) else (value, 0.01)
        ends = (None, None) if value is None else (value - spread, value + spread)
        figures[key] |= {"value": value, "low": ends[0], "high": ends[1]}
    errors = np.sort(rng.gamma(1.0, 2.0, len(names)))[rng.permutation(len(names))]
    return {
        "name": name,
        "path": f"out/{name}/",
        "rows": 29305,
        "problems": [],
        "scores": figures,
        "memory_rows": 3256 if memory else None,
        "columns": [column(rng, n, float(e)) for n, e in zip(names, errors, strict=True)],
        "pairs": pairs(rng, names),
        "budget": {
            "rows": 3256,
            "held_out": {"shape_error": 0.34, "trend_error": 1.2, "c2st": 0.997},
            "resynthesised": {"shape_error": 0.21, "trend_error": 1.13, "c2st": 0.962},
            "generated": {"shape_error": 1.15, "trend_error": 2.88, "c2st": 0.791},
            "pairs_lost": [
                {"columns": ["age", "education"], "error": 4.2},
                {"columns": ["race", "sex"], "error": 3.1},
            ],
        },
        "latent": latent_report(),
    }


def pairs(rng, names) -> dict:
    matrix = rng.gamma(1.0, 2.0, (len(names), len(names)))
    matrix = [
        [
            None if i == j or rng.random() < 0.3 else float(matrix[min(i, j), max(i, j)])
            for j in range(len(names))
        ]
        for i in range(len(names))
    ]
    worst = [
        (names[0], names[1 % len(names)], 21.4),
        (names[-1], names[2 % len(names)], 9.02),
        (names[-2:][0], names[0], 3.3),
    ]
    for a, b, error in worst:
        i, j = names.index(a), names.index(b)
        matrix[i][j] = matrix[j][i] = error if a != b else None
    return {
        "names": list(names),
        "errors": matrix,
        "worst": [{"columns": [a, b], "error": error} for a, b, error in worst],
    }


def written(*runs: dict, **changes) -> dict:
    """A report as report.json has it."""
    return {
        "format": 2,
        "raygen": "0.2.0",
        "real": {"path": "data/adult/train.parquet", "rows": 29305, "columns": len(NAMES)},
        "holdout": {"path": "data/adult/test.parquet", "rows": 16281},
        "seed": 7,
        "sample_rows": 16000,
        "command": "raygen evaluate adult.toml --set evaluate.sample_rows=16000",
        "config": {"model": {"latent_dim": 16}, "train": {"steps": 4000}},
        "seconds": 41.7,
        "runs": list(runs) or [run()],
        "gate": [
            {"rule": "c2st >= 0.7", "value": 0.791, "passed": True},
            {"rule": "dcr_share <= 0.55", "value": 0.509, "passed": True},
        ],
        **changes,
    }


def report(*runs: dict, **changes) -> Report:
    """A report, read back from its text."""
    return read(json.dumps(written(*runs, **changes)))


def run_record(**changes) -> Run:
    return Run.model_validate(run(**changes))


def three() -> Report:
    other = run("tvae", 1, shape_error=10.8, trend_error=14.46, c2st=0.032, mle=0.89, beta_recall=0.21)
    third = run("flow", 2, shape_error=0.77, trend_error=2.34, c2st=0.802, dcr_share=0.62)
    third["problems"] = [
        "Column 'age' is int64 in the real table and string in this one.",
        "Shard 00007 is cut short.",
    ]
    return report(run("mixture of 64"), other, third)


def minimal() -> Report:
    """What every report has."""
    scores = {"shape_error": entry(1.2, better="lower")}
    sparse = {"name": "rows", "rows": 100, "scores": scores}
    return report(sparse, holdout=None, command="", config={}, gate=[])


def wide(columns=300) -> Report:
    names = [f"n{i:03}" if i % 2 else f"city of birth, number {i:03}" for i in range(columns)]
    return report(run(names=names) | {"latent": None})

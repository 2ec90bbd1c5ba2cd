"""Made-up reports of where z comes from, whose answers are known."""

import json

import numpy as np

from raygen.report.latent.record import LatentReport

KEYS = ("nats", "error", "behind", "behind_error", "fit_seconds", "rows_per_second", "flops_per_row")
TABLE_KEYS = ("shape_error", "trend_error", "c2st", "variance_ratio")
FIGURES = {
    "naive": ((-412.31, 6.2, 417.292, 6.2, 0.0, 9.1e5, 32), (21.3, 38.1, 0.012, 0.03)),
    "normal": ((0.0, 0.0, 4.982, 0.061, 0.0, 9.2e5, 32), (3.92, 9.21, 0.431, 1.4)),
    "diagonal": ((1.204, 0.013, 3.778, 0.058, 0.1, 9.0e5, 32), (2.71, 7.9, 0.502, 0.97)),
    "gaussian": ((2.531, 0.02, 2.451, 0.05, 0.1, 8.4e5, 512), (2.07, 5.91, 0.561, 0.99)),
    "learned": ((4.71, 0.05, 0.272, 0.02, 0.0, 8.2e5, 32), (1.15, 2.88, 0.791, 1.0)),
    "mixture": ((4.97, 0.06, 0.012, 0.021, 14.2, 7.7e5, 512), (0.92, 2.61, 0.832, 1.01)),
    "flow": ((4.982, 0.061, 0.0, 0.0, 181.0, 3500.0, 4_300_000), (0.77, 2.34, 0.836, 1.0)),
}


read = LatentReport.model_validate


def dimension(rng, active) -> dict:
    kept, moved = (
        (rng.uniform(0.02, 0.3), rng.uniform(0.5, 1.1))
        if active
        else (rng.uniform(0.97, 1.0), rng.uniform(1e-5, 1e-3))
    )
    kl = 0.5 * (kept + moved - 1 - np.log(kept))
    return {
        "kl": kl,
        "mean_variance": moved,
        "posterior_variance": kept,
        "variance": kept + moved,
        "active": active,
    }


def picture(rng, dims, gap, rows=3256) -> dict:
    """Three clusters beside a sampler that blurs them by `gap`, or draws all rows near the middle if `gap` is
    above 1."""
    centres = np.array([[-1.2, -0.5], [0.9, 0.8], [0.6, -1.1]])
    z = centres[rng.integers(0, 3, rows)] + rng.normal(0, 0.35, (rows, 2))
    drawn = rng.normal(0, 0.2, z.shape) if gap > 1 else (1 - gap) * z + gap * rng.normal(size=z.shape)
    edges = [np.linspace(-3, 3, 41)] * 2
    counts = [np.histogram2d(*points.T, bins=edges)[0].astype(int).tolist() for points in (z, drawn)]
    directions = np.linalg.qr(rng.normal(size=(max(2, dims), 2)))[0].T[:, :dims].tolist()
    return {
        "directions": directions,
        "ks": [0.3 * gap, 0.2 * gap],
        "range": [[-3, 3], [-3, 3]],
        "posterior": counts[0],
        "sampler": counts[1],
    }


def full(dims=16, active=11, names=tuple(FIGURES), chosen="mixture") -> dict:
    """A report in the manner of UCI Adult's."""
    rng = np.random.default_rng(0)
    samplers = {}
    for name in names:
        law, table = FIGURES[name]
        gap = {"naive": 1.5, "learned": 0.1, "mixture": 0.05, "flow": 0.02}.get(name, 0.9)
        samplers[name] = dict(zip(KEYS, law, strict=True)) | dict(zip(TABLE_KEYS, table, strict=True))
        samplers[name] |= {"c2st_error": 0.006, "picture": picture(rng, dims, gap)}
    return {
        "chosen": chosen,
        "rows": 29305,
        "held_out_rows": 3256,
        "latent_dim": dims,
        "rate": 15.37,
        "log_rows": 10.286,
        "mutual_information": 10.21,
        "kl": {"total": 5.16, "error": 0.06, "scale": 1.21, "correlation": 1.33, "shape": 2.62},
        "dimensions": [dimension(rng, bool(i < active)) for i in rng.permutation(dims)],
        "samplers": samplers,
        "tables": {
            "bound": {"shape_error": 0.21, "trend_error": 1.13, "c2st": 0.962, "c2st_error": 0.006},
            "ceiling": {"shape_error": 0.34, "trend_error": 1.2, "c2st": 0.997, "c2st_error": 0.005},
            "floor": {"shape_error": 0.0, "trend_error": 30.1, "c2st": 0.02, "c2st_error": 0.004},
        },
        "rows_compared": 3256,
        "unsettled": ["The flow was scored on 2,000 of 3,256 held-out rows."],
    }


def minimal() -> dict:
    """Only what every report has."""
    report = full(names=("normal", "diagonal"), chosen="diagonal")
    for key in ("mutual_information", "tables", "rows_compared", "unsettled"):
        del report[key]
    report["samplers"] = {
        n: {k: s[k] for k in KEYS if k not in ("fit_seconds", "rows_per_second")}
        for n, s in report["samplers"].items()
    }
    return report


def spoilt(report, bad):
    """Every number of a report replaced, as an encoder with exploding variances would do."""
    if isinstance(report, dict):
        return {k: spoilt(v, bad) for k, v in report.items()}
    if isinstance(report, list):
        return [spoilt(v, bad) for v in report]
    return bad if isinstance(report, float | int) and not isinstance(report, bool) else report


CASES = {
    "full": full,
    "minimal": minimal,
    "one dimension": lambda: full(1, 1),
    "1,024 dimensions": lambda: full(1024, 300),
    "no dimension active": lambda: full(8, 0),
    "one sampler": lambda: full(names=("normal",), chosen="normal"),
    "unknown sampler": lambda: (
        full() | {"chosen": "copula", "samplers": full()["samplers"] | {"copula": full()["samplers"]["flow"]}}
    ),
    "nan": lambda: spoilt(full(), float("nan")),
    "infinite": lambda: spoilt(full(), float("inf")),
    "None": lambda: spoilt(full(), None),
    "zero": lambda: spoilt(full(), 0),
    "negative": lambda: spoilt(full(), -2.5),
    "from JSON": lambda: json.loads(json.dumps(full())),
    "empty": dict,
}

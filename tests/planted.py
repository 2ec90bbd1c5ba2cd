"""A table with values of few rows planted in it, and whether files hold one of them."""

import datetime
import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa

FEW = 7
SALARY, DEBT, BONUS, CARD = 9_876_543.21, -8_765_432.13, 77_777.77, 9_999_888_877_776_666
BORN = datetime.date(1803, 2, 4)
SEEN = datetime.datetime(2241, 5, 6, 7, 8, 9, 123_456)
DAY = 18_030_204  # as YYYYMMDD
TEXTS = {
    "name": "Zebediah Quux",
    "city": "Quuxville",
    "country": "Quuxland",
    "nation": "Quuxonian",
    "grade": "quux-grade",
    "level": "quux-level",
    "firm": "Quux & Sons",
    "note": "quuxrule",
}
SECRETS = tuple(TEXTS.values())
PLANTED = TEXTS | {
    "salary": SALARY,
    "debt": DEBT,
    "bonus": BONUS,
    "card": CARD,
    "born": BORN,
    "seen": SEEN,
    "day": DAY,
    "boss": False,
}
COLUMNS = tuple(PLANTED)


def table(rows: int, seed: int = 0) -> pa.Table:
    """Rows of persons: the last few hold `SECRETS` and far-out numbers."""
    rng = np.random.default_rng(seed)
    cities = [f"City {k}" for k in range(20)]
    city = rng.integers(0, 20, rows)
    price, grade = rng.integers(100, 90_000, rows), rng.integers(0, 4, rows)
    columns = {
        "name": [f"Person {k}" for k in rng.integers(0, 60, rows)],
        "city": [cities[k] for k in city],
        "country": [f"Country {k % 6}" for k in city],
        "nation": pa.array([f"Nation {k % 6}" for k in city]).dictionary_encode(),
        "grade": [f"grade {k}" for k in grade],
        "level": pa.array([f"level {k}" for k in rng.integers(0, 5, rows)]).dictionary_encode(),
        "firm": [f"Firm {k}" for k in rng.integers(0, 400, rows)],
        "salary": rng.lognormal(10.5, 0.4, rows).round(2),
        "debt": rng.normal(0, 1000, rows).round(2),
        "bonus": np.where(grade == 0, 0.0, rng.gamma(2, 500, rows)).round(2),
        "price": price,
        "tax": price // 5,
        "card": 4_000_000_000_000_000 + rng.integers(0, 10**15, rows),
        "born": pa.array(rng.integers(-7000, 12_000, rows).astype(np.int32), pa.date32()),
        "seen": pa.array(1_700_000_000_000_000 + rng.integers(0, 10**14, rows), pa.timestamp("us")),
        "day": pa.array([int(f"20{y:02}{m:02}{d:02}") for y, m, d in rng.integers(10, 20, (rows, 3))]),
        "boss": rng.random(rows) < 2,
        "note": pa.array([f"note {k}" if k else None for k in rng.integers(0, 3, rows)]),
    }
    whole = pa.table(columns)
    few = whole.slice(rows - FEW).to_pydict()
    few |= {name: [value] * FEW for name, value in PLANTED.items()}
    return pa.concat_tables([whole.slice(0, rows - FEW), pa.table(few, schema=whole.schema)])


def numbers() -> list[float]:
    """The planted numbers, as values of their columns, as codes of days and moments, and in seconds."""
    epoch = datetime.date(1970, 1, 1)
    moment = (SEEN - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
    born, seen = (BORN - epoch).days, (SEEN.date() - epoch).days
    day = moment - seen * 86_400_000_000
    seconds = [born * 86_400, moment / 10**6]
    return [SALARY, DEBT, BONUS, CARD, born, seen, moment, day, DAY, *seconds]


def shown() -> list[str]:
    """The planted values as text of a page or a config has them."""
    return [*SECRETS, *map(str, (SALARY, DEBT, BONUS, CARD, BORN, SEEN.date(), DAY))]


def found_in(content: bytes, name: str) -> list[str]:
    """Secrets and planted numbers that a file holds, those packed inside it too."""
    seen = [f"{name}: {text}" for text in SECRETS if text.encode() in content or _escaped(text) in content]
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for member in packed.namelist():
                seen += found_in(packed.read(member), f"{name}/{member}")
        return seen
    if content[:6] == b"\x93NUMPY":
        return seen + _of_array(np.load(io.BytesIO(content), allow_pickle=False), name)
    if content[:8] == b"\x89HDF\r\n\x1a\n":
        with h5py.File(io.BytesIO(content)) as file:
            file.visititems(
                lambda key, one: (
                    seen.extend(_of_array(one[()], f"{name}/{key}"))
                    if isinstance(one, h5py.Dataset)
                    else None
                )
            )
        return seen
    return seen + _of_text(content, name)


def _escaped(text: str) -> bytes:
    return json.dumps(text).strip('"').replace("&", "\\u0026").encode()


def _of_text(content: bytes, name: str) -> list[str]:
    try:
        values = (
            [json.loads(line) for line in content.splitlines()] if name.endswith("l") else json.loads(content)
        )
    except ValueError:
        return [f"{name}: {one}" for one in numbers() if str(one).encode() in content and abs(one) > 10**5]
    flat: list = []
    waiting = [values]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.values(), *one.keys()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, int | float) and not isinstance(one, bool):
            flat.append(float(one))
    return _of_array(np.array(flat), name)


def _of_array(values, name: str) -> list[str]:
    values = np.asarray(values)
    if values.dtype.kind not in "iuf":
        return []
    close = 1e-7 if values.dtype == np.float32 else 1e-12
    return [
        f"{name}: {one}"
        for one in numbers()
        if np.isclose(values.astype(float), one, rtol=close, atol=0).any()
    ]


def found_below(folder: Path) -> list[str]:
    """The same of all files below a folder."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return [hit for path in files for hit in found_in(path.read_bytes(), str(path.relative_to(folder)))]

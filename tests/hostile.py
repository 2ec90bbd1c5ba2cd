"""Files that raygen reads back, damaged at random and forged, and what raygen makes of them: shared by the
quick tests (a few) and `tests/bench/hostile.py` (thousands)."""

import contextlib
import copy
import hashlib
import io
import json
import signal
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from raygen.errors import RaygenError
from raygen.model import folder as model_folder
from tests.place import Place, silent

SECONDS, WAIT = 30, 600  # of the processor and of the clock, in which an answer comes, or it hangs
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 255, 65_536, 2**31, 2**63, -(2**63) - 1, 10**40, 10**4000, 1e308, -1e308,
    0.5, float("nan"), float("inf"), "", "x", "../../x", "/etc/passwd", "a\0b", "\ud800", "\x1b[31m", 
    "x" * 70_000, [], [[]], {}, [None], ["x"], [1, 2, 3], {"x": 1}, {"": None}, [0] * 5000,
]  # fmt: skip


@dataclass
class Tally:
    """How many inputs ended in which way, and the first of each kind that must not be."""

    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, action: Callable[[], Any]) -> None:
        try:
            with _in_time():
                action()
            self.ends["read"] += 1
        except RaygenError as error:
            self.ends["one clear error"] += 1
            if not error.hint or "\n" in error.message or len(error.message) > 4000:
                self.wrong.append(f"{name}: unclear: {error!r:.300}")
        except TimeoutError:
            self.ends["hang"] += 1
            self.wrong.append(f"{name}: hangs")
        except BaseException as error:
            self.ends["traceback"] += 1
            last = error.__traceback__
            while last.tb_next:
                last = last.tb_next
            where = f"{Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}"
            self.wrong.append(f"{name}: {type(error).__name__}: {str(error)[:150]} ({where})")


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    def stop(number, frame):
        raise TimeoutError

    before = {number: signal.signal(number, stop) for number in (signal.SIGALRM, signal.SIGPROF)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(WAIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def damage(rng: np.random.Generator, place: Place, name: str) -> str:
    """Damage a file at random, and tell how."""
    path, content = place.folder / name, (place.whole / name).read_bytes()
    how = rng.choice(["flip", "cut", "longer", "empty", "zeros", "noise", "deep", "field", "kind", "link"])
    if how == "flip":
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), rng.integers(1, 9)):
            damaged[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
    elif how == "cut":
        path.write_bytes(content[: rng.integers(len(content))])
    elif how == "longer":
        path.write_bytes(content + rng.bytes(int(rng.integers(1, 2000))))
    elif how in ("empty", "zeros", "noise"):
        path.write_bytes({"empty": b"", "zeros": bytes(len(content)), "noise": rng.bytes(len(content))}[how])
    elif how == "deep":
        path.write_bytes(rng.choice([b"[", b'{"a":']) * int(rng.integers(500, 200_000)))
    elif how == "field":
        path.write_text(json.dumps(mutated(rng, _json(content))))
    elif how == "kind":
        path.unlink()
        if rng.random() < 0.5:
            path.mkdir()
    else:
        path.unlink()
        path.symlink_to(
            rng.choice(["/dev/zero", "/dev/null", str(place.mine / "x"), str(path), "/proc/self/mem"])
        )
    return str(how)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return {}


def mutated(rng: np.random.Generator, value: Any) -> Any:
    """JSON of which one value, at any depth, is another one, is gone or stands there under another name."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places:
        return VALUES[rng.integers(len(VALUES))]
    deep = max(len(p) for p, _, _ in places)
    depth = rng.integers(1, deep + 1)  # else nearly all would be numbers of grids
    level = [p for p in places if len(p[0]) == depth] or places
    _, holder, key = level[rng.integers(len(level))]
    way = rng.random()
    if way < 0.15:
        del holder[key]
    elif way < 0.25 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif way < 0.5 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = type(holder[key])(holder[key] * -3 + 7)
    elif way < 0.6 and isinstance(holder[key], list):
        holder[key] = holder[key] * 2 if rng.random() < 0.5 else holder[key][:-1]
    else:
        holder[key] = VALUES[rng.integers(len(VALUES))]
    return value


def _places(value: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys)[:40]:
        yield (*path, key), value, key
        yield from _places(value[key], (*path, key))


def forge(rng: np.random.Generator, place: Place) -> str:
    """Change a model's content and give it the hashes of what it then is."""
    index = json.loads((place.whole / "run/model/raygen.json").read_text())
    name = rng.choice(
        ["schema.json", "codec.json", "vae.keras", "latent.npz", "ratio.npz", "latent.json", "raygen.json"]
    )
    content = (place.whole / "run/model" / name).read_bytes()
    if name == "raygen.json":
        index = mutated(rng, index)
    elif name.endswith(".json"):
        content = json.dumps(mutated(rng, json.loads(content))).encode()
    elif name.endswith(".npz"):
        content = _forged_arrays(rng, content)
    else:
        content = _forged_network(rng, content)
    if name != "raygen.json":
        (place.model / name).write_bytes(content)
        index["files"][name] = hashlib.sha256(content).hexdigest()
    index["checksum"] = model_folder._checksum(index)
    (place.model / "raygen.json").write_text(json.dumps(index))
    return str(name)


def _forged_arrays(rng: np.random.Generator, content: bytes) -> bytes:
    with np.load(io.BytesIO(content)) as found:
        arrays = dict(found)
    name = rng.choice(list(arrays))
    array = arrays[name]
    way = rng.integers(7)
    if way == 0:
        del arrays[name]
    elif way == 1:
        arrays[name] = array.ravel()[: array.size // 2]
    elif way == 2:
        arrays[name] = np.repeat(array[None], 2, axis=0)
    elif way == 3:
        arrays[name] = array.astype(rng.choice(["U4", "complex128", "float16", "int8", "bool"]))
    elif way == 4 and array.size:
        arrays[name] = array = array.copy()
        array.ravel()[rng.integers(array.size)] = rng.choice([-1, 10**6, 2**31 - 1])
    elif way == 5:
        arrays[name] = np.full(array.shape, np.nan if array.dtype.kind == "f" else 77, array.dtype)
    packed = io.BytesIO()
    (np.savez_compressed if way == 6 else np.savez)(packed, **arrays)
    if way == 6:
        return packed.getvalue()
    text = packed.getvalue()
    return text.replace(b"(2,)", b"(9,)") if rng.random() < 0.2 else text


def _forged_network(rng: np.random.Generator, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    way = rng.integers(4)
    if way == 0:
        weights = bytearray(files["model.weights.h5"])
        for at in rng.integers(0, len(weights), 20):
            weights[at] ^= 1 << int(rng.integers(8))
        files["model.weights.h5"] = bytes(weights)
    elif way == 1:
        files["model.weights.h5"] = files["model.weights.h5"][: rng.integers(len(files["model.weights.h5"]))]
    elif way == 2:
        described = json.loads(files["config.json"])
        described["config"] |= {
            str(rng.choice(["hidden_units", "latent_dim", "prior_components"])): VALUES[
                rng.integers(len(VALUES))
            ]
        }
        files["config.json"] = json.dumps(described).encode()
    else:
        files["config.json"] = json.dumps(mutated(rng, json.loads(files["config.json"]))).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(
        packed, "w", zipfile.ZIP_STORED if rng.random() < 0.9 else zipfile.ZIP_DEFLATED
    ) as archive:
        for name, one in files.items():
            archive.writestr(name, one)
    return packed.getvalue()


def damage_run(rng: np.random.Generator, place: Place) -> str:
    """A `_run.json` of which one value is another one, or several are."""
    path = place.out / "_run.json"
    value = json.loads((place.whole / "out/_run.json").read_text())
    for _ in range(int(rng.integers(1, 4))):
        value = mutated(rng, value) if isinstance(value, dict) else value
    path.write_text(json.dumps(value))
    if rng.random() < 0.5:
        (place.out / "_manifest.json").unlink()
    return "_run.json"


def run(
    folder: Path, inputs: int, runs: int, models: int, seed: int = 0, say=silent
) -> tuple[dict[str, Tally], int]:
    """All of it; how each kind ended, and how many files of others were touched."""
    place, rng = Place(folder), np.random.default_rng(seed)
    tallies = {"damaged files": Tally(), "damaged _run.json": Tally(), "forged models": Tally()}
    for name, reader in place.readers.items():
        whole = Tally()
        whole.add(name, reader)
        assert not whole.wrong and whole.ends["read"], (name, whole.wrong)
        place.restore()
    names, touched = place.names(), 0
    plan = [("damaged files", i) for i in range(inputs)]
    plan += [("damaged _run.json", i) for i in range(runs)] + [("forged models", i) for i in range(models)]
    for kind, i in plan:
        if kind == "damaged files":
            name = names[rng.integers(len(names))]
            how, reader = damage(rng, place, name), place.readers[name]
        elif kind == "forged models":
            name, how, reader = forge(rng, place), "forged", place.read_model
        else:
            name, how, reader = damage_run(rng, place), "damaged", place.read_out
        tallies[kind].add(f"{kind} {i}: {name} ({how})", reader)
        if (now := place.fingerprint()) != place.outside:
            touched += 1
            tallies[kind].wrong.append(f"{kind} {i}: {name} ({how}): {now.items() ^ place.outside.items()}")
            place.outside = now
        place.restore()
        if i % 100 == 99:
            say(f"{kind}: {i + 1}: {dict(tallies[kind].ends)}")
    return tallies, touched

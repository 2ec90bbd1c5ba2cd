"""A folder with one of everything that raygen reads back, and what reads it."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from raygen.codec.codec import Codec
from raygen.commands import inspect_model
from raygen.config import Config
from raygen.errors import RaygenError
from raygen.evaluation import synthetic_rows
from raygen.generation import manifest, request, verification
from raygen.model import folder as model_folder
from raygen.sampling.rows import Rows
from raygen.search import driver as search
from raygen.search.space import Space
from raygen.training import checkpoints, encoding
from tests import untrained


def silent(line: str) -> None:
    pass


class Place:
    """A folder with one of everything that raygen reads back, and a user's files beside it.

    Attributes:
        readers: For each file, what reads it.
    """

    def __init__(self, folder: Path):
        self.folder, self.model, self.out = folder, folder / "run" / "model", folder / "out"
        self.run = folder / "run"
        untrained.save(self.model)
        job = untrained.generate(str(self.model), self.out, {"generate.partition_by": ["flag"]})
        self._encode(job.found.codec)
        self._checkpoint()
        self._search()
        self.mine = folder / "mine"
        self.mine.mkdir()
        for name in ("part-00000000.parquet", "x", "raygen.json"):
            (self.mine / name).write_text(f"mine: {name}")
        self.whole = folder / "whole"
        for name in ("run", "out"):
            shutil.copytree(folder / name, self.whole / name)
        self.outside = self.fingerprint()
        self.readers = {name: self._reader(name) for name in self.names()}

    def names(self) -> list[str]:
        found = (p.relative_to(self.whole) for p in sorted(self.whole.rglob("*")) if p.is_file())
        return [str(p) for p in found if p.suffix != ".html"]

    def restore(self) -> None:
        for name in ("run", "out"):
            shutil.rmtree(self.folder / name)
            shutil.copytree(self.whole / name, self.folder / name)

    def fingerprint(self) -> dict[str, str]:
        """Of what raygen must not touch."""
        rest = (
            p for p in self.folder.rglob("*") if p.is_file() and p.parts[len(self.folder.parts)] not in OURS
        )
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in rest}

    def _encode(self, built: Codec) -> None:
        codes, offsets = built.encode(untrained.table())
        layout = encoding.row_type(built)
        rows = np.empty(len(codes), layout)
        for name, column in zip(layout.names, (*codes.T, *offsets.T), strict=True):
            rows[name] = column
        folder, content = self.run / "encoded" / "0123456789ab", rows.tobytes()
        folder.mkdir(parents=True)
        part = encoding._part_name(hashlib.sha256(content).hexdigest())
        (folder / part).write_bytes(content)
        marker = {"schema": built.schema.to_dict(), "codec": built.to_dict(), "content": "0" * 16}
        marker |= {"parts": [part], "sizes": [len(codes)]}
        marker |= {"checksum": encoding._checksum(marker)}
        (folder / encoding.MARKER).write_text(json.dumps(marker))
        self.encoded = folder

    def _checkpoint(self) -> None:
        rounds = [{"step": 3, "round": 1, "seconds": 1.0, "held_out_nats": 4.0}]
        state = {"step": np.array(3), "weights/0": np.zeros((4, 4), np.float32)}
        state |= {"history": np.array(json.dumps(rounds)), "part": np.array("{}")}
        self.checkpoints = checkpoints.Checkpoints(str(self.run / "checkpoints" / "run-0"), silent)
        self.checkpoints.newest()
        self.checkpoints.keep(state)

    def _search(self) -> None:
        self.asked = Config().override({"search.space": {"model.latent_dim": {"choice": [2, 4]}}})
        self.space = Space.of(self.asked)
        record = {
            "points": [{"model.latent_dim": 2}],
            "space": self.space.to_dict(),
            "objective": self.asked.search.objective,
            "algorithm": self.asked.search.algorithm,
            "base": search.run_name(self.asked),
            "trials": [],
        }
        (self.run / "search").mkdir()
        (self.run / "search" / "search.json").write_text(json.dumps(record))

    def _reader(self, name: str) -> Callable[[], Any]:
        if name.startswith("run/model/"):
            return self.read_model
        if name.startswith("run/encoded/"):
            return self.read_encoded
        if name.startswith("run/checkpoints/"):
            return self.checkpoints.newest
        if name.startswith("run/search/"):
            return lambda: search._points_before(self.asked, self.space, str(self.run / "search"))
        return self.read_out

    def read_encoded(self) -> None:
        """As train does; without the marker it encodes the table anew."""
        if (self.encoded / encoding.MARKER).exists():
            encoding.check_parts(encoding.read_encoded(str(self.encoded)))

    def read_model(self) -> None:
        """As inspect, generate and evaluate do."""
        inspect_model.inspect(str(self.model), silent)
        found = model_folder.load(str(self.model))
        found.network()
        Rows.of(found, Config().override(untrained.SETTINGS).generate, None, []).table(0, 40)

    def read_out(self) -> None:
        """As verify --repair, evaluate and generate do, up to what they make again."""
        out = str(self.out)
        with contextlib.suppress(RaygenError):
            synthetic_rows.manifest_problems(synthetic_rows.opened(out))
        synthetic_rows.choice(out)
        run = manifest.read_run(out)
        job = request.begun(out)
        done = verification._check(0, job.plan.num_parts, out, run, True)
        manifest.claim(out, job.identity, job.told)
        manifest.finish(out, job.plan, job.identity, job.told, manifest.Totals.from_dict(done["whole"]))


OURS = {"run", "out", "whole"}

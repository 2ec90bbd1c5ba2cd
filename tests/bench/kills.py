"""Kill decode actors and drivers of `raygen generate` at random times, begin again, and hold every byte
against an undisturbed run.

    python tests/bench/kills.py MODEL [--rows 3e6] [--shard-rows 20000] [--kills 50] [--seed 0]

When a run ends before the last kill, another one begins in an empty folder. Prints one JSON line; exit status
1 if any file differs.
"""

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil

DRIVERS = 0.3  # share of the kills that hit the driver


def main() -> int:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("--rows", type=float, default=3e6)
    args.add_argument("--shard-rows", type=int, default=20_000)
    args.add_argument("--actors", type=int, default=2)
    args.add_argument("--kills", type=int, default=50)
    args.add_argument("--longest", type=float, default=8.0, help="seconds from one kill to the next, at most")
    args.add_argument("--seed", type=int, default=0)
    a = args.parse_args()
    chance, told = (
        random.Random(a.seed),
        {"rows": int(a.rows), "actor_kills": 0, "driver_kills": 0, "driver_starts": 0, "runs": 0},
    )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kills") as folder:
        shutil.copytree(a.model, f"{folder}/model")
        config = Path(folder) / "bench.toml"
        settings = {"rows": int(a.rows), "rows_per_shard": a.shard_rows, "num_actors": a.actors}
        config.write_text(
            f'run.folder = "{folder}"\n[generate]\n'
            + "".join(f"{key} = {value}\n" for key, value in settings.items())
        )
        log = Path(folder, "log").open("w+")  # noqa: SIM115

        def start(out: str) -> psutil.Process:
            command = [
                sys.executable,
                "-m",
                "raygen.cli",
                "generate",
                str(config),
                "--out",
                f"{folder}/{out}",
            ]
            return psutil.Popen(command, stdout=log, stderr=log, start_new_session=True)

        if start("undisturbed").wait():
            raise SystemExit(Path(log.name).read_text())
        expected, equal = hashes(f"{folder}/undisturbed"), True
        while told["actor_kills"] + told["driver_kills"] < a.kills:
            told["runs"] += 1
            status = None
            while status is None or status < 0:
                driver = start("disturbed")
                told["driver_starts"] += 1
                while (status := driver.poll()) is None and told["actor_kills"] + told[
                    "driver_kills"
                ] < a.kills:
                    kill_one(driver, chance, a.longest, told)
                status = driver.wait()
            if status:
                raise SystemExit(Path(log.name).read_text())
            made = hashes(f"{folder}/disturbed")
            equal &= made == expected
            shutil.rmtree(f"{folder}/disturbed")
    told |= {
        "files": len(expected),
        "equal": equal,
        "hash": hashlib.sha256(json.dumps(expected, sort_keys=True).encode()).hexdigest()[:16],
    }
    print(json.dumps(told | {"seconds": round(time.perf_counter() - began)}))
    return 0 if equal else 1


def kill_one(driver: psutil.Process, chance: random.Random, longest: float, told: dict) -> None:
    """Wait for actors, then a random time, then kill one of them or the driver."""
    while driver.poll() is None and not actors(driver):
        time.sleep(0.1)
    time.sleep(chance.uniform(0, longest))
    whom = "driver" if chance.random() < DRIVERS else "actor"
    victims = [driver] if whom == "driver" else actors(driver)
    if victims and driver.poll() is None:
        try:
            chance.choice(victims).kill()
        except psutil.NoSuchProcess:
            return
        told[f"{whom}_kills"] += 1
        if whom == "driver":
            driver.wait()


def actors(driver: psutil.Process) -> list[psutil.Process]:
    found = []
    try:
        children = driver.children(recursive=True)
    except psutil.Error:
        return []
    for child in children:
        try:
            if "MapWorker" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def hashes(folder: str) -> dict[str, str]:
    """SHA-256 of every file, the manifest's among them."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    sys.exit(main())

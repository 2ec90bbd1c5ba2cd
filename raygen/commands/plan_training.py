"""What training and a search would take, with the time of steps that are taken to see."""

from raygen.cluster import devices, resources
from raygen.codec.codec import Codec
from raygen.config import Config
from raygen.config_sections import GenerateSettings
from raygen.errors import ClusterError, ConfigError
from raygen.generation import request
from raygen.report.redrawn import Say
from raygen.report.text import duration
from raygen.search import driver as search
from raygen.search.space import Space
from raygen.training import driver as training
from raygen.training import encoding, speed
from raygen.training.job import sized
from raygen.training.loader import Rows

AFTERWARDS = (
    "the passes over the table before, and the latent samplers, their report and the proposal after, "
    "are not in it"
)


def forecast(config: Config, available: resources.Resources, say: Say) -> dict:
    """Say how long the training of a config takes, and a search.

    Raises:
        RaygenError: For a setting or table that train would refuse, and a cluster that is too small.
    """
    config = config.settled()
    cpus = training.check_workers(config, available)
    source, schema, notes = encoding.describe(config)
    rows = sum(source.count_rows())
    settled = sized(config, rows)
    t = settled.train
    epochs = t.steps * t.batch_size / (rows * (1 - t.holdout - config.data.test))
    say(
        f"Source: {config.data.source}: {rows:,} rows x {len(schema.kinds)} columns "
        f"({len(schema.learned)} learned) in {len(source.paths)} file(s)."
    )
    for name, note in notes.items():
        say(f"  column '{name}' {note}.")
    say(
        f"Train: {training.in_words(config)} worker(s) of {cpus} CPU(s), {t.steps:,} steps of "
        f"{t.batch_size} rows ({epochs:.1f} epochs)."
    )
    learned = speed.sample(settled, source, schema)
    train = {
        "rows": rows,
        "columns": schema.kinds,
        "workers": t.num_workers,
        "cpus_per_worker": cpus,
        "steps": t.steps,
        "epochs": epochs,
    } | _timed(settled, learned, rows, 0 if t.num_workers == 0 else cpus, say)
    return {"train": train, "search": _search(settled, learned, rows, available, say)}


def _timed(config: Config, learned: tuple[Codec, Rows], rows: int, cpus: int, say: Say) -> dict:
    """Say how long the steps take, which are measured by an actor of so many CPUs; 0: in this process."""
    t = config.train
    measured = _measured(config, learned, cpus, 1.0 if t.use_gpu else 0.0, say)
    if not measured:
        return {}
    seconds = measured.seconds(config, rows)
    share = -(-t.batch_size // t.most_workers)
    others = " of workers that are all as fast and do not wait for one another" if t.most_workers > 1 else ""
    say(
        f"Its steps take {duration(seconds)} at most{others}: {measured.steps_per_second:,.1f} steps/s, as "
        f"measured now over {measured.steps} steps of {share:,} rows on {_place(cpus)}, and the scores of "
        f"held-out rows; {AFTERWARDS}."
    )
    return {"steps_per_second": measured.steps_per_second, "seconds": seconds}


def _search(
    config: Config, learned: tuple[Codec, Rows], rows: int, available: resources.Resources, say: Say
) -> dict:
    """Say how long the trials of a search take, if it were begun."""
    s = config.search
    try:
        search.check(config, Space.of(config))
        cpus, at_once = search.room(config, available)
    except (ConfigError, ClusterError) as error:
        say(f"Search: raygen tune would refuse it: {error.message}")
        return {"refused": error.message}
    say(f"Search: {s.trials} trials, {at_once} at a time.")
    answer = {"trials": s.trials, "at_a_time": at_once}
    measured = _measured(config, learned, cpus, search.gpus_of_worker(config), say)
    if not measured:
        return answer
    each = measured.seconds(config, rows)
    seconds = each * -(-s.trials // at_once)
    fewer = f"; search.scheduler = '{s.scheduler}' ends many of them earlier" if s.scheduler != "none" else ""
    say(
        f"Its steps take {duration(seconds)} at most, {duration(each)} for each trial: "
        f"{measured.steps_per_second:,.1f} steps/s, as measured now on {_place(cpus)} with the config's own "
        f"settings, which all trials are taken to be as fast with{fewer}. For each trial {AFTERWARDS}."
    )
    return answer | {"seconds_of_a_trial": each, "seconds": seconds}


def _place(cpus: int) -> str:
    return f"{cpus} CPU(s)" if cpus else "this machine's CPUs"


def _measured(
    config: Config, learned: tuple[Codec, Rows], cpus: int, gpus: float, say: Say
) -> speed.Speed | None:
    """Speed of a worker of so many CPUs, by an actor; without any, of this process. None where there is no
    room for the actor, which is told."""
    if not cpus:
        with devices.in_this_process(config.train.use_gpu):
            return speed.measure(config, *learned)
    if (free := resources.free_for(cpus)) < cpus:
        say(f"How long it takes is not measured: that needs {cpus} CPU(s), and {free:g} are free now.")
        return None
    place = GenerateSettings(cpus_per_actor=cpus, gpus_per_actor=gpus)
    return request.like_an_actor(place, speed.measure, config, *learned)

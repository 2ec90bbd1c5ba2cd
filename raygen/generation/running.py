"""Shards are made by actors of Ray Data, or in this process."""

from collections.abc import Callable
from dataclasses import dataclass

from raygen.cluster import mailbox
from raygen.cluster.watch import Watch
from raygen.config_sections import GenerateSettings
from raygen.errors import GenerationError, RaygenError
from raygen.generation.actor import ShardActor
from raygen.generation.manifest import Totals
from raygen.generation.progress import Progress
from raygen.generation.shard_writer import Event, NumberedRows, ShardWriter, Work
from raygen.report.redrawn import Say

Hears = Callable[[dict], object]


@dataclass(frozen=True)
class Actors:
    """Actors of Ray Data.

    Attributes:
        kind: Their class.
        model: Folder of the model.
        arguments: Of their `opened`.
        count: How many.
        settings: What each one is given.
    """

    kind: type[ShardActor]
    model: str
    arguments: tuple
    count: int
    settings: GenerateSettings


def by_actors(asked: Work, actors: Actors, say: Say, hears: Hears = lambda done: None) -> tuple[Totals, int]:
    """Make or keep every shard; the totals, and how many shards were made. Nothing here grows with the number
    of shards; `hears` is called with what is told of each item."""
    import ray

    board = mailbox.new_board()
    items = [{"first": first, "last": last} for first, last in asked.plan.items(actors.count)]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        actors.kind,  # type: ignore[type-var]
        fn_constructor_args=(actors.model, board, *actors.arguments),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=actors.count),
        num_cpus=actors.settings.cpus_per_actor,
        num_gpus=actors.settings.gpus_per_actor,
    )
    progress, totals, made = Progress(asked.plan.rows, say), Totals(), 0
    watch = Watch(board, say, "made no row for {}: it is slow, or its disk is.")

    def follow(events: list[Event]) -> None:
        progress.follow(events)
        watch.look()

    try:
        with mailbox.following(board, follow):
            for done in dataset.iter_rows():
                totals, made = totals + Totals.from_dict(done), made + int(done["made"])
                progress.finish(int(done["item"]), int(done["rows"]), int(done["made_rows"]), done["node"])
                hears(done)
    except Exception as error:
        raise ray.get(board.failure.remote()) or _stopped(asked, error) from error
    finally:
        for actor in ray.get(board.close.remote()):
            ray.kill(
                actor
                # else an error's traceback and Ray Data's executor keep the actors, and their CPUs, for as
                # long as they like
            )
    for line in progress.by_node():
        say(line)
    return totals, made


def here(asked: Work, rows: NumberedRows, say: Say) -> tuple[Totals, int]:
    """The same in this process, one shard after the other."""
    progress, totals, made = Progress(asked.plan.rows, say), Totals(), 0
    try:
        writer = ShardWriter(asked, rows, lambda event: progress.follow([event]))
        for first, last in asked.plan.items(1):
            done = writer.item(first, last)
            totals, made = totals + Totals.from_dict(done), made + done["made"]
            progress.finish(done["item"], done["rows"], done["made_rows"], "this one")
    except RaygenError:
        raise
    except Exception as error:
        raise _stopped(asked, error) from error
    return totals, made


def _stopped(asked: Work, error: Exception) -> GenerationError:
    return GenerationError(
        f"generation stopped: {(str(error).strip() or type(error).__name__).splitlines()[-1]}",
        f"finished shards stay in '{asked.folder}': run the same command to resume.",
    )

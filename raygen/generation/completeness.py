"""Whether all rows of a generation are there, and how many shards are not."""

from raygen import storage
from raygen.errors import GenerationError, OutputError
from raygen.generation.manifest import of_shard, read_part, read_run, run_of, sizes
from raygen.generation.run_records import PARTS
from raygen.generation.shards import Plan


def num_missing(folder: str, plan: Plan, most: int) -> int:
    """How many shards are still to be made, counted up to `most`: no part of the manifest names them, one of
    their files is not there, or the folder was begun for fewer rows."""
    named = {info.base_name for info in storage.entries(storage.join(folder, PARTS))}
    end = plan.first_row + (run["rows"] if (run := run_of(folder)) else 0)
    missing, listed = 0, dict[str, dict[str, int]]()
    for number in range(plan.num_parts):
        shards = plan.part(number)
        there = sizes(folder, plan, shards, listed) if plan.part_name(number) in named else {}
        for shard in shards:
            missing += plan.span(shard)[1] > end or not there.keys() >= set(plan.files(shard))
        if missing >= most:
            break
    return missing


def check_rows(folder: str, plan: Plan) -> None:
    """Refuse to write what another number of rows would make otherwise, the last shard and its part, in a
    folder that is now marked for one.

    Raises:
        OutputError: If another driver has marked it since this one did.
    """
    if (rows := read_run(folder)["rows"]) != plan.rows:
        message = (
            f"'{folder}' is marked for {rows:,} rows now, no longer for {plan.rows:,}: another "
            "generation has begun there."
        )
        raise OutputError(
            message, f"let it end, then run this command again with --rows {max(rows, plan.rows)}."
        )


def check_whole(folder: str, plan: Plan) -> None:
    """Look again whether all parts are there and the last shard is as they say, which another driver may have
    made shorter.

    Raises:
        GenerationError: If not.
    """
    there, last = (
        {info.base_name for info in storage.entries(storage.join(folder, PARTS))},
        plan.num_shards - 1,
    )
    lost = sum(plan.part_name(number) not in there for number in range(plan.num_parts))
    if lost:
        message = f"{lost:,} part(s) of the manifest of '{folder}' were deleted while it was written."
        raise GenerationError(message, "run the same command again to make them.")
    lines, there_now = (
        of_shard(read_part(folder, plan, plan.num_parts - 1), last),
        sizes(folder, plan, range(last, last + 1), {}),
    )
    if not lines or any(there_now.get(one["file"]) != one["bytes"] for one in lines):
        message = f"the last shard of '{folder}' was changed while the others were written."
        raise GenerationError(message, "run the same command again, and no other one beside it.")

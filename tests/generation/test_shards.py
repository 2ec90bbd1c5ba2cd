"""The plan of a generation: shards tile the rows, items tile the shards, blocks cover a shard."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from raygen.generation.shards import FILES_PER_FOLDER, ITEMS_PER_ACTOR, MAX_PARTS, Plan
from raygen.sampling.row_blocks import blocks

patient = settings(deadline=None)  # the machine may be busy
PLANS = st.builds(Plan, st.integers(1, 3000), st.integers(1, 400))


@patient
@given(PLANS)
def test_spans_tile_the_rows(plan):
    rows = [row for shard in range(plan.num_shards) for row in range(*plan.span(shard))]
    assert rows == list(range(plan.rows))
    sizes = [last - first for first, last in map(plan.span, range(plan.num_shards))]
    assert set(sizes[:-1]) <= {plan.rows_per_shard}
    assert 1 <= sizes[-1] <= plan.rows_per_shard


@patient
@given(PLANS, st.integers(1, 20))
def test_items_tile_the_parts_and_parts_the_shards(plan, num_actors):
    items = plan.items(num_actors)
    assert [shard for item in items for part in range(*item) for shard in plan.part(part)] == list(
        range(plan.num_shards)
    )
    sizes = [last - first for first, last in items]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1
    assert len(items) <= num_actors * ITEMS_PER_ACTOR


@patient
@given(st.integers(0, 10**12), st.integers(1, 3000), st.integers(1, 400))
def test_blocks_cover_a_range_of_rows(first, count, block_rows):
    rows, numbers = [], []
    for number, start, stop in blocks(first, first + count, block_rows):
        assert 0 <= start < stop <= block_rows
        rows += range(number * block_rows + start, number * block_rows + stop)
        numbers.append(number)
    assert rows == list(range(first, first + count))
    assert len(set(numbers)) == len(numbers)


@patient
@given(PLANS, st.integers(1, 3000))
def test_a_longer_generation_begins_with_the_same_shards(plan, more):
    longer = Plan(plan.rows + more, plan.rows_per_shard)
    whole = range(plan.num_shards - (plan.rows % plan.rows_per_shard > 0))
    assert [longer.span(shard) for shard in whole] == [plan.span(shard) for shard in whole]


@pytest.mark.parametrize("shard", [-1, 3, 10**9])
def test_there_is_no_such_shard(shard):
    with pytest.raises(IndexError, match="of 3"):
        Plan(25, 10).span(shard)


def test_names_sort_in_the_order_of_the_shards():
    few, many = Plan(FILES_PER_FOLDER, 1), Plan(FILES_PER_FOLDER + 1, 1)
    assert few.files(42) == ["part-00000042.parquet"]
    assert many.files(42) == ["000000/part-00000042.parquet"]
    assert many.files(FILES_PER_FOLDER) == ["000001/part-00001000.parquet"]
    names = [name for shard in range(many.num_shards) for name in many.files(shard)]
    assert names == sorted(set(names))


@patient
@given(st.integers(0, 10**15), st.integers(1, 3000), st.integers(1, 400))
def test_a_plan_may_begin_in_the_middle(first_row, rows, rows_per_shard):
    plan, usual = Plan(rows, rows_per_shard, first_row), Plan(rows, rows_per_shard)
    assert plan.num_shards == usual.num_shards
    spans = [usual.span(shard) for shard in range(usual.num_shards)]
    assert [plan.span(shard) for shard in range(plan.num_shards)] == [
        (first_row + first, first_row + last) for first, last in spans
    ]


def test_every_shard_has_a_file_in_each_partition():
    few = Plan(20, 10, suffix=".csv.gz", partitions=("a=1/b=x", "a=2/b=x"))
    assert few.files(1) == ["a=1/b=x/part-00000001.csv.gz", "a=2/b=x/part-00000001.csv.gz"]
    assert list(few.all_folders()) == few.folders(0) == ["a=1/b=x", "a=2/b=x"]
    many = Plan(FILES_PER_FOLDER + 1, 1, partitions=("a=1", "a=2"))
    assert many.files(FILES_PER_FOLDER) == [
        "a=1/000001/part-00001000.parquet",
        "a=2/000001/part-00001000.parquet",
    ]
    assert list(many.all_folders()) == ["a=1/000000", "a=2/000000", "a=1/000001", "a=2/000001"]


@patient
@given(PLANS)
def test_each_shard_is_in_its_part(plan):
    assert all(shard in plan.part(plan.part_of(shard)) for shard in range(plan.num_shards))


def test_a_plan_of_a_trillion_rows_is_arithmetic():
    plan = Plan(10**12, 10**6)
    assert plan.num_shards == 10**6
    assert plan.span(999_999) == (999_999_000_000, 10**12)
    assert len(plan.items(100)) == 100 * ITEMS_PER_ACTOR
    assert len(plan.items(10_000)) == plan.num_parts == 4082
    assert plan.part(plan.num_parts - 1)[-1] == 999_999
    assert sum(1 for _ in plan.all_folders()) == 1000
    assert plan.seconds(100, 1e5) == 1e5
    assert plan.actors_within(3600, 1e5) == 2778


@patient
@given(st.integers(1, 12_000))
def test_parts_are_few_and_of_equal_size(num_shards):
    plan = Plan(num_shards, 1)
    sizes = [len(plan.part(number)) for number in range(plan.num_parts)]
    assert sum(sizes) == num_shards and len(sizes) <= MAX_PARTS
    assert set(sizes[:-1]) <= {plan.shards_per_part} and 1 <= sizes[-1] <= plan.shards_per_part
    names = [plan.part_name(number) for number in range(plan.num_parts)]
    assert names == sorted(set(names))


@patient
@example(Plan(5, 10), 1.0, 5.0)
@given(PLANS, st.floats(0.01, 1000), st.floats(1, 1000))
def test_the_fewest_actors_that_finish_in_time(plan, seconds, rows_per_second):
    actors = plan.actors_within(seconds, rows_per_second)
    if not actors:
        assert plan.seconds(plan.num_shards, rows_per_second) > seconds
        return
    assert plan.seconds(actors, rows_per_second) <= seconds * (1 + 1e-9)
    assert actors == 1 or plan.seconds(actors - 1, rows_per_second) > seconds

import itertools
import os

import numpy as np
import pytest

from s2s_keras.data import BatchPlan, ShardShuffle, bucket_boundaries

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")


def durations(count=103, seed=0):
    return np.random.default_rng(seed).gamma(3.0, 2.0, count) + 0.5


def padded_total(values, boundaries):
    return sum(min(b for b in boundaries if b >= v) for v in values)


@pytest.mark.parametrize("num_buckets", [1, 2, 3, 4])
def test_automatic_boundaries_waste_least(num_buckets):
    values = np.round(durations(12), 2)
    best = min(
        padded_total(values, (*inner, values.max()))
        for inner in itertools.combinations(sorted(set(values))[:-1], num_buckets - 1)
    )
    boundaries = bucket_boundaries(values, num_buckets)
    assert len(boundaries) == num_buckets and list(boundaries) == sorted(boundaries)
    assert padded_total(values, boundaries) == pytest.approx(best)


def test_automatic_boundaries_cover_all_of_a_large_corpus():
    values = durations(5000)
    boundaries = bucket_boundaries(values, 6)
    assert len(boundaries) == 6 and boundaries[-1] >= values.max() > boundaries[-1] - 0.02
    quantiles = np.quantile(values, np.arange(1, 7) / 6)
    assert padded_total(values, boundaries) < 0.97 * padded_total(values, quantiles)


def test_fewer_durations_than_buckets():
    assert bucket_boundaries([1.0, 1.0, 2.0], 5) == (1.0, 2.0)
    assert bucket_boundaries([1.0], 3) == (1.0,)
    with pytest.raises(ValueError, match="at least one bucket"):
        bucket_boundaries([1.0], 0)


def test_batches_come_from_one_bucket_and_only_the_last_is_not_full():
    values = durations()
    plan = BatchPlan(values, 8, bucket_boundaries(values, 3), shuffle=True)
    batches = plan.batches(0)
    assert len(batches) == len(plan) == 13
    assert [len(b) for b in batches] == [8] * 12 + [103 - 96]
    mixed = [b for b in batches if len(set(plan.bucket[b])) > 1]
    assert len(mixed) <= 3
    assert sorted(np.concatenate(batches)) == list(range(103))
    for batch in batches:
        assert values[batch].max() <= plan.boundaries[plan.bucket[batch].max()]


def test_longer_than_the_last_boundary_is_one_more_bucket():
    plan = BatchPlan([1.0, 7.313, 2.0], 1, (2.0,))
    assert plan.boundaries == (2.0, 7.32) and plan.bucket.tolist() == [0, 1, 0]


def test_without_shuffling_one_bucket_keeps_the_order():
    plan = BatchPlan(durations(10), 4, (100.0,))
    for epoch in range(2):
        assert [b.tolist() for b in plan.batches(epoch)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def flat(batches):
    return [b.tolist() for b in batches]


def test_shuffling_is_by_seed_and_epoch():
    def plan(seed):
        return BatchPlan(durations(), 8, (4.0, 8.0), shuffle=True, seed=seed)

    assert flat(plan(0).batches(3)) == flat(plan(0).batches(3))
    assert flat(plan(0).batches(3)) != flat(plan(0).batches(4))
    assert flat(plan(0).batches(3)) != flat(plan(1).batches(3))


@pytest.mark.parametrize("count", [96, 97, 103, 118])
@pytest.mark.parametrize("num_shards", [2, 3])
def test_shards_overlap_nowhere_and_lose_nothing(count, num_shards):
    values = durations(count)
    plans = [
        BatchPlan(values, 8, (4.0, 8.0), shuffle=True, num_shards=num_shards, shard_index=k) for k in range(num_shards)
    ]
    shards = [plan.batches(1) for plan in plans]
    assert [len(s) for s in shards] == [len(plan) for plan in plans] == [len(shards[0])] * num_shards
    for step in zip(*shards, strict=True):
        assert len({len(batch) for batch in step}) == 1
        assert sum(np.count_nonzero(batch < 0) for batch in step) < num_shards
    rows = np.concatenate([b for s in shards for b in s])
    assert sorted(rows[rows >= 0]) == list(range(count))


def test_shards_work_in_step_when_the_remainder_is_dropped():
    values = durations(103)
    plans = [
        BatchPlan(values, 4, (4.0, 8.0), shuffle=True, drop_remainder=True, num_shards=3, shard_index=k)
        for k in range(3)
    ]
    shards = [plan.batches(5) for plan in plans]
    assert [len(s) for s in shards] == [103 // 12] * 3 == [len(plan) for plan in plans]
    assert {len(b) for s in shards for b in s} == {4}
    together = np.concatenate([b for s in shards for b in s])
    assert len(set(together)) == len(together) == 103 // 12 * 12
    # At each step the workers' batches come from the same bucket, but for those made of left-overs.
    mixed = [step for step in zip(*shards, strict=True) if len({plans[0].bucket[i] for b in step for i in b}) > 1]
    assert len(mixed) <= 2


@pytest.mark.parametrize("num_shards", [1, 3])
@pytest.mark.parametrize("drop_remainder", [False, True])
def test_batch_sizes_by_bucket_give_the_same_number_of_batches_every_epoch(num_shards, drop_remainder):
    values, sizes = durations(203), {4.0: 5, 8.0: 2, 30.0: 1}
    plan = BatchPlan(values, sizes.get, tuple(sizes), True, 0, drop_remainder, num_shards)
    for epoch in range(4):
        batches = plan.global_batches(epoch)
        assert len(batches) == len(plan)
        full = [len(b) == num_shards * plan.batch_sizes[plan.bucket[b].max()] for b in batches]
        assert all(full[:-1]) and all(full[:-1] if not drop_remainder else full)
        together = np.concatenate(batches)
        assert len(set(together)) == len(together)
        assert len(together) == 203 if not drop_remainder else len(together) > 203 - 5 * num_shards


def test_shuffling_in_a_window_of_shards_stays_in_few_files():
    values, shard = durations(600), np.repeat(np.arange(20), 30)
    plan = BatchPlan(values, 4, (4.0, 8.0, 30.0), ShardShuffle(shard, window=2))
    first, second = plan.batches(0), plan.batches(1)
    assert sorted(np.concatenate(first)) == list(range(600)) and flat(first) != flat(second)
    assert flat(first) == flat(BatchPlan(values, 4, (4.0, 8.0, 30.0), ShardShuffle(shard, window=2)).batches(0))

    def files(batches):
        """Shards that ten batches in a row read from, on average."""
        return np.mean([len(set(shard[np.concatenate(batches[k : k + 10])])) for k in range(0, len(batches) - 9, 10)])

    freely = BatchPlan(values, 4, (4.0, 8.0, 30.0), True).batches(0)
    assert files(first) < 6 < 15 < files(freely)
    assert {tuple(sorted(set(shard[b]))) for b in first} != {tuple(sorted(set(shard[b]))) for b in second}
    with pytest.raises(ValueError, match="at least one shard"):
        ShardShuffle(shard, 0)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"batch_size": 0}, "batch_size of at least 1"),
        ({"shard_index": 2, "num_shards": 2}, "shard_index < num_shards"),
        ({"boundaries": ()}, "must be positive and ascend"),
        ({"boundaries": (4.0, 2.0)}, "must be positive and ascend"),
        ({"boundaries": (0.0, 2.0)}, "must be positive and ascend"),
        ({"batch_size": 11, "drop_remainder": True}, "do not fill one batch"),
    ],
)
def test_arguments_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        BatchPlan(**{"durations": durations(10), "batch_size": 2, "boundaries": (4.0,), **change})

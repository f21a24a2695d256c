"""Which utterances share a batch: few different lengths, little padding, the same plan on every worker."""

import numpy as np

_GRID = 0.01  # seconds that automatic boundaries are rounded up to
_CANDIDATES = 256


def bucket_boundaries(durations, num_buckets):
    """Chooses the bucket boundaries that waste the least padding.

    Args:
        durations: array-like of float, seconds of each utterance.
        num_buckets: int, the number of buckets wanted; fewer come back where there are fewer different durations.

    Returns:
        Tuple of float: the longest duration of each bucket, ascending, the last one covering all.

    Raises:
        ValueError: `num_buckets` is below 1.

    Example:

    >>> bucket_boundaries([1.0, 1.1, 1.0, 5.0, 5.2], num_buckets=2)
    (1.1, 5.2)
    """
    if num_buckets < 1:
        raise ValueError(f"Expected at least one bucket. Received: num_buckets={num_buckets}.")
    durations = np.sort(np.asarray(durations, "float64"))
    edges = np.unique(durations[np.linspace(0, len(durations) - 1, _CANDIDATES).round().astype(int)])
    count = np.searchsorted(durations, edges, side="right")
    # cost[k]: least padded length of everything up to edge k; one more bucket per turn.
    cost, choices = edges * count, []
    for _ in range(min(num_buckets, len(edges)) - 1):
        total = cost[:, None] + edges[None, :] * (count[None, :] - count[:, None])
        total = np.where(np.arange(len(edges))[:, None] < np.arange(len(edges))[None, :], total, np.inf)
        choices.append(total.argmin(0))
        cost = total.min(0)
    chosen = [len(edges) - 1]
    for choice in reversed(choices):
        chosen.append(choice[chosen[-1]])
    return tuple(sorted({_on_grid(edges[k]) for k in chosen}))


def _on_grid(seconds):
    return float(round(np.ceil(round(seconds / _GRID, 6)) * _GRID, 2))


class BatchPlan:
    """Decides which utterances form which batch, epoch by epoch.

    Batches are cut from one bucket at a time for all workers together, then split, so that every worker has the same
    number of batches and the same padded length at the same step. What is left over in the buckets is gathered into
    batches across neighbouring buckets: at most one batch in an epoch is not full.

    Args:
        durations: array-like of float, seconds of each utterance.
        batch_size: int, utterances per batch and worker.
        boundaries: sequence of float, longest duration of each bucket in seconds, ascending; longer utterances share
            one more bucket.
        shuffle: bool, whether utterances and batches change places every epoch. Default False: the order given, within
            each bucket.
        seed: int, of the shuffling. Default 0.
        drop_remainder: bool, whether the last batch is left out where it is not full. Default False. Synchronous
            training on several workers needs True, or one worker may be a batch short.
        num_shards: int, number of workers. Default 1.
        shard_index: int, which of them this one is. Default 0.

    Raises:
        ValueError: an argument is out of range, or fewer utterances than one batch with `drop_remainder`.

    Example:

    >>> plan = BatchPlan([1.0, 3.0, 1.1, 3.1], batch_size=2, boundaries=(2.0, 4.0))
    >>> [batch.tolist() for batch in plan.batches(epoch=0)]
    [[0, 2], [1, 3]]
    """

    def __init__(
        self,
        durations,
        batch_size,
        boundaries,
        shuffle=False,
        seed=0,
        drop_remainder=False,
        num_shards=1,
        shard_index=0,
    ):
        self.durations = np.asarray(durations, "float64")
        if batch_size < 1 or not 0 <= shard_index < num_shards:
            raise ValueError(
                "A batch plan needs batch_size of at least 1 and 0 <= shard_index < num_shards. Received: "
                f"batch_size={batch_size}, num_shards={num_shards}, shard_index={shard_index}."
            )
        boundaries = tuple(float(b) for b in boundaries)
        if not boundaries or boundaries[0] <= 0 or list(boundaries) != sorted(set(boundaries)):
            raise ValueError(f"Bucket boundaries must be positive and ascend, in seconds. Received: {boundaries}.")
        longest = self.durations.max()
        self.boundaries = boundaries if longest <= boundaries[-1] else (*boundaries, _on_grid(longest))
        self.bucket = np.searchsorted(self.boundaries, self.durations, side="left")
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_remainder = drop_remainder
        self.num_shards = num_shards
        self.shard_index = shard_index
        step = batch_size * num_shards
        if drop_remainder and len(self.durations) < step:
            raise ValueError(
                f"{len(self.durations)} utterances do not fill one batch of {batch_size} on each of {num_shards} "
                "workers; use a smaller batch_size or drop_remainder=False."
            )

    def __len__(self):
        full, rest = divmod(len(self.durations), self.batch_size * self.num_shards)
        return full + (not self.drop_remainder and rest > self.shard_index)

    def batches(self, epoch):
        """The batches of one epoch on this worker, as arrays of utterance positions."""
        rng = np.random.default_rng((self.seed, epoch))
        step = self.batch_size * self.num_shards
        batches, rest = [], []
        for bucket in range(len(self.boundaries)):
            members = np.flatnonzero(self.bucket == bucket)
            if self.shuffle:
                members = rng.permutation(members)
            full = len(members) - len(members) % step
            batches.extend(members[:full].reshape(-1, step))
            rest.append(members[full:])
        rest = np.concatenate(rest)
        full = len(rest) - len(rest) % step
        batches.extend(rest[:full].reshape(-1, step))
        if self.shuffle:
            batches = [batches[k] for k in rng.permutation(len(batches))]
        if full < len(rest) and not self.drop_remainder:
            batches.append(rest[full:])
        shards = (batch[self.shard_index :: self.num_shards] for batch in batches)
        return [shard for shard in shards if len(shard)]

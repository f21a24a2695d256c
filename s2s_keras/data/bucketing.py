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


class ShardShuffle:
    """An order that changes every epoch and still reads few files at a time, for network disks.

    Shards change places; then the utterances of each `window` of shards do.

    Args:
        shards: sequence, which shard (or file) each utterance is in.
        window: int, shards whose utterances are mixed.

    Call arguments:
        rng: `numpy.random.Generator`.

    Returns:
        Array of int, positions of all utterances in the order of reading.

    Raises:
        ValueError: `window` is below 1.

    Example:

    >>> order = ShardShuffle(["a", "a", "b", "b"], window=1)(np.random.default_rng(0))
    >>> sorted(order[:2].tolist()) in ([0, 1], [2, 3])
    True
    """

    def __init__(self, shards, window):
        if window < 1:
            raise ValueError(f"Utterances are shuffled within a window of at least one shard. Received: {window}.")
        names, self.shards = np.unique(np.asarray(shards), return_inverse=True)
        self.num_shards = len(names)
        self.window = window

    def __call__(self, rng):
        place = rng.permutation(self.num_shards) // self.window
        return np.lexsort((rng.random(len(self.shards)), place[self.shards]))


class BatchPlan:
    """Decides which utterances form which batch, epoch by epoch.

    Batches are cut from one bucket at a time for all workers together, then split, so that every worker has the same
    number of batches and the same padded length at the same step. What is left over in the buckets is gathered into
    batches across neighbouring buckets, from the longest to the shortest: one batch in an epoch, the last, may not be
    full. The number of batches is the same in every epoch.

    Args:
        durations: array-like of float, seconds of each utterance.
        batch_size: int, utterances per batch and worker; or a callable that is given the boundary of a bucket, in
            seconds, and says how many utterances its batches hold.
        boundaries: sequence of float, longest duration of each bucket in seconds, ascending; longer utterances share
            one more bucket.
        shuffle: bool, whether utterances and batches change places every epoch; or a callable that is given the epoch's
            `numpy.random.Generator` and returns the order in which to read all utterances, which batches then follow.
            Default False: the order given, within each bucket.
        seed: int, of the shuffling. Default 0.
        drop_remainder: bool, whether the last batch is left out where it is not full. Default False.
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
        boundaries = tuple(float(b) for b in boundaries)
        if not boundaries or boundaries[0] <= 0 or list(boundaries) != sorted(set(boundaries)):
            raise ValueError(f"Bucket boundaries must be positive and ascend, in seconds. Received: {boundaries}.")
        longest = float(self.durations.max())
        self.boundaries = boundaries if longest <= boundaries[-1] else (*boundaries, _on_grid(longest))
        self.batch_sizes = [int(batch_size(b)) if callable(batch_size) else batch_size for b in self.boundaries]
        if min(self.batch_sizes) < 1 or not 0 <= shard_index < num_shards:
            raise ValueError(
                "A batch plan needs batch_size of at least 1 and 0 <= shard_index < num_shards. Received: "
                f"batch_size={min(self.batch_sizes)}, num_shards={num_shards}, shard_index={shard_index}."
            )
        self.bucket = np.searchsorted(self.boundaries, self.durations, side="left").astype("int16")
        self.shuffle = shuffle
        self.seed = seed
        self.drop_remainder = drop_remainder
        self.num_shards = num_shards
        self.shard_index = shard_index
        self._length = self._count()
        if not self._length:
            raise ValueError(
                f"{len(self.durations)} utterances do not fill one batch of {max(self.batch_sizes)} on each of "
                f"{num_shards} workers; use a smaller batch_size or drop_remainder=False."
            )

    def __len__(self):
        return self._length

    def batches(self, epoch):
        """The batches of one epoch on this worker: arrays of utterance positions, -1 for an empty row."""
        return [self.share(batch) for batch in self.global_batches(epoch)]

    def share(self, batch):
        """This worker's rows of a batch of all workers, which empty rows, -1, fill up until it divides."""
        filled = np.full(-(-len(batch) // self.num_shards) * self.num_shards, -1)
        filled[: len(batch)] = batch
        return filled[self.shard_index :: self.num_shards]

    def global_batches(self, epoch):
        """The batches of one epoch of all workers together: list of arrays of utterance positions."""
        rng = np.random.default_rng((self.seed, epoch))
        order = np.arange(len(self.bucket)) if not callable(self.shuffle) else np.asarray(self.shuffle(rng))
        bucket = self.bucket[order]
        batches, rest = [], []
        for k in range(len(self.boundaries)):
            members, step = order[bucket == k], self._step(k)
            if self.shuffle is True:
                members = rng.permutation(members)
            full = len(members) - len(members) % step
            batches.extend(members[:full].reshape(-1, step))
            rest.append(members[full:])
        batches.extend(self._gather(np.concatenate(rest[::-1])))
        last = [] if self._is_full(batches[-1]) else [batches.pop()]
        if self.shuffle is True:
            batches = [batches[k] for k in rng.permutation(len(batches))]
        elif callable(self.shuffle):  # a batch is read when its last utterance is
            rank = np.empty_like(order)
            rank[order] = np.arange(len(order))
            batches.sort(key=lambda batch: rank[batch].max())
        return batches if self.drop_remainder else batches + last

    def _step(self, bucket):
        return self.batch_sizes[bucket] * self.num_shards

    def _is_full(self, batch):
        return len(batch) == self._step(self.bucket[batch].max())

    def _gather(self, rest):
        """Batches of what is left over, ordered from the longest bucket to the shortest: as large as its longest's."""
        batches = []
        while len(rest):
            step = self._step(self.bucket[rest[0]])
            batches.append(rest[:step])
            rest = rest[step:]
        return batches

    def _count(self):
        """The number of batches of any epoch: how many utterances are left over does not depend on which."""
        full, rest = 0, []
        for k in range(len(self.boundaries)):
            members, step = np.flatnonzero(self.bucket == k), self._step(k)
            full += len(members) // step
            rest.append(members[: len(members) % step])
        rest = self._gather(np.concatenate(rest[::-1]))
        return full + len(rest) - (self.drop_remainder and len(rest) > 0 and not self._is_full(rest[-1]))

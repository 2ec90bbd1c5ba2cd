"""What Ray's dashboards and Prometheus show of training, while it runs."""


class Gauges:
    """Metrics of one worker, through Ray's own: each with the tags `run` and `worker`, its name with `ray_`
    before it.

    `raygen_train_rows` (a counter, `..._total` in Prometheus) and `raygen_train_rows_per_second`: the rows of
    this worker; their sums over the workers are those of the run. `raygen_train_wait_share`: the share of its
    time in which it waited for rows, 0 to 1. From worker 0: `raygen_held_out_nats` (per row),
    `raygen_train_step` and `raygen_train_workers`.

    Args:
        run: Name of the run.
        rank, world_size: This worker, of how many.
        share: Of the rows of a step, that this worker takes.
    """

    def __init__(self, run: str, rank: int = 0, world_size: int = 1, share: float = 1.0):
        from ray.util.metrics import Counter, Gauge

        self.rank, self.world, self.share = rank, world_size, share
        tags = {"tag_keys": ("run", "worker")}
        self.trained = Counter("raygen_train_rows", "rows that this worker has trained on", **tags)
        self.rate = Gauge(
            "raygen_train_rows_per_second", "rows that this worker trains on in a second", **tags
        )
        self.wait = Gauge(
            "raygen_train_wait_share", "share of its time in which this worker waits for rows", **tags
        )
        self.nats = Gauge("raygen_held_out_nats", "negative ELBO of held-out rows in nats per row", **tags)
        self.step = Gauge("raygen_train_step", "optimizer steps taken", **tags)
        self.workers = Gauge("raygen_train_workers", "workers of the run", **tags)
        for one in (self.trained, self.rate, self.wait, self.nats, self.step, self.workers):
            one.set_default_tags({"run": run, "worker": str(rank)})
        self.values: list = [(self.workers, world_size)] if rank == 0 else []

    def rows(self, count: int) -> None:
        """So many more rows of this worker are trained on.

        What is known is set again each time, often: Ray drops a gauge that nobody has set for a while.
        """
        self.trained.inc(count)
        for gauge, value in self.values:
            gauge.set(value)

    def round(self, figures: dict) -> None:
        """The figures of a round, as `worker` keeps them in its history."""
        self.values = [
            (self.rate, figures["rows_per_second"] * self.share),
            (self.wait, figures["wait_share"]),
        ]
        if self.rank == 0:
            self.values += [
                (self.workers, self.world),
                (self.nats, figures["held_out_nats"]),
                (self.step, figures["step"]),
            ]
        for gauge, value in self.values:
            gauge.set(value)

"""The actors of Ray Data that make and write shards."""

from abc import ABC, abstractmethod
from typing import Any, NoReturn

from raygen import storage
from raygen.cluster import mailbox
from raygen.config_sections import GenerateSettings
from raygen.errors import GenerationError, RaygenError
from raygen.generation import request
from raygen.generation.request import Job
from raygen.generation.shard_writer import Event, NumberedRows, ShardWriter, Work
from raygen.sampling.rows import Rows


class ShardActor(ABC):
    """An actor that loads a model once, then makes what is missing of item after item.

    Args:
        model: Folder of the model.
        board: Where it tells how far it is.
        arguments: Of `opened`.
    """

    def __init__(self, model: str, board: Any, *arguments: Any):
        import ray
        from ray.util.metrics import Counter

        context = ray.get_runtime_context()
        me, self.who = context.current_actor, context.get_actor_id()
        if not ray.get(board.enroll.remote(me)):
            ray.kill(me)
        self.board, self.node = board, mailbox.node_name()
        tags = {"tag_keys": ("run",)}
        self.row_counter = Counter("raygen_generated_rows", "synthetic rows made", **tags)
        self.byte_counter = Counter("raygen_generated_bytes", "bytes of synthetic shards written", **tags)
        for counter in (self.row_counter, self.byte_counter):
            counter.set_default_tags({"run": storage.name(storage.parent(model))})
        mailbox.show_life(board)  # between items too: Ray waits for a process that stands still
        try:
            self.writer = ShardWriter(*self.opened(model, *arguments), self._tell, self._count)
        except RaygenError as error:
            self._fail(error)
        board.turn.remote(self.who, False)

    @abstractmethod
    def opened(self, model: str, *arguments: Any) -> tuple[Work, NumberedRows]:
        """The work, and the rows that it writes."""

    def more(self) -> dict:
        """What is told of an item beside its totals."""
        return {}

    def __call__(self, batch: dict) -> dict:
        try:
            ((first, last),) = zip(batch["first"], batch["last"], strict=True)
            self.board.turn.remote(self.who, True)
            done = self.writer.item(int(first), int(last)) | {"node": self.node} | self.more()
            self.board.turn.remote(self.who, False)
            return {key: [value] for key, value in done.items()}
        except RaygenError as error:
            self._fail(error)
            raise

    def _tell(self, event: Event) -> None:
        self.board.add.remote(event, self.who)

    def _count(self, rows: int, num_bytes: int) -> None:
        for counter, number in ((self.row_counter, rows), (self.byte_counter, num_bytes)):
            if number:  # Ray refuses to count nothing
                counter.inc(number)

    def _fail(self, error: RaygenError) -> NoReturn:
        import ray

        ray.get(self.board.fail.remote(error))
        raise error


class WriteShards(ShardActor):
    """A decode actor: draws the rows of a generation."""

    def opened(self, model: str, *arguments: Any) -> tuple[Work, NumberedRows]:
        settings, folder, laws, fingerprint, file, pinned = arguments
        wanted = GenerateSettings(**settings)
        request.keep_to(wanted, pinned)
        asked = Job.of(model, wanted, folder, file)
        if asked.found.fingerprint != fingerprint:
            raise GenerationError(
                f"model '{model}' changed while rows were generated from it.", "run the command again."
            )
        return asked, Rows.of(asked.found, asked.settings, asked.wanted, laws)

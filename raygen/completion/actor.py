"""The actor of Ray Data that completes rows and writes them as shards."""

import json
from typing import Any

from raygen.completion.settings import Settings
from raygen.config_sections import GenerateSettings
from raygen.errors import GenerationError
from raygen.generation import request
from raygen.generation.actor import ShardActor
from raygen.generation.shard_writer import NumberedRows, Work


class CompleteShards(ShardActor):
    """Loads a model once, then completes the rows of item after item."""

    def opened(self, model: str, *arguments: Any) -> tuple[Work, NumberedRows]:
        source, how, settings, folder, file, identity, pinned = arguments
        wanted = GenerateSettings(**settings)
        request.keep_to(wanted, pinned)
        from raygen.completion.job import CompletionJob  # which import TensorFlow
        from raygen.completion.loaded import Loaded

        job = CompletionJob.of(Loaded.of(model), source.as_now(), Settings(**how), wanted, folder, file)
        if job.identity != identity:
            raise GenerationError(
                f"model '{model}' or '{source.source.uri}' changed while its rows were completed.",
                "run the command again.",
            )
        self.rows = job.rows()
        return job, self.rows

    def more(self) -> dict:
        told, self.rows.told = self.rows.told, type(self.rows.told)()
        return {"told": json.dumps(told.to_dict())}

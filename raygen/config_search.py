"""The settings of `[search]`."""

from typing import Any, Literal

from pydantic import Field, field_validator

from raygen.config_types import Section


class SearchSettings(Section):
    trials: int = Field(
        default=16,
        ge=1,
        description="points of the space to try; the first has the config's own settings, if they lie in it",
    )
    objective: Literal["nats", "c2st"] = Field(
        default="c2st",
        description="chooses the best: c2st of generated rows (higher is better), or held-out nats "
        "per row of the values (lower)",
    )
    algorithm: Literal["random", "tpe", "grid"] = Field(
        default="random", description="how points are chosen; tpe: Optuna's, from the results so far"
    )
    scheduler: Literal["asha", "none"] = Field(
        default="asha", description="asha: stop trials that are behind in nats; none: train each to its end"
    )
    grace: float = Field(
        default=0.2, gt=0, le=1, description="share of its training that a trial gets before asha may stop it"
    )
    reduction_factor: int = Field(
        default=3,
        ge=2,
        le=16,
        description="asha lets one of so many go on, at the grace and at each multiple of it by this",
    )
    min_rows_per_second: float = Field(
        default=0.0, ge=0, description="slower trials (z and decoding, one worker) cannot be the best"
    )
    cost: Literal["none", "rows_per_second", "seconds"] = Field(
        default="none", description="a second objective, for algorithm = 'tpe' with scheduler = 'none'"
    )
    concurrent_trials: int = Field(
        default=0,
        ge=0,
        description="0: as many as the cluster holds, train.cpus_per_worker (0: one) CPUs each",
    )
    gpus_per_trial: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of a GPU for a trial of one worker; 0: a whole one if train.use_gpu",
    )
    log_to: Literal["none", "tensorboard", "mlflow", "wandb"] = Field(
        default="none", description="send rounds and results there too, by Ray's callbacks"
    )
    space: dict[str, Any] = Field(
        default={
            "model.latent_dim": {"choice": [8, 16, 24, 32]},
            "model.hidden_units": {"choice": [[256, 256], [256, 256, 256], [384, 384]]},
            "model.beta": {"uniform": [0.5, 1.0]},
            "model.turn_width": {"choice": [32, 64, 128]},
            "model.dropout": {"uniform": [0.1, 0.5]},
            "model.context_dropout": {"uniform": [0.1, 0.5]},
            "train.learning_rate": {"log_uniform": [2e-3, 1.2e-2]},
        },
        description="settings to search: choice, uniform, log_uniform, integer or log_integer",
    )

    @field_validator("space", mode="before")
    @classmethod
    def _dotted(cls, space: Any) -> Any:
        """`model.latent_dim = {...}` without quotes, of which TOML makes a table in a table, as
        `"model.latent_dim" = {...}`."""
        if not isinstance(space, dict):
            return space
        tables = {key: rules for key, rules in space.items() if "." not in key and isinstance(rules, dict)}
        return {k: v for k, v in space.items() if k not in tables} | {
            f"{t}.{k}": v for t, rules in tables.items() for k, v in rules.items()
        }

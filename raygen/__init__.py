"""raygen: learn a table with a Keras VAE on Ray, and write as many synthetic rows as you want.

    config = raygen.Config.load("mine.toml")   raygen.init("mine.csv") writes one
    raygen.train(config)                       the model, in the run folder
    raygen.tune(config)                        the same with searched settings
    raygen.generate(config, rows=1_000_000)    rows as files, by actors on Ray
    raygen.verify("runs/mine/synthetic")       the files against their manifest
    raygen.evaluate(config)                    scores and a report
    raygen.plan(config)                        what training and generating would take
    raygen.inspect("runs/mine/model")          what a model holds
    model = raygen.load("runs/mine/model")     a raygen.Model: sample, dataset, evaluate
    model = raygen.fit(df, folder="runs/df")   the same of a DataFrame, a Table or a Ray Dataset
    raygen.sample("runs/mine/model", 1000)     rows in memory, without Ray
    raygen.complete("runs/mine/model", rows)   rows given in part, whole
    raygen.score("runs/mine/model", rows)      how likely each row is
    raygen.doctor("encoder.keras", ...)        what is wrong with someone else's VAE

Whatever a user can mend is a `raygen.RaygenError`, with a hint. `import raygen` loads neither Ray nor
TensorFlow; each name loads what it needs when it is first used. `raygen help` in a shell prints the manual.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raygen.commands.init import init as init
    from raygen.commands.inspect_model import inspect as inspect
    from raygen.commands.plan import plan as plan
    from raygen.completion.driver import complete as complete
    from raygen.completion.scoring import score as score
    from raygen.config import Config as Config
    from raygen.diagnosis.driver import doctor as doctor
    from raygen.errors import RaygenError as RaygenError
    from raygen.evaluation.driver import evaluate as evaluate
    from raygen.generation.driver import generate as generate
    from raygen.generation.verification import verify as verify
    from raygen.notebook.fit import fit as fit
    from raygen.notebook.model import Model as Model
    from raygen.notebook.model import load as load
    from raygen.sampling.rows import sample as sample
    from raygen.search.driver import tune as tune
    from raygen.training.driver import train as train

__version__ = "0.2.0"

_HOMES = {
    "Config": "raygen.config",
    "RaygenError": "raygen.errors",
    "init": "raygen.commands.init",
    "train": "raygen.training.driver",
    "tune": "raygen.search.driver",
    "generate": "raygen.generation.driver",
    "verify": "raygen.generation.verification",
    "sample": "raygen.sampling.rows",
    "evaluate": "raygen.evaluation.driver",
    "plan": "raygen.commands.plan",
    "inspect": "raygen.commands.inspect_model",
    "doctor": "raygen.diagnosis.driver",
    "complete": "raygen.completion.driver",
    "score": "raygen.completion.scoring",
    "fit": "raygen.notebook.fit",
    "load": "raygen.notebook.model",
    "Model": "raygen.notebook.model",
}
_WITHOUT_TENSORFLOW = ("Config", "RaygenError", "init", "verify")
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'raygen' has no attribute '{name}'")
    if name not in _WITHOUT_TENSORFLOW:
        from raygen.cluster import devices

        with devices.left_as_found():  # imported here, TensorFlow says nothing
            pass
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"Any", "TYPE_CHECKING", "importlib"})

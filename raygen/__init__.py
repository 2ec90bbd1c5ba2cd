"""raygen: learn a table with a Keras VAE on Ray, and write as many synthetic rows as you want.

`import raygen` loads neither Ray nor TensorFlow; each name below loads what it needs when it is first used.
"""

import importlib

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
    "load": "raygen.model.folder",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'raygen' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)

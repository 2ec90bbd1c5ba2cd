"""raygen: learn a table with a Keras VAE on Ray, and write as many synthetic rows as you want.

`import raygen` loads neither Ray nor TensorFlow; each name below loads what it needs when it is first used.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "Config": "raygen.config",
    "RaygenError": "raygen.errors",
    "init": "raygen.starter",
    "train": "raygen.training",
    "tune": "raygen.tuning",
    "generate": "raygen.generation",
    "verify": "raygen.verification",
    "sample": "raygen.sampling",
    "evaluate": "raygen.evaluation",
    "plan": "raygen.planning",
    "inspect": "raygen.inspection",
    "doctor": "raygen.diagnosis",
    "load": "raygen.artifact",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'raygen' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)

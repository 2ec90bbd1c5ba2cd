"""Every latent sampler: its name, what law it is, and how a sentence calls it.

Whoever adds a sampler writes it here and fits it in `raygen.latent.samplers`; the config's check, the command
line, the report and `raygen help settings` read this catalogue.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class SamplerDefinition:
    """One law that z can be drawn from.

    Attributes:
        name: In files, settings and on the command line.
        law: One line for a reader who meets the sampler for the first time.
        title: Its name in a sentence; "the NAME" if empty.
        models_z: Whether it models q(z), and so may be chosen; otherwise it only shows what it does.
        of_network: Whether it comes with the network, and is not fitted after training.
    """

    name: str
    law: str
    title: str = ""
    models_z: bool = True
    of_network: bool = False


NAIVE = "naive"
NEGLIGIBLE_NATS = 0.01  # by which a dearer sampler must be better to be worth its cost
_DEFINITIONS = (  # cheapest first
    SamplerDefinition(
        NAIVE,
        "one normal with the averaged parameters: mean of z_mean, exp(half the mean of z_log_var)",
        "the averaged parameters",
        models_z=False,
    ),
    SamplerDefinition("normal", "N(0, I), the prior of the textbook", "N(0, I)"),
    SamplerDefinition("diagonal", "one normal with the true mean and variance of each dimension"),
    SamplerDefinition("gaussian", "one normal with the true mean and full covariance"),
    SamplerDefinition(
        "learned",
        "the mixture that was trained together with the network as its prior",
        "the learned prior",
        of_network=True,
    ),
    SamplerDefinition("mixture", "a mixture of normals fitted to the z of the training rows"),
    SamplerDefinition("flow", "a small network that bends normal noise into the z of the training rows"),
)
SAMPLERS = {definition.name: definition for definition in _DEFINITIONS}
LADDER = tuple(definition.name for definition in _DEFINITIONS if definition.models_z)  # cheapest first
NAMES = (*LADDER, *(name for name in SAMPLERS if name not in LADDER))  # as settings and errors list them
FITTED = tuple(name for name in NAMES if not SAMPLERS[name].of_network)  # to any VAE, whatever its prior


def title(name: str) -> str:
    """What a sentence calls a sampler."""
    definition = SAMPLERS.get(name)
    return (definition and definition.title) or f"the {name}"

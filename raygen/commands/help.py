"""`raygen help`: the pages of raygen/help, and the page of settings made from the config."""

import json
import sys
import textwrap
from importlib import resources
from pathlib import Path
from typing import Any

from raygen.config import Config
from raygen.errors import ConfigError, did_you_mean

ABOUT = {
    "generate": "conditions, balanced classes, formats, partitions, folders that grow",
    "complete": "rows given in part, whole; any column predicted",
    "score": "how likely a row is, which cells stand out",
    "relations": "what ties columns exactly: found, declared, and kept in every row",
    "latent": "what z carries, what the turn carries, and every sampler's figures",
    "search": "Ray Tune's search of the settings",
    "evaluate": "scores, memory, copying, the gate",
    "notebook": "DataFrames, a Model as an object, Ray Datasets of generated rows",
    "privacy": "what leaves with a model, made-up names, one file to hand on",
    "doctor": "the diagnosis of a Keras VAE that someone else trained",
    "storage": "object stores, credentials, the run folder",
    "settings": "every setting with its default",
    "design": "how the parts work, and why",
}
WIDTH = 110  # of a page
FOLDER = resources.files("raygen") / "help"


def contents() -> str:
    """The topics, a line each."""
    lines = [f"  {topic:10}{about}" for topic, about in ABOUT.items()]
    return "\n".join(["raygen help TOPIC prints one of these pages:", "", *lines])


def page(topic: str) -> str:
    """The page of a topic, in Markdown.

    Raises:
        ConfigError: If there is no such topic.
    """
    if topic not in ABOUT:
        raise ConfigError(f"there is no help on '{topic}'.", did_you_mean(topic, ABOUT))
    return (FOLDER / f"{topic}.md").read_text(encoding="utf-8").rstrip()


def settings() -> str:
    """The page of all settings, made from the config's fields."""
    lines = [
        "# Settings",
        "",
        "Every setting of a config, `section.key = default`, as `raygen init` writes it.",
    ]
    for field, info in Config.model_fields.items():
        section = info.alias or field
        lines += ["", f"## [{section}]", ""]
        for name, setting in type(getattr(Config(), field)).model_fields.items():
            default = _text(setting.get_default(call_default_factory=True))
            text = f"- `{section}.{name} = {default}`: {setting.description or ''}"
            lines += textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    return "{ ... }" if isinstance(value, dict) and value else json.dumps(value, ensure_ascii=False)


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    Path(str(FOLDER / "settings.md")).write_text(settings(), encoding="utf-8")

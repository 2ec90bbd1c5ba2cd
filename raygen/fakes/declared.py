"""The kinds of a table's columns as a config declares them, and what its columns of kind `fake` hold."""

from raygen.config import Config
from raygen.errors import SchemaError, did_you_mean, listed
from raygen.fakes.columns import PROVIDERS, REGEX
from raygen.fakes.patterns import Pattern
from raygen.table.schema import infer
from raygen.table.source import Source


def kinds(config: Config, source: Source) -> tuple[dict[str, str], dict[str, str]]:
    """Kind of each column, inferred where the config names none, and notes on what was inferred.

    Raises:
        SchemaError: If a column of kind fake has no provider, or a provider no such column.
    """
    named = {str(name): str(kind) for name, kind in config.schema_.columns.items()}
    notes: dict[str, str] = {}
    if not named:
        named, notes = infer(source.head(), source.doubts)
        named |= {name: "fake" for name in config.schema_.fake if name in named}
        notes = {name: note for name, note in notes.items() if named[name] != "fake"}
    for name, provider in config.schema_.fake.items():
        if name not in source.schema.names:
            hint = did_you_mean(name, source.schema.names)
            raise SchemaError(f"schema.fake.{name}: source '{config.data.source}' has no such column.", hint)
        check(name, provider)
        if named.get(name) != "fake":
            raise SchemaError(
                f"schema.fake.{name} = '{provider}', and schema.columns.{name} = '{named.get(name)}'.",
                f'set schema.columns.{name} = "fake", or delete its line in schema.fake.',
            )
    for name, kind in named.items():
        if kind == "fake" and name not in config.schema_.fake:
            raise SchemaError(
                f"column '{name}' is of kind fake, and schema.fake does not say what it holds.",
                f'set schema.fake.{name} = "name", or another of: {", ".join(PROVIDERS[:-1])}, {REGEX}...',
            )
    return named, notes


def identity(config: Config) -> list:
    """What made-up columns are a function of; nothing where there are none."""
    named = config.schema_
    return [[named.fake, named.locale, config.run.seed]] if named.fake else []


def check(name: str, provider: str) -> None:
    """Refuse a provider that there is not.

    Raises:
        SchemaError: Naming those that there are.
    """
    if provider.startswith(REGEX):
        try:
            Pattern(provider.removeprefix(REGEX))
        except ValueError as error:
            raise SchemaError(
                f"schema.fake.{name}: {error}.", r"write it such as regex:[A-Z]{3}\d{4}."
            ) from None
    elif provider not in PROVIDERS[:-1]:
        expected = f"expected one of {listed(list(PROVIDERS[:-1]))} or {REGEX}..."
        raise SchemaError(
            f"schema.fake.{name} = '{provider}': {expected}", did_you_mean(provider, PROVIDERS[:-1])
        )

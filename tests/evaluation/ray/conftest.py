"""Real rows, and a config that evaluates others beside them."""

import pytest

import raygen


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def real(table) -> str:
    return str(table)


def quick(real, **settings):
    return raygen.Config().override({"data.source": real, **settings})

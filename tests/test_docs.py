"""README and help: their limits, their links, and that what they show is so."""

import re
from pathlib import Path

import pytest

from raygen.commands import help as manual
from tests.test_architecture import MODULES, ORDER, PACKAGES, home

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HELP = sorted((ROOT / "raygen" / "help").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "jobs" / "README.md", ROOT / "tests" / "README.md", *HELP]


def test_the_readme_is_one_page():
    lines = README.splitlines()
    assert len(lines) <= 200 and max(map(len, lines)) <= 110
    assert len(README.split()) <= 1800


def test_the_readme_shows_the_packages_there_are():
    """Each package has a line, in the order of the arrows."""
    tree = README[README.index("```\nraygen/  ") :].split("```")[1]
    shown = re.findall(r"^ {9}(\w+)/ ", tree, re.MULTILINE)
    assert shown == PACKAGES
    ground = tree.splitlines()[1].split("  ")[1].split()
    assert set(ground) <= set(ORDER) and {m for m in MODULES if home(m) == m} - set(ground) <= {
        "cli",
        "cli_parser",
        "config_sections",
        "filesystems",
        "sampler_catalogue",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_topic_has_a_page_and_a_line():
    assert {page.stem for page in HELP} == set(manual.ABOUT)
    for topic in manual.ABOUT:
        assert f"(raygen/help/{topic}.md)" in README and f"  {topic}" in manual.contents()
        assert manual.page(topic).startswith("# ")


def test_the_page_of_settings_is_that_of_the_config():
    page = (ROOT / "raygen" / "help" / "settings.md").read_text(encoding="utf-8")
    assert page == manual.settings(), "run: python -m raygen.commands.help --write"


def test_an_unknown_topic_is_refused(run_cli):
    status, out, error = run_cli("help", "genrate")
    assert status == 2 and not out and "did you mean 'generate'" in error
    assert run_cli("help")[1].count("\n") >= len(manual.ABOUT)
    assert run_cli("help", "latent")[1].startswith("# Where z comes from")

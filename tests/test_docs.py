"""README and help: their limits, their links, and that what they name is there. Their commands run in
tests/ray/test_documents.py."""

import contextlib
import re
import shlex
from pathlib import Path

import pytest

from raygen import cli_parser
from raygen.commands import help as manual
from raygen.config import Config, parse_override
from tests.test_architecture import MODULES, ORDER, PACKAGES, home

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HELP = sorted((ROOT / "raygen" / "help").glob("*.md"))
OTHERS = [ROOT / folder / "README.md" for folder in ("jobs", "tests", "tests/bench")]
PAGES = [ROOT / "README.md", *OTHERS, *HELP]
BLOCK = re.compile(r"(<!-- not run: .+? -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = "|".join(Config().to_dict())
SETTING = re.compile(rf"`((?:{SECTIONS})\.(?!html`|json`)[a-z_]+)( = [^`]+)?`")
FILE = re.compile(r"`((?:raygen|jobs|tests)/[\w./-]*\w)`|(?<=python )((?:jobs|tests)/[\w./]+)")
WRITTEN = [page for page in PAGES if page.stem != "settings"]  # that one is made from the config
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in a language, without those marked as not run."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [text for mark, name, text in found if name == language and not mark]


def spans(page: Path) -> str:
    """Its text without fenced blocks, lines joined."""
    return re.sub(r"\s+", " ", BLOCK.sub("", page.read_text(encoding="utf-8")))


def test_the_readme_is_one_page():
    lines = README.splitlines()
    assert len(lines) <= 200 and max(map(len, lines)) <= 110
    assert len(README.split()) <= 1800


@pytest.mark.parametrize("page", HELP, ids=lambda page: page.stem)
def test_a_topic_is_read_in_one_go(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert max(len(line) for line in lines if not line.startswith("|")) <= 110


def test_the_readme_shows_the_packages_there_are():
    """Each package has a line, in the order of the arrows."""
    tree = README[README.index("```\nraygen/  ") :].split("```")[1]
    shown = re.findall(r"^ {9}(\w+)/ ", tree, re.MULTILINE)
    assert shown == PACKAGES
    ground = tree.splitlines()[1].split("  ")[1].split()
    assert set(ground) <= set(ORDER) and {m for m in MODULES if home(m) == m} - set(ground) <= {
        "cli",
        "cli_parser",
        "config_privacy",
        "config_search",
        "config_sections",
        "config_types",
        "filesystems",
        "sampler_catalogue",
    }
    assert all((ROOT / name).is_dir() for name in re.findall(r"^(\w+)/ ", tree, re.MULTILINE))


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@each_page
def test_files_that_a_page_names_are_there(page):
    named = re.findall(
        r"`((?:raygen|jobs|tests)/[\w./-]*\w)`|(?<=python )((?:jobs|tests)/[\w./]+)", spans(page)
    )
    for path in filter(None, map("".join, named)):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


@each_page
def test_commands_in_the_text_are_commands(page):
    """`raygen VERB` names a verb, and `raygen VERB ...` can be typed so."""
    for command in re.findall(r"`raygen ([a-z][^`]*)`", spans(page)):
        verb, *arguments = shlex.split(command)
        with contextlib.nullcontext() if arguments else pytest.raises(SystemExit, match=r"^0$"):
            cli_parser.parser().parse_args([verb, *(arguments or ["--help"])])


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem != "settings"], ids=lambda page: page.stem
)
def test_settings_that_a_page_names_can_be_set(page):
    for name, value in SETTING.findall(spans(page)):
        section, _, key = name.partition(".")
        assert key in Config().to_dict()[section], f"{page.name} names {name}"
        if value:
            Config().override(dict([parse_override(name + value.replace(" = ", "="))]))


@each_page
def test_settings_of_an_example_can_be_loaded(page, tmp_path):
    for text in blocks(page, "toml"):
        (tmp_path / "config.toml").write_text(text)
        Config.load(tmp_path / "config.toml")


def test_every_topic_has_a_page_and_a_line():
    assert {page.stem for page in HELP} == set(manual.ABOUT)
    for topic in manual.ABOUT:
        assert f"(raygen/help/{topic}.md)" in README and f"  {topic}" in manual.contents()
        assert manual.page(topic).startswith("# ")


@each_page
def test_topics_that_a_page_names_are_there(page):
    assert set(re.findall(r"`raygen help ([a-z]+)`", spans(page))) <= set(manual.ABOUT)


def test_the_page_of_settings_is_that_of_the_config():
    page = (ROOT / "raygen" / "help" / "settings.md").read_text(encoding="utf-8")
    assert page == manual.settings(), "run: python -m raygen.commands.help --write"


def test_an_unknown_topic_is_refused(run_cli):
    status, out, error = run_cli("help", "genrate")
    assert status == 2 and not out and "did you mean 'generate'" in error
    assert run_cli("help")[1].count("\n") >= len(manual.ABOUT)
    assert run_cli("help", "latent")[1].startswith("# Where z comes from")

"""The shape of the package: which module may use which, where Ray may appear, and that importing loads neither Ray nor TensorFlow."""

import ast
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

import raygen

PACKAGE = Path(raygen.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
MAX_LINES = 350

# From low to high: a module may import those before it.
LEVELS = [
    ["errors", "uris", "config", "storage", "streams", "shards", "progress", "batches", "metrics"],
    ["scores", "neighbors", "utility", "privacy", "fidelity", "coverage", "scoring"],
    ["arrow", "formats", "manifest", "stats", "ranges", "matching", "moments", "tally", "comparison"],
    ["page", "svg", "latent_words", "defects", "latent_lines", "latent_figures", "latent_page"],
    ["report_scores", "report_words", "report_lines", "report_figures", "report_page"],
    ["search_trials", "search_words", "search_lines", "search_axes", "search_importance", "search_figures", "search_page"],
    ["schema", "blocks", "gaussian_block", "pieces", "codec", "volume", "conditions", "selection", "partitions", "source", "foreign"],
    ["gaussians", "model", "mixture", "flow_network", "flow", "latent", "ratio"],
    ["decoding", "conditional", "oversampling", "feed", "loop", "latent_report", "artifact"],
    ["sampling", "objective"],
    ["convention", "examination", "resynthesis"],
    [
        "cluster",
        "devices",
        "data",
        "gauges",
        "checkpoints",
        "worker",
        "workers",
        "training",
        "job",
        "generation",
        "verification",
        "real_rows",
        "synthetic_rows",
        "evaluation",
    ],
    ["space", "search_record", "trial", "searching", "starter", "tuning"],
    ["planning", "inspection", "demo", "diagnosis", "cli"],
]
ORDER = list(itertools.chain(*LEVELS))
ON_RAY = {"cluster", "data", "gauges", "worker", "workers", "training", "trial", "searching", "tuning"}
ON_RAY |= {"job", "generation", "verification", "evaluation", "planning"}
WITHOUT_TENSORFLOW = {
    "errors",
    "uris",
    "config",
    "storage",
    "shards",
    "manifest",
    "progress",
    "batches",
    "feed",
    "metrics",
    "scores",
    "neighbors",
    "utility",
    "privacy",
    "fidelity",
    "coverage",
    "arrow",
    "formats",
    "stats",
    "ranges",
    "matching",
    "moments",
    "tally",
    "comparison",
    "schema",
    "blocks",
    "gaussian_block",
    "source",
    "codec",
    "volume",
    "conditions",
    "pieces",
    "ratio",
    "selection",
    "partitions",
    "starter",
    "page",
    "svg",
    "latent_words",
    "defects",
    "latent_lines",
    "latent_figures",
    "latent_page",
    "report_scores",
    "report_words",
    "report_lines",
    "report_figures",
    "report_page",
    "search_trials",
    "search_words",
    "search_lines",
    "search_axes",
    "search_importance",
    "search_figures",
    "search_page",
    "scoring",
}


def imports(module: str, everywhere: bool = True) -> set[str]:
    """Names that a module imports, as `ray.data` or `raygen.codec`; only those at its top if not `everywhere`."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def ours(module: str) -> set[str]:
    return {name.split(".")[1] for name in imports(module) if name.startswith("raygen.")} & set(MODULES)


def test_every_module_has_a_place():
    assert set(MODULES) <= set(ORDER), "a new module needs a place in ORDER"


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_down(module):
    above = [other for other in ours(module) if ORDER.index(other) >= ORDER.index(module)]
    assert not above, f"{module} imports {above}, which ORDER has above it"


@pytest.mark.parametrize("module", MODULES)
def test_ray_only_in_its_shell_and_never_at_the_top(module):
    libraries = {name.split(".")[0] for name in imports(module)}
    assert "ray" not in libraries or module in ON_RAY
    assert "ray" not in {name.split(".")[0] for name in imports(module, everywhere=False)}


@pytest.mark.parametrize("module", sorted(WITHOUT_TENSORFLOW))
def test_codes_and_settings_know_nothing_of_networks(module):
    reached, left = set(), {module}
    while left:
        reached |= left
        left = set().union(*map(ours, left)) - reached
    for each in reached:
        assert not {"tensorflow", "keras"} & {name.split(".")[0] for name in imports(each)}, f"{module} reaches {each}"


@pytest.mark.parametrize("module", ["__init__", *MODULES])
def test_files_are_short(module):
    assert len((PACKAGE / f"{module}.py").read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


HEAVY = "import sys; heavy = sorted({'ray', 'tensorflow', 'keras', 'matplotlib', 'jinja2', 'optuna'} & set(sys.modules)); assert not heavy, heavy"
LIGHT = {
    "import raygen": "import raygen",
    "config": "import raygen; raygen.Config().override({'train.steps': 5})",
    "init": "import raygen; raygen.init",
    "cli": "import raygen.cli; raygen.cli.parser().format_help()",
    "--help": "import raygen.cli, contextlib\nwith contextlib.suppress(SystemExit): raygen.cli.main(['--help'])\n",
}


@pytest.mark.parametrize("code", LIGHT.values(), ids=LIGHT)
def test_it_loads_neither_ray_nor_tensorflow(code):
    done = run(f"{code}\n{HEAVY}")
    assert done.returncode == 0, done.stderr


def test_public_names_exist_and_others_do_not():
    for name, home in raygen._HOMES.items():
        tree = ast.parse((PACKAGE / f"{home.removeprefix('raygen.')}.py").read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    with pytest.raises(AttributeError, match="module 'raygen' has no attribute 'nonsense'"):
        _ = raygen.nonsense

"""The shape of raygen: which package may use which, where Ray may appear, and that importing loads neither
Ray nor TensorFlow."""

import ast
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import raygen

ROOT = Path(raygen.__file__).parent
TESTS = Path(__file__).parent
MAX_LINES = 350
MAX_FUNCTION_LINES = 60
LONG = {  # to be cut
    "model/vae.__init__",
}
MAX_MODULES = 20  # of a folder

# From low to high: a package, or a module of the ground, imports only those before it.
GROUND = [
    "errors",
    "uris",
    "sampler_catalogue",
    "config_types",
    "config_privacy",
    "config_search",
    "config_sections",
    "score_catalogue",
    "config",
    "config_toml",
    "filesystems",
]
GROUND += ["storage", "records", "rng"]
PACKAGES = [
    "report",
    "table",
    "fakes",
    "relations",
    "codec",
    "latent",
    "metrics",
    "model",
    "sampling",
    "cluster",
    "training",
    "generation",
    "completion",
    "search",
    "evaluation",
]
PACKAGES += ["diagnosis", "commands", "notebook"]
ORDER = [*GROUND, *PACKAGES, "cli_parser", "cli"]
ON_RAY = ["cluster", "training", "generation", "search", "evaluation", "commands/plan"]
RAY_AT_THE_TOP = (
    "ray_",
    "actor",
    "worker",
    "trial",
)  # beginnings of names: these are imported inside functions
WITHOUT_TENSORFLOW = ["report", "table", "relations", "codec", "metrics"]
WITHOUT_TRAINING = ["generation", "evaluation", "diagnosis"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix()


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py")) if path.name != "__init__.py"}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def home(module: str) -> str:
    """The package of a module, or the module itself on the ground."""
    return module.split("/")[0]


def imports(module: str, everywhere: bool = True) -> set[str]:
    """Names that a module imports, as `ray.data` or `raygen.codec.codec`; only those at its top if not
    `everywhere`."""
    names = set()
    for node in ast.walk(TREES[module]) if everywhere else TREES[module].body:
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            names |= {f"{node.module}.{name.name}" for name in node.names}
    return names


def ours(module: str, everywhere: bool = True) -> set[str]:
    """Modules of raygen that a module imports."""
    paths = {
        name.removeprefix("raygen.").replace(".", "/")
        for name in imports(module, everywhere)
        if name.startswith("raygen.")
    }
    return {p for path in paths for p in (path, path.rpartition("/")[0]) if p in MODULES} - {module}


def libraries(module: str, everywhere: bool = True) -> set[str]:
    return {name.split(".")[0] for name in imports(module, everywhere)}


def reached(modules: set[str], everywhere: bool = True) -> set[str]:
    """The modules, and all that they import, directly or not."""
    seen: set[str] = set()
    while modules:
        seen |= modules
        modules = set().union(*(ours(module, everywhere) for module in modules)) - seen
    return seen


def test_every_package_has_a_place():
    assert {home(module) for module in MODULES} == set(ORDER)


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_down(module):
    level = ORDER.index(home(module))
    above = [other for other in ours(module) if ORDER.index(home(other)) > level]
    assert not above, f"{module} imports {above}, which ORDER has above it"


@pytest.mark.parametrize("module", MODULES)
def test_there_is_no_circle(module):
    assert module not in reached(ours(module, everywhere=False), everywhere=False)


@pytest.mark.parametrize("package", PACKAGES)
def test_drivers_stand_last(package):
    verbs = {"generation/verification"}  # `verify` generates again what it repairs
    inside = [module for module in MODULES if home(module) == package and module not in verbs]
    assert not [module for module in inside if f"{package}/driver" in ours(module)]


@pytest.mark.parametrize("module", MODULES)
def test_ray_only_in_its_shell(module):
    assert "ray" not in libraries(module) or home(module) in ON_RAY or module in ON_RAY
    name = module.rpartition("/")[2]
    assert "ray" not in libraries(module, everywhere=False) or name.startswith(RAY_AT_THE_TOP)


@pytest.mark.parametrize("package", WITHOUT_TENSORFLOW)
def test_tables_and_scores_know_nothing_of_networks(package):
    for module in reached({module for module in MODULES if home(module) == package}):
        assert not {"tensorflow", "keras"} & libraries(module), f"{package} reaches {module}"


@pytest.mark.parametrize("package", WITHOUT_TRAINING)
def test_what_uses_a_model_does_not_import_training(package):
    assert not [m for m in reached({m for m in MODULES if home(m) == package}) if home(m) == "training"]


@pytest.mark.parametrize("module", MODULES)
def test_files_are_short(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_files_of_tests_are_short():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in TESTS.rglob("*.py")}
    long = {str(path.relative_to(TESTS)): count for path, count in lines.items() if count > MAX_LINES}
    assert lines and not long, long


@pytest.mark.parametrize("module", MODULES)
def test_functions_are_short(module):
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef) and f"{module}.{node.name}" not in LONG:
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("module", MODULES)
def test_ray_s_insides_are_used_in_one_place(module):
    inner = [
        name
        for name in imports(module)
        if name.startswith("ray.") and ("._" in name or ".v2." in name or "class_cache" in name)
    ]
    assert not inner or module == "cluster/ray_internals", inner


def test_folders_are_small_and_described():
    for folder in {path.parent for path in MODULES.values()}:
        assert len(list(folder.glob("*.py"))) <= MAX_MODULES + 1, folder
        tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{folder} has no docstring"
        assert folder == ROOT or len(tree.body) == 1, f"{folder}/__init__.py holds more than a docstring"


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


HEAVY = (
    "import sys; heavy = sorted({'ray', 'tensorflow', 'keras', 'matplotlib', 'jinja2', 'optuna'} "
    "& set(sys.modules)); assert not heavy, heavy"
)
LIGHT = {
    "import raygen": "import raygen",
    "config": "import raygen; raygen.Config().override({'train.steps': 5})",
    "init": "import raygen; raygen.init",
    "cli": "import raygen.cli; raygen.cli.parser().format_help()",
    "--help": "import raygen.cli, contextlib\nwith contextlib.suppress(SystemExit): "
    "raygen.cli.main(['--help'])\n",
}


@pytest.mark.parametrize("code", LIGHT.values(), ids=LIGHT)
def test_it_loads_neither_ray_nor_tensorflow(code):
    done = run(f"{code}\n{HEAVY}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module",
    [
        "generation.actor",
        "generation.request",
        "completion.actor",
        "generation.dataset",
        "training.ray_train",
    ],
)
def test_what_ray_sends_to_a_process_leaves_tensorflow_to_it(module):
    """A process of raygen's own imports it by `devices.start_tensorflow`, after what it is kept to is set."""
    done = run(f"import raygen.{module}, sys; assert 'tensorflow' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_public_names_exist_and_others_do_not():
    for name, module in raygen._HOMES.items():
        tree = TREES[module.removeprefix("raygen.").replace(".", "/")]
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    with pytest.raises(AttributeError, match="module 'raygen' has no attribute 'nonsense'"):
        _ = raygen.nonsense


def test_verbs_are_completed_and_help_is_a_page():
    assert set(raygen.__all__) <= set(dir(raygen))
    page = pydoc.plain(pydoc.render_doc(raygen))
    assert all(f"raygen.{name}" in page.partition("PACKAGE CONTENTS")[0] for name in raygen._HOMES)


def test_a_checker_sees_the_types_of_the_verbs():
    """The imports for type checkers name the same homes as the lazy ones."""
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    homes = {node.names[0].asname: node.module for node in checked.body}
    assert homes == raygen._HOMES


def test_no_package_is_named_as_a_verb():
    assert not set(raygen._HOMES) & set(PACKAGES)

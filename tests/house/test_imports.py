"""Imports run in the design's direction, read from the source: also those inside functions and for types."""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("spikec", "hwmodels", "passes", "cli")
FRONT_DOOR = {"spikec", "spikec.__version__"}

# What a module under the first name may import of ours, besides what lies under it. The longest name that
# fits a module decides. A star stands for everything that is not in NEVER.
MAY = {
    "hwmodels": ("spikec.ir", "spikec.cost", "spikec.errors"),
    "passes": ("spikec.ir", "spikec.cost", "spikec.errors"),
    "cli": ("*",),
    "spikec": ("*",),
    "spikec.__init__": ("spikec.tasks",),
    "spikec.tasks": ("*", "hwmodels", "passes"),
    "spikec.errors": (),
    "spikec.files": ("spikec.errors",),
    "spikec.ir": ("spikec.errors",),
    "spikec.cost": ("spikec.ir", "spikec.errors"),
    "spikec.search": ("spikec.errors", "spikec.files"),
}
# What no star covers: only who names these may import them.
NEVER = {"cli": (), "spikec": ("hwmodels", "passes", "cli", "spikec.tasks"), "spikec.tasks": ("cli",)}

HEAVY = (
    "torch",
    "onnx",
    "plotly",
    "pymoo",
    "snntorch",
    "sklearn",
    "nir",
    "h5py",
    "ray",
    "matplotlib",
    "networkx",
)


def under(name, prefix):
    return name == prefix or name.startswith(f"{prefix}.")


def rule_of(module):
    return max((name for name in MAY if under(module, name)), key=len)


def forbidden(module, target):
    """Whether `module` may not import `target`, both dotted."""
    own = rule_of(module)
    if target in FRONT_DOOR or (own != "spikec" and under(target, own)):
        return False
    if any(under(target, name) for name in MAY[own] if name != "*"):
        return False
    return "*" not in MAY[own] or any(under(target, name) for name in NEVER.get(own, ()))


def imports_of(source):
    """Dotted names that the source imports; `from a import b` is a.b, with import_module of a literal."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            names = [str(node.args[0].value)] if called in ("import_module", "__import__") else []
        yield from (name for name in names if name.split(".")[0] in ROOMS)


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def modules():
    return [(module_of(path), path) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def test_imports_run_only_in_the_designs_direction():
    found = [
        f"{module} imports {target}"
        for module, path in modules()
        for target in imports_of(path.read_text(encoding="utf-8"))
        if forbidden(module, target)
    ]
    assert not found, "\n".join(found)


def test_every_room_is_looked_at():
    assert {module.split(".")[0] for module, _ in modules()} == set(ROOMS)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("passes.fold_batchnorm", "from hwmodels.registry import load"),
        ("passes.fold_batchnorm", "from spikec.run.interp import run"),
        ("passes.fold_batchnorm", "from spikec import estimate"),
        ("hwmodels.registry", "import passes.pipelines"),
        ("hwmodels.registry", "def f():\n    from spikec.snn import blocks"),
        ("hwmodels.registry", "from cli import main"),
        ("spikec.backend.nir", "from passes.pipelines import named"),
        ("spikec.report.html", "import importlib\nimportlib.import_module('hwmodels.registry')"),
        ("spikec.run.interp", "from spikec.tasks import estimate"),
        ("spikec.search.study", "from spikec.ir.graph import Graph"),
        ("spikec.search.study", "from spikec.snn.supernet import Supernet"),
        ("spikec.search.study", "from spikec import run"),
        ("spikec.search.study", "import hwmodels"),
        ("spikec.ir.graph", "from spikec.cost import Counts"),
        ("spikec.cost", "from spikec.run.interp import run"),
        ("spikec.errors", "from spikec.ir.graph import Graph"),
        ("spikec.files", "from spikec.ir.graph import Graph"),
        ("spikec.tasks", "from cli.main import spikec"),
        ("spikec.__init__", "from spikec.snn import blocks"),
    ],
)
def test_the_rule_refuses(module, source):
    assert any(forbidden(module, target) for target in imports_of(source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("spikec.tasks", "from hwmodels.registry import load\nfrom passes.pipelines import named"),
        ("cli.estimate", "from spikec.tasks import estimate"),
        ("hwmodels.registry", "from hwmodels.chip import Chip\nfrom spikec.cost import Cost"),
        ("passes.fold_batchnorm", "from passes.manager import run\nfrom spikec.ir.ops import LIF"),
        ("spikec.snn.subnet", "from spikec.search.space import Genome\nimport torch"),
        ("spikec.backend.nir", "from spikec import __version__"),
        ("spikec.cost", "from spikec.ir.graph import Graph"),
        ("spikec.files", "from spikec.errors import OutputError"),
        ("spikec.search.folder", "from spikec.files import new_folder"),
    ],
)
def test_the_rule_allows(module, source):
    assert not any(forbidden(module, target) for target in imports_of(source))


def loaded(code):
    """Which heavy packages are in sys.modules after the code has run in a fresh interpreter."""
    end = f"import sys\nprint('LOADED', *(name for name in {HEAVY} if name in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{end}"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return result.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    "code",
    [
        "import spikec",
        "import spikec, spikec.errors, hwmodels, passes, cli.main",
        "from cli.main import spikec\nspikec(['--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_loaded(code):
    assert loaded(code) == []


def test_a_heavy_import_would_be_seen():
    assert loaded("import networkx") == ["networkx"]


def test_the_front_door_names_five_functions_and_refuses_others():
    import spikec

    assert set(spikec.__all__) == {"trace", "estimate", "search", "export", "load"}
    assert set(spikec.__all__) <= set(dir(spikec))
    with pytest.raises(AttributeError, match="no attribute 'simulate'"):
        _ = spikec.simulate


@pytest.mark.parametrize("name", ["trace", "estimate", "search", "export", "load"])
def test_each_door_opens(name):
    import spikec
    import spikec.tasks

    door = getattr(spikec, name)
    assert callable(door)
    assert isinstance(door, ModuleType) or door is getattr(spikec.tasks, name)


def test_search_is_a_call_also_after_its_room_is_imported(monkeypatch):
    import spikec
    import spikec.search

    tasks = SimpleNamespace(search=lambda *args, **options: (args, options))
    monkeypatch.setitem(sys.modules, "spikec.tasks", tasks)
    assert isinstance(spikec.search, ModuleType)
    assert spikec.search("digits", seed=1) == (("digits",), {"seed": 1})


def test_no_package_marker_under_tests_hides_a_room():
    assert list((ROOT / "tests").rglob("__init__.py")) == []

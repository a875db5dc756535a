"""The house's rules, read from the imports: who may know whom."""

import ast
import graphlib
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What flows, in order: a folder or module of clipsum/ imports from lines above its own, and within itself.
ORDER = (
    {"errors"},
    {"records", "config"},
    {"storage"},
    {"rows"},
    {"video", "transcript"},
    {"datasets"},
    {"encoders"},
    {"models"},
    {"highlights"},
    {"reports"},
    {"metrics"},
    {"training"},
    {"evaluation"},
    {"ablation"},
    {"serving"},
    {"client"},
    {"bench"},
)
TOP_FOLDERS = {"ray_jobs", "clipsum", "cluster", "tests"}
OTHER_DOORS_TO_S3 = {"boto3", "botocore", "s3transfer", "s3fs", "fsspec", "smart_open", "pyarrow.fs", "obstore"}
MODEL_LIBRARIES = {"torch", "torchvision", "transformers", "open_clip", "timm", "peft"}
MODULES = sorted(path for folder in ("clipsum", "ray_jobs") for path in (ROOT / folder).rglob("*.py"))


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports_of(path):
    """Every module that `path` imports, at its top or inside a function; `from a import b` is a.b where that is one.

    What stands under `if __name__ == "__main__"` is left out: nobody who imports the module runs it.
    """
    found = set()
    body = [node for node in ast.parse(path.read_text()).body if not is_main_guard(node)]
    for node in ast.walk(ast.Module(body, [])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name_of(path)}: relative imports are not read here, write the whole name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name if not name.startswith(("clipsum.", "ray_jobs.")) else longest_module(name) for name in found}


def is_main_guard(node):
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


@cache
def imported_first(module):
    """What a module of ours imports as soon as it is imported itself: what stands in no function, and runs."""
    path = ROOT.joinpath(*module.split("."))
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    found, nodes = set(), [node for node in ast.parse(source).body if not is_main_guard(node)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {longest_module(f"{node.module}.{alias.name}") for alias in node.names}
        elif not isinstance(node, ast.FunctionDef) and "TYPE_CHECKING" not in ast.unparse(getattr(node, "test", node)):
            nodes += ast.iter_child_nodes(node)
    return found


def libraries_loaded_with(module):
    """The libraries that come with a module of ours, by the module of ours that imports each."""
    found, seen, left = {}, {module}, [module]
    while left:
        here = left.pop()
        for name in imported_first(here):
            if not name.startswith(("clipsum", "ray_jobs")):
                found[name.split(".")[0]] = here
            elif name not in seen:
                seen.add(name)
                left.append(name)
    return found


def longest_module(name):
    path = ROOT / Path(*name.split("."))
    return name if path.is_dir() or path.with_suffix(".py").is_file() else name.rpartition(".")[0]


def level_of(module):
    part = module.split(".")[1]
    levels = [level for level, parts in enumerate(ORDER) if part in parts]
    assert levels, f"clipsum/{part} has no place in the order yet: give it one in ORDER"
    return levels[0]


def test_clipsum_never_imports_ray():
    guilty = {
        name_of(path): name
        for path in MODULES
        for name in imports_of(path)
        if path.is_relative_to(ROOT / "clipsum") and name.split(".")[0] in ("ray", "ray_jobs")
    }
    assert not guilty


def test_a_module_imports_only_from_what_stands_before_it_in_the_flow():
    guilty = [
        f"{name_of(path)} imports {name}"
        for path in MODULES
        if path.is_relative_to(ROOT / "clipsum") and name_of(path) != "clipsum"
        for name in imports_of(path)
        if name.startswith("clipsum.") and name.split(".")[1] != name_of(path).split(".")[1]
        if level_of(name) >= level_of(name_of(path))
    ]
    assert not guilty


def test_no_import_goes_round_in_a_circle():
    ours = {name_of(path): set(imports_of(path)) for path in MODULES}
    graph = {name: {other for other in others if other in ours and other != name} for name, others in ours.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"imports go round: {' -> '.join(error.args[1])}")


def test_package_files_hold_nothing_but_imports():
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    for path in MODULES:
        if path.name == "__init__.py":
            body = ast.parse(path.read_text()).body
            assert all(isinstance(node, allowed) for node in body), name_of(path)
            assert len(body) <= 6, f"{name_of(path)} is more than nearly empty"


@pytest.mark.parametrize(
    ("module", "used"),
    [
        ("ray_jobs.archive_run", set()),  # the driver
        ("ray_jobs.pipeline", set()),  # the task that reads the manifest
        ("ray_jobs.stages", set()),  # a decoder
        ("ray_jobs.model_stages", set()),  # the stages of the models load what they use when they start
        ("ray_jobs.train_worker", {"torch", "transformers"}),
    ],
)
def test_a_process_loads_no_library_of_models_that_it_may_not_use(module, used):
    """Loading them takes seconds of every process's start."""
    loaded = libraries_loaded_with(module)
    assert {name: loaded[name] for name in MODEL_LIBRARIES & loaded.keys() - used} == {}


def test_there_is_one_door_to_s3():
    guilty = {
        name_of(path): name
        for path in MODULES
        for name in imports_of(path)
        if any(name == door or name.startswith(f"{door}.") for door in OTHER_DOORS_TO_S3)
        if not name_of(path).startswith("clipsum.storage.")
    }
    assert not guilty


def test_no_folder_is_added_at_the_top():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("needs a git checkout, to know which files belong to the repository")
    folders = {line.split("/")[0] for line in done.stdout.splitlines() if "/" in line}
    assert {folder for folder in folders if not folder.startswith(".")} <= TOP_FOLDERS

"""Imports go one way: features <- training <- serving. Help is given before what is slow is imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "features": {"features"},
    "training": {"features", "training"},
    "serving": {"features", "training", "serving"},
}
OURS = set(MAY_IMPORT)
HOLD_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)


@cache
def imports(file: Path) -> set[str]:
    found = set()
    waiting: list[ast.AST] = [ast.parse(file.read_text())]
    while waiting:
        node = waiting.pop()
        waiting += (child for child in ast.iter_child_nodes(node) if isinstance(child, HOLD_STATEMENTS))
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide where things are"
            found.add(node.module or "")
    return found


def test_imports_go_one_way():
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for package, allowed in MAY_IMPORT.items()
        for file in (ROOT / package).rglob("*.py")
        for name in imports(file)
        if name.split(".")[0] in OURS - allowed
    ]
    assert not wrong


def test_only_one_module_a_side_knows_mlflow():
    knowing = {
        file.relative_to(ROOT).as_posix()
        for package in OURS
        for file in (ROOT / package).rglob("*.py")
        if any(name.split(".")[0] == "mlflow" for name in imports(file))
    }
    assert knowing <= {"training/tracking.py", "serving/release.py"}


@pytest.mark.parametrize("asked", ["features", "training", "serving", "serving verify", "serving audit"])
def test_help_comes_at_once(asked):
    """What takes seconds to import is imported by the command that needs it, once it is to run."""
    package, *command = asked.split()
    slow = ("numpy", "pandas", "pyarrow", "duckdb", "sklearn", "lightgbm", "skops", "mlflow", "bentoml", "pydantic")
    code = (
        f"import atexit, sys, {package}.__main__ as command\n"
        f"atexit.register(lambda: print([m for m in {slow} if m in sys.modules]))\n"
        f"command.main({[*command, '--help']})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    *helped, imported = done.stdout.splitlines()
    assert helped[0].startswith("usage: ")
    assert imported == "[]"

"""What the service's image installs, `requirements-serve.lock`: all that it needs, and nothing that trains or draws."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY

LOCK = REPOSITORY / "requirements-serve.lock"
OURS = {"features", "training", "serving"}
SPARK = "features/engines/spark.py"  # imported by name where an engine is asked for
#: Imported inside functions that train, audit or release: no question to the service, the portal or a list gets there.
ELSEWHERE = {
    "fairlearn": {"training/audit/grouping.py"},
    "sksurv": {"training/models/competing_cox.py"},
}
#: What a command is, named: imported when it is chosen.
NAMED = re.compile(rf"[\"'](({'|'.join(OURS)})(\.\w+)+):\w+[\"'{{]")
HOLD_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)
RELEASING = {"mlflow": {"serving/release.py"}, "pyspark": {"features/build.py", SPARK}}


def pinned(lock: Path) -> dict[str, str]:
    """Return what a lock pins: versions with markers left out, and all hashes, by name."""
    found: dict[str, list[str]] = {}
    for line in lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        name, version = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", requirement).groups()  # type: ignore[union-attr]
        assert hashes, f"{name} has no hash"
        found.setdefault(canonicalize_name(name), []).append(f"{version} {sorted(hashes)}")
    return {name: "; ".join(sorted(versions)) for name, versions in found.items()}


provided = cache(metadata.packages_distributions)


def module_file(name: str) -> Path | None:
    place = REPOSITORY.joinpath(*name.split("."))
    return next((file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()), None)


@cache
def imported(file: Path) -> tuple[tuple[str, bool], ...]:
    """Return the names a module imports when it runs, at the top or inside functions, and whether at the top."""
    text = file.read_text(encoding="utf-8")
    found = [(named[1], False) for named in NAMED.finditer(text)]
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(text), True)]
    while waiting:
        node, at_top = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found += ((alias.name, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.append((str(node.module), at_top))
            found += ((f"{node.module}.{alias.name}", at_top) for alias in node.names)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        held = (child for child in ast.iter_child_nodes(node) if isinstance(child, HOLD_STATEMENTS))
        waiting += [(child, at_top and not inside) for child in held]
    return tuple(found)


def reached(*starts: str) -> dict[str, dict[str, bool]]:
    """Return others' packages that modules of ours may import, lazily or not: where from, and whether at the top."""
    seen: set[str] = set()
    others: dict[str, dict[str, bool]] = {}
    waiting = [*starts]
    while waiting:
        name = waiting.pop()
        file = module_file(name)
        if name in seen or file is None:
            continue
        seen.add(name)
        where = file.relative_to(REPOSITORY).as_posix()
        for found, at_top in imported(file):
            parts = found.split(".")
            if parts[0] in OURS:
                waiting += [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
            elif parts[0] not in sys.stdlib_module_names:
                others.setdefault(parts[0], {}).setdefault(where, False)
                others[parts[0]][where] |= at_top
    return others


@pytest.mark.parametrize(
    ("starts", "elsewhere"),
    [
        (("serving.service",), ELSEWHERE),
        (("serving.portal.application",), ELSEWHERE),
        (("serving.__main__",), ELSEWHERE | RELEASING),
    ],
)
def test_whatever_the_service_may_import_is_in_its_lock(
    starts: tuple[str, ...], elsewhere: dict[str, set[str]]
) -> None:
    lock, provides = pinned(LOCK), provided()
    others = reached(*starts)
    assert {"numpy", "lightgbm", "cryptography"} <= set(others)
    missing = {
        package: places
        for package, places in others.items()
        if not any(canonicalize_name(each) in lock for each in provides.get(package, ()))
    }
    assert {package: set(places) for package, places in missing.items()} == elsewhere
    assert {where for places in missing.values() for where, at_top in places.items() if at_top} <= {SPARK}


def test_what_is_in_the_lock_has_all_that_it_needs_itself() -> None:
    lock = pinned(LOCK)
    lacking = {
        f"{name} needs {needed.name}"
        for name in lock
        for needed in _needed(name)
        if canonicalize_name(needed.name) not in lock
    }
    assert lacking == set()


def _needed(name: str) -> list[Requirement]:
    """Return what a distribution needs here, without extras; one that is for other systems is not installed."""
    try:
        requires = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    found = map(Requirement, requires)
    return [each for each in found if each.marker is None or each.marker.evaluate({"extra": ""})]


def test_it_is_part_of_what_everything_is_tested_with_and_neither_trains_nor_draws() -> None:
    serve, whole = pinned(LOCK), pinned(REPOSITORY / "requirements.lock")
    assert {name: each for name, each in serve.items() if whole.get(name) != each} == {}
    trains = {
        "mlflow",
        "mlflow-skinny",
        "shap",
        "fairlearn",
        "matplotlib",
        "optuna",
        "scikit-survival",
        "pytest",
        "mypy",
    }
    assert trains <= set(whole)
    assert trains.isdisjoint(serve)
    assert {"bentoml", "scikit-learn", "lightgbm", "skops", "duckdb"} <= set(serve)


@pytest.mark.parametrize("lock", sorted(REPOSITORY.glob("requirements*.lock")), ids=lambda lock: lock.name)
def test_a_lock_holds_names_versions_and_hashes_and_nothing_else(lock: Path) -> None:
    """Above all not where from."""
    pin, hashed = r"[A-Za-z0-9._-]+==[\w.+!-]+( ; [\w\s.*!'<>=()]+?)?", r"    --hash=sha256:[0-9a-f]{64}"
    line = re.compile(rf"({pin}|{hashed})( \\)?")
    strange = [each for each in lock.read_text(encoding="utf-8").splitlines() if not line.fullmatch(each)]
    assert strange == []


def test_the_image_and_its_bill_of_materials_are_made_from_it() -> None:
    made = (REPOSITORY / "deploy" / "Containerfile").read_text(encoding="utf-8")
    assert "--require-hashes -r requirements-serve.lock" in made
    assert "-r requirements.lock" not in made
    sbom = runpy.run_path(str(REPOSITORY / "deploy" / "sbom.py"))
    assert sbom["LOCK"] == LOCK
    assert {each["name"] for each in sbom["document"](LOCK)["components"]} == set(pinned(LOCK))

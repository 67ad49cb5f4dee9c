from __future__ import annotations

import gc
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is; the same examples every time make a failure worth a look.
settings.register_profile("vigie", deadline=None, derandomize=True)
# The inner loop (`make check`) tries a few of them; whatever is pushed is tried on all.
settings.register_profile("quick", settings.get_profile("vigie"), max_examples=5)
settings.load_profile("vigie")

REPOSITORY = Path(__file__).resolve().parents[1]

WHOLLY_LEFT_OUT = re.compile(r"^pytestmark = .*pytest\.mark\.(slow|browser)\b", re.MULTILINE)


def at_most(examples: int, **other: Any) -> settings:
    """Return the settings of a test that makes so many examples, and no more than others in the inner loop."""
    if settings.get_current_profile_name() == "quick":
        examples = min(examples, settings.default.max_examples)
    return settings(max_examples=examples, **other)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave alone, in the inner loop, files of which it runs nothing: what they import takes seconds."""
    if config.option.markexpr != "not slow and not browser" or collection_path.suffix != ".py":
        return None
    return True if WHOLLY_LEFT_OUT.search(collection_path.read_text(encoding="utf-8")) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, models before records: of several processes none has a long one left."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (slow[item.path], item.path), reverse=True)


def pytest_collection_finish() -> None:
    """Let what was collected be: it stays to the end, and rubbish is found faster without looking through it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def pytest_unconfigure() -> None:
    """Let the interpreter end as it would have: DuckDB complains at length of what was never collected."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Find a file of the shared folder (beside the repository, or ``VIGIE_SHARED``), or skip, or fail in CI."""

    def find(relative: str) -> Path:
        folder = Path(os.environ.get("VIGIE_SHARED", REPOSITORY.parent / "shared"))
        if (folder / relative).exists():
            return folder / relative
        message = f"shared/{relative} is not beside the repository: put it there or set VIGIE_SHARED to its folder"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    return find

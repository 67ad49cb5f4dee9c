"""Guides are true: every command and fence of them is run, in order, on a copy of the checkout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.guides import PAGES, Reader, fences, is_like, make_demonstration

GUIDES = sorted(PAGES.glob("*.md"))
LINKED = [
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "CHANGELOG.md",
    *(REPOSITORY / "docs" / name for name in ("architecture.md", "glossary.md")),
    *GUIDES,
]
LONGEST = 160
"""Lines of a guide, fences included."""


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demonstration(tmp_path_factory.mktemp("demonstration"))


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_a_guide_does_what_it_says(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    begins_with = "demo/" in page.read_text(encoding="utf-8")
    made = request.getfixturevalue("demonstration") if begins_with else None
    with Reader.with_a_copy(tmp_path, made) as reader:
        assert len(list(reader.follow(page))) == len(fences(page))


def test_there_is_a_guide_for_each_task() -> None:
    assert {page.stem for page in GUIDES} >= {
        "install-and-operate",
        "bring-data",
        "define-a-feature",
        "add-a-model",
        "add-a-metric",
        "run-a-study",
        "take-a-model-to-the-committee",
        "integrate-software",
        "monitor",
    }


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_a_guide_is_short_and_nearly_all_of_it_is_run(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= LONGEST
    read = [fence for fence in fences(page) if fence.info == ("text",)]
    assert len(read) <= max(1, len(fences(page)) // 2)


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    ("printed", "expected", "like"),
    [
        ("a 12\nb\n", "a …\nb", True),
        ("a\nb\nc\nd\n", "a\n…\nd", True),
        ("a\nd\n", "a\n…\nd", True),
        ("a\nb\n", "a", False),
        ("a 12\n", "a 13", False),
        ("a (1)\n", "a [1]", False),
    ],
)
def test_what_is_shown_is_compared(printed: str, expected: str, like: bool) -> None:
    assert is_like(printed, expected) is like


def test_a_page_that_is_wrong_is_found_out(tmp_path: Path) -> None:
    for number, wrong in enumerate(
        (
            "```sh\ntrue\nfalse\ntrue\n```\n",
            "```python\n1 / 0\n```\n",
            "```python\nprint(1)\n```\n\n```output\n2\n```\n",
            "In `a.txt`:\n\n```diff\n+++ a.txt\n-not there\n+there\n```\n",
            "```toml file=unsaid.toml\n```\n",
            "```ruby\n```\n",
        )
    ):
        page = tmp_path / f"{number}.md"
        page.write_text(wrong)
        (tmp_path / "a.txt").write_text("something\n")
        with Reader(tmp_path) as reader, pytest.raises(AssertionError, match=rf"{page.name}:"):
            list(reader.follow(page))

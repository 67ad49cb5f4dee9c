"""How the pages become a site: ``make site`` writes it to ``build/site``, which needs no network and no server.

The site is laid out as the repository is, so that a link that leads somewhere on a forge leads there as well.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Final

from sphinx.application import Sphinx

ROOT: Final = Path(__file__).resolve().parents[1]
#: What of the repository has pages; everything else is not looked at.
READ: Final = ("docs", "serving")

project = "Vigie"
author = "The Vigie contributors"
copyright = "2026, The Vigie contributors. Apache-2.0"
release = version = version_of("vigie")
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]

root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/guides/*.md", "serving/examples/README.md"]
exclude_patterns = [each.name for each in ROOT.iterdir() if each.is_dir() and each.name not in READ]
myst_heading_anchors = 3

# Names in single backticks are links where they are known. A docstring says types already; so does its signature.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
toc_object_entries_show_parents = "hide"
autodoc_preserve_defaults = True  # as they are written: what they amount to may be long
python_use_unqualified_type_names = True
maximum_signature_line_length = 100

html_theme = "furo"
html_title = "Vigie"
html_theme_options = {"announcement": "Research use only: Vigie is not a medical device. / Recherche seulement."}
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it would be fetched, which a browser refuses a page that is a file

#: In the order in which the pages are listed beside each. On a forge nothing of it is to be seen.
CONTENTS: Final = {
    "Do": [
        "docs/guides/README",
        "docs/guides/install-and-operate",
        "docs/guides/bring-data",
        "docs/guides/define-a-feature",
        "docs/guides/add-a-model",
        "docs/guides/add-a-metric",
        "docs/guides/run-a-study",
        "docs/guides/take-a-model-to-the-committee",
        "docs/guides/integrate-software",
        "docs/guides/monitor",
        "serving/examples/README",
    ],
    "Understand": [
        "docs/architecture",
        "docs/glossary",
        "docs/synthetic-population",
        "docs/real-cohorts",
        "docs/model-card",
        "docs/serving",
        "docs/monitoring",
        "docs/spark",
        "docs/security",
        "docs/benchmarks",
    ],
    "Look up": ["docs/language", "docs/reference"],
    "Take part": ["CONTRIBUTING", "docs/releasing", "SECURITY", "CHANGELOG"],
}


def setup(app: Sphinx) -> None:
    """Let the site begin with the README."""
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _begin_with_the_readme)


def _add_contents(_: Sphinx, page: str, source: list[str]) -> None:
    if page == root_doc:
        for caption, pages in CONTENTS.items():
            named = "\n".join(f"/{each}" for each in pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{named}\n```\n"


def _begin_with_the_readme(app: Sphinx, failed: Exception | None) -> None:
    if failed is None and app.builder.format == "html":
        shutil.copy(app.outdir / f"{root_doc}.html", app.outdir / "index.html")

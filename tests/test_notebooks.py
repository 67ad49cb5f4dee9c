"""Every notebook runs from top to bottom, in a fresh kernel, and shows what its text says it shows."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SHOWN = {
    "1_from_records_to_compared_models": ("Follow-up possible", "number [mm[Hg]]", "lightgbm minus score2"),
    "2_compare_models_on_a_study": ("best by the rule: ", "lightgbm minus last_participations"),
    "3_explain_and_audit": ("shap.TreeExplainer", "deprivation: 5 minus 1", "not due to chance", "true / given"),
    "4_read_and_challenge_a_model_card": (
        "0 holes",
        "records unchanged: True",
        "the card and MLflow agree: True",
        "[card_altered]",
        "[not_approved]",
        "[document_altered]",
        "[model_altered]",
        "[key_untrusted]",
    ),
    "5_call_the_service": (
        "dans les 10 ans",
        "Aucun risque n’est donné",
        "'where': 'records.3.value'",
        "the same number by both doors: True",
        "health data in the log: False",
    ),
    "6_bring_your_own_data": ("the store is sound", "table person is missing", "exit code 3", "nowhere: True"),
}
FIGURES = {
    "1_from_records_to_compared_models": 1,
    "2_compare_models_on_a_study": 3,
    "3_explain_and_audit": 4,
    "6_bring_your_own_data": 1,
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_shows_what_it_says(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    before = sorted(FOLDER.iterdir())
    made = nbformat.read(notebook, as_version=4)
    NotebookClient(made, timeout=300, resources={"metadata": {"path": FOLDER}}).execute()

    outputs = [output for cell in made.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") + str(output.get("data", "")) for output in outputs)
    assert [wanted for wanted in SHOWN[notebook.stem] if wanted not in text] == []
    drawn = sum("image/png" in output.get("data", {}) for output in outputs)
    assert drawn == FIGURES.get(notebook.stem, 0)
    assert sorted(FOLDER.iterdir()) == before, "a notebook writes beside itself"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs_or_places(notebook):
    made = nbformat.read(notebook, as_version=4)
    nbformat.validate(made)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in made.cells)
    here = (FOLDER.parent, Path.home(), Path(tempfile.gettempdir()))
    assert not [place for place in here if str(place) in notebook.read_text(encoding="utf-8")]


def test_every_notebook_has_something_to_show():
    assert {path.stem for path in NOTEBOOKS} == set(SHOWN)

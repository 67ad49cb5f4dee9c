"""Every notebook runs from top to bottom, in a fresh kernel."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    made = nbformat.read(notebook, as_version=4)
    assert all(not cell.get("outputs") for cell in made.cells), "clear the outputs before committing"
    NotebookClient(made, timeout=300, resources={"metadata": {"path": notebook.parent}}).execute()


def test_there_are_notebooks():
    assert NOTEBOOKS

"""``studies``: what is studied."""

from __future__ import annotations

import argparse

from features.commands import print_json
from training.commands import OK
from training.studies import STUDIES, Study


def studies(options: argparse.Namespace) -> int:
    """Print the studies and return the exit code."""
    if options.json:
        print_json([_stated(study) for study in STUDIES.values()])
        return OK
    for study in STUDIES.values():
        print(f"{study.name}\n  {study.title.fr} / {study.title.en}")
        print(f"  {study.cohort.name} → {study.outcome.name}; candidate {study.candidate}")
        print(f"  compared: {', '.join(model.name for model in study.models(0))}")
    return OK


def _stated(study: Study) -> dict[str, object]:
    """Return of a study what a script chooses by."""
    return {
        "name": study.name,
        "title": {"fr": study.title.fr, "en": study.title.en},
        "cohort": study.cohort.name,
        "outcome": study.outcome.name,
        "horizon_years": study.outcome.horizon,
        "candidate": study.candidate,
        "models": [model.name for model in study.models(0)],
    }

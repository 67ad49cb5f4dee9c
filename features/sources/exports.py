"""What writers of records share: what kind of thing a code is, names that cannot be joined, a folder that is whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final

from features.catalogue.concepts import CONCEPTS, SMOKING_INTENSITY, SMOKING_STATUS
from features.sources.omop.vocabulary import CONSULTATION, DEATH, HOSPITAL_STAY, OTHER_CONTACT

BIRTH: Final = "PRACTICE:birth"
SEXES: Final = ("PRACTICE:male", "PRACTICE:female")
REGISTERED: Final = "PRACTICE:registered"
#: What is the answer to the question of what somebody smokes, and that question.
SMOKING: Final = "smoking"
SMOKING_QUESTION: Final = "LOINC:72166-2"
#: Where each system's codes go, by OMOP's tables.
PLACES: Final = {
    "CIM10": "condition_occurrence",
    "CISP2": "condition_occurrence",
    "ATC": "drug_exposure",
    "RXNORM": "drug_exposure",
    "CVX": "drug_exposure",
    "CIP13": "drug_exposure",
    "CCAM": "procedure_occurrence",
    "NGAP": "procedure_occurrence",
    "LOINC": "measurement",
    "NABM": "measurement",
}


@lru_cache(maxsize=1 << 16)
def place_of(code: str) -> str:
    """Return what kind of thing a code is: OMOP's table for it, or `SMOKING` for the answer to what somebody smokes."""
    system, _, value = code.partition(":")
    if code in (CONSULTATION, HOSPITAL_STAY, OTHER_CONTACT):
        return "visit_occurrence"
    if code == BIRTH or code in SEXES:
        return "person"
    if code in (REGISTERED, "PRACTICE:left"):
        return "observation_period"
    if code == DEATH or code.startswith(f"{DEATH}."):
        return "death"
    if system in ("LOINC", "SNOMED") and (SMOKING_STATUS.covers(code) or SMOKING_INTENSITY.covers(code)):
        return SMOKING
    if code == SMOKING_QUESTION or (system == "CIM10" and value.startswith("Z")):
        return "observation"  # of the chapter: reasons for contact, history, family
    if system == "CISP2" and value.startswith("-"):
        return "procedure_occurrence"
    if system == "SNOMED":
        concepts = [concept for concept in CONCEPTS if concept.covers(code)]
        others = (place_of(str(other)) for c in concepts for other in c.codes if other.system != "SNOMED")
        return next(others, "observation")
    return PLACES.get(system, "observation")


def identity(name: str, dataset_name: str) -> bytes:
    """Return what tells a patient or practice apart in one data set, and cannot be joined with another's."""
    return hashlib.sha256(json.dumps([dataset_name, name]).encode()).digest()


@contextmanager
def whole_folder(folder: Path, subjects: Path) -> Iterator[Path]:
    """Give an empty folder to write into; it becomes ``folder`` at the end, unless it raises.

    Parameters
    ----------
    folder
        The new folder.
    subjects
        The file beside it that says which patient each subject is. It is written inside, under this name, and put in
        its place at the end.

    Raises
    ------
    FileExistsError
        If either is there already.
    """
    for path in (folder, subjects):
        if path.exists():
            raise FileExistsError(f"{path} is there already: choose another folder")
    unfinished = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a run that was cut short
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        (unfinished / subjects.name).replace(subjects)
        unfinished.rename(folder)
    except BaseException:
        subjects.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_readme(folder: Path, title: str, about: str, not_carried: Mapping[str, int]) -> None:
    """Write what a folder is, and what of the records is not in it."""
    lost = [f"- {count:,}: {what}" for what, count in not_carried.items()]
    lines = [f"# {title}", "", about, "", "What could not be carried, and of how many records:", "", *lost]
    (folder / "README.md").write_text("\n".join([*lines, ""]), encoding="utf-8")

"""What data are used for: a closed list, and the committee's reference without which nothing is run or leaves.

The list is that of the CNIL's référentiel on health data warehouses (délibération n° 2021-118 of 7 October 2021, points
3.1.2 to 3.1.4): research, steering, quality of coding, feasibility, and tools that help diagnosis or care.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

#: What data may be used for: code, and how it is said in French and English.
PURPOSES: Final[dict[str, tuple[str, str]]] = {
    "research": ("Recherche, étude ou évaluation en santé", "Health research, study or evaluation"),
    "decision-support": (
        "Fonctionnement d’outils d’aide au diagnostic médical ou à la prise en charge",
        "Tools that help medical diagnosis or care",
    ),
    "steering": ("Pilotage de l’activité de soins", "Steering of care"),
    "coding-quality": ("Amélioration de la qualité du codage", "Better quality of coding"),
    "feasibility": ("Étude de faisabilité", "Feasibility study"),
}
#: What the law forbids, and where.
FORBIDDEN: Final[dict[str, str]] = {
    "product-promotion": "promoting health products to professionals or institutions",
    "insurance": "excluding people from insurance contracts, or changing their premiums",
}
LAW: Final = "code de la santé publique, article L.1461-1, V"
LONGEST: Final = 100
EXPORTS: Final = "exports.jsonl"


class RefusedPurpose(ValueError):
    """A use without a purpose of the closed list, or without a committee's reference: every fault, and what to do."""


@dataclass(frozen=True)
class Mandate:
    """For what, and by whose opinion, data are used.

    Parameters
    ----------
    purpose
        One of `PURPOSES`.
    reference
        What the scientific and ethics committee filed its opinion under.

    Raises
    ------
    RefusedPurpose
        If the purpose is not of the list or is forbidden, or the reference is empty or not one line.
    """

    purpose: str
    reference: str

    def __post_init__(self) -> None:
        faults = []
        if self.purpose in FORBIDDEN:
            faults.append(f"{FORBIDDEN[self.purpose]} is forbidden ({LAW})")
        elif self.purpose not in PURPOSES:
            faults.append(f"purpose {self.purpose!r} is not of the closed list: choose {', '.join(PURPOSES)}")
        reference = self.reference.strip()
        if not reference or reference != self.reference or not self.reference.isprintable():
            faults.append("there is no committee's reference: give the one its opinion is filed under, on one line")
        elif len(reference) > LONGEST:
            faults.append(f"the committee's reference has {len(reference)} characters: give at most {LONGEST}")
        if faults:
            raise RefusedPurpose("; ".join(faults))


def log_export(store: Path, mandate: Mandate, *, form: str, name: str, records_digest: str, at: datetime) -> None:
    """Add to the store's own log that data left it: when, for what, by whose opinion, what data."""
    line = {
        "at": at.isoformat(timespec="seconds"),
        "purpose": mandate.purpose,
        "reference": mandate.reference,
        "form": form,
        "name": name,
        "records": records_digest,
    }
    with (store / EXPORTS).open("a", encoding="utf-8") as log:
        log.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")

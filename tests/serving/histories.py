"""Made-up records, some that suffice for a risk and some that do not."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from features.intake import COLUMNS
from features.records import Shard

AS_OF = datetime(2026, 3, 2, 9)


def shard(n: int, seed: int = 0) -> Shard:
    """Return the records of ``n`` patients, all values in their concepts' units."""
    random = np.random.default_rng(seed)
    rows = [row for patient in range(n) for row in _records(f"patient-{patient:04d}", random)]
    return Shard.from_frame(pd.DataFrame(rows, columns=list(COLUMNS)))


def _records(patient: str, random: np.random.Generator) -> list[tuple[object, ...]]:
    def some(probability: float) -> bool:
        return bool(random.random() < probability)

    def ago(most_days: float) -> datetime:
        return AS_OF - timedelta(seconds=int(random.uniform(1, most_days * 86_400)))

    def record(code: str, happened: datetime, value: float | None = None) -> tuple[object, ...]:
        late = timedelta(days=int(random.integers(0, 30))) if some(0.2) else timedelta()
        return (patient, "p", happened, happened + late, code, value, None, None)

    found = [record("PRACTICE:birth", AS_OF - timedelta(days=365.25 * random.uniform(32, 92)))] if some(0.95) else []
    if some(0.95):
        found.append(record(random.choice(["PRACTICE:male", "PRACTICE:female"]), ago(20_000)))
    if some(0.95):
        found.append(record("PRACTICE:registered", ago(6000)))
    for code, probability, mean, spread in (
        ("LOINC:8480-6", 0.9, 135, 17),
        ("LOINC:14647-2", 0.7, 5.6, 1),
        ("LOINC:14646-4", 0.7, 1.4, 0.3),
        ("LOINC:39156-5", 0.6, 26, 4),
    ):
        if some(probability):
            found += [record(code, ago(1500), random.normal(mean, spread)) for _ in range(random.integers(1, 6))]
    for code, probability in (
        ("LOINC:LA18978-9", 0.4),
        ("LOINC:LA18976-3", 0.3),
        ("CIM10:E11", 0.1),
        ("CIM10:I21.9", 0.04),
        ("ATC:C09AA05", 0.3),
        ("ATC:C10AA01", 0.3),
        ("CIM10:N18", 0.05),
        ("PRACTICE:left", 0.03),
        ("PRACTICE:death", 0.02),
    ):
        if some(probability):
            found.append(record(code, ago(900)))
    return found + [record("PRACTICE:consultation", ago(500)) for _ in range(random.integers(0, 9))]

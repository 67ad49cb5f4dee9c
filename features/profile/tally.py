"""Counts of facts, which add up: a patient is in one shard only."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from features.profile.bins import Bins, Integers

LONGEST: Final = 3_653
"""Days from which on a delay is "ten years or more"."""
DELAYS: Final = (0, 1, 8, 31, 91)
"""First day of each class of delays: the same day, a week, a month, a quarter, more."""

DATED: Final = ("future", "after_death", "before_birth", "several_values")
"""Odd records."""
PERSONAL: Final = ("no_birth", "several_births", "no_sex", "several_sexes")
"""Odd patients."""
ODD: Final = DATED + PERSONAL


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts of facts that were not taken back, and of their patients.

    The last axis ``P + 1`` is the practices and, last, the whole store, where nobody counts twice. Births count as
    facts, but in no month and no delay: they happened before there was a file.

    Attributes
    ----------
    merged
        Facts of each practice, taken back or not, shape ``(P + 1,)``.
    facts, patients, active
        Facts, patients, and patients with a fact in the last two years, shape ``(P + 1,)``.
    code_facts, code_patients
        By code, shape ``(C,)``.
    month_facts, month_patients
        By month, the last one that of the latest delivery, shape ``(P + 1, HISTORY)``.
    ever, recent
        Patients with a fact of a concept (a value, if it is measured), and in the last two years, ``(K, P + 1)``.
    values
        By ``(concept * P + practice) * BINS + bin``.
    delays
        By ``(system * P + practice) * (LONGEST + 1) + days``.
    delay_patients
        Patients of each code system with a delay of each class, shape ``(S, classes)``; of each practice,
        ``practice_delay_patients``, ``(P + 1, classes)``.
    odd_facts, odd_patients
        By kind in ``ODD``, shape ``(kinds, P + 1)``.
    """

    merged: Integers
    facts: Integers
    patients: Integers
    active: Integers
    code_facts: Integers
    code_patients: Integers
    month_facts: Integers
    month_patients: Integers
    ever: Integers
    recent: Integers
    values: Bins
    delays: Bins
    delay_patients: Integers
    practice_delay_patients: Integers
    odd_facts: Integers
    odd_patients: Integers

    def plus(self, other: Tally) -> Tally:
        """Return the counts of two shards together."""

        def added(mine: Any, others: Any) -> Any:
            return mine.plus(others) if isinstance(mine, Bins) else mine + others

        return Tally(**{f.name: added(getattr(self, f.name), getattr(other, f.name)) for f in fields(Tally)})

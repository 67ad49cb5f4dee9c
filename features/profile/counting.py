"""Counting one shard, from its arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from features.catalogue.concepts import BIRTH, DEATH, SEX
from features.language import YEAR
from features.profile.axes import DAY, HISTORY, Axes
from features.profile.bins import BINS, Bins, Integers, bin_of
from features.profile.tally import DATED, DELAYS, LONGEST, PERSONAL, Tally
from features.records import NEVER, Shard

Flags = npt.NDArray[np.bool_]

RECENT: Final = 2 * YEAR


def count_shard(shard: Shard, axes: Axes) -> Tally:
    """Return the counts of one shard."""
    return _Counting(shard, axes).tally()


class _Counting:
    """One shard being counted. Rows are those of facts not taken back; ``at`` finds them by row of the shard."""

    def __init__(self, shard: Shard, axes: Axes) -> None:
        self.shard, self.axes, self.P = shard, axes, len(axes.practices)
        self.believed = shard.retracted == NEVER
        self.at = np.cumsum(self.believed) - 1
        rows = np.flatnonzero(self.believed)
        place = np.array([axes.practice[name] for name in shard.practices], dtype=np.int64)
        number = np.array([axes.code[name] for name in shard.codes], dtype=np.int64)
        self.all_practices = place[shard.practice] if len(place) else np.empty(0, dtype=np.int64)
        self.practice = self.all_practices[rows]
        self.code = number[shard.code[rows]] if len(number) else np.empty(0, dtype=np.int64)
        self.patient = shard.patient[rows].astype(np.int64)
        self.happened, self.known, self.value = shard.happened[rows], shard.known[rows], shard.value[rows]
        self.day = self.happened // DAY
        # A member is a patient of a practice; most patients are one.
        self.members, self.member = _distinct(self.patient * self.P + self.practice)

    def tally(self) -> Tally:
        everything = np.ones(len(self.patient), dtype=bool)
        recent = self.happened >= self.axes.end - RECENT
        birth = self.rows_of(self.axes.codes_of(BIRTH))
        dated = everything.copy()
        dated[birth] = False
        by_code = self.code_patients()
        ever, lately, values = self.concepts(recent)
        delays, of_system, of_practice = self.delays(np.flatnonzero(dated))
        month_facts, month_patients = self.months(np.flatnonzero(dated))
        odd_facts, odd_patients = self.oddities(birth)
        return Tally(
            merged=self._with_all(self.all_practices),
            facts=self._with_all(self.practice),
            patients=self.people(everything),
            active=self.people(recent),
            code_facts=np.bincount(self.code, minlength=len(self.axes.codes)),
            code_patients=by_code,
            month_facts=month_facts,
            month_patients=month_patients,
            ever=ever,
            recent=lately,
            values=values,
            delays=delays,
            delay_patients=of_system,
            practice_delay_patients=of_practice,
            odd_facts=odd_facts,
            odd_patients=odd_patients,
        )

    def _with_all(self, practice: Integers) -> Integers:
        return np.append(np.bincount(practice, minlength=self.P), len(practice))

    def people(self, rows: Flags | Integers) -> Integers:
        """Return how many patients have one of these rows, by practice and, last, in all."""
        members = np.zeros(len(self.members), dtype=bool)
        members[self.member[rows]] = True
        return self._people(members)

    def _people(self, members: Flags) -> Integers:
        chosen = self.members[members]
        everybody = np.zeros(len(self.shard.patients), dtype=bool)
        everybody[chosen // max(self.P, 1)] = True
        return np.append(np.bincount(chosen % max(self.P, 1), minlength=self.P), everybody.sum())

    def rows_of(self, codes: Iterable[str], valued: bool = False) -> Integers:
        """Return the rows that have one of these codes, and a value if they must, in order."""
        wanted = frozenset(codes)
        rows = self.shard.of_codes([place for place, code in enumerate(self.shard.codes) if code in wanted])
        found: Integers = self.at[rows[self.believed[rows]]]
        return found[~np.isnan(self.value[found])] if valued else found

    def code_patients(self) -> Integers:
        pairs, _ = _distinct(self.patient * max(len(self.axes.codes), 1) + self.code)
        people: Integers = np.bincount(pairs % max(len(self.axes.codes), 1), minlength=len(self.axes.codes))
        return people

    def months(self, rows: Integers) -> tuple[Integers, Integers]:
        month = self.axes.months(self.day[rows])
        rows, month = rows[(month >= 0) & (month < HISTORY)], month[(month >= 0) & (month < HISTORY)]
        facts = np.bincount(self.practice[rows] * HISTORY + month, minlength=self.P * HISTORY)
        of_member, _ = _distinct(self.member[rows] * HISTORY + month)
        practice = self.members[of_member // HISTORY] % max(self.P, 1)
        people = np.bincount(practice * HISTORY + of_member % HISTORY, minlength=self.P * HISTORY)
        of_patient, _ = _distinct(self.patient[rows] * HISTORY + month)
        everybody = np.bincount(of_patient % HISTORY, minlength=HISTORY)
        facts, people = facts.reshape(self.P, HISTORY), people.reshape(self.P, HISTORY)
        return np.vstack([facts, facts.sum(axis=0)]), np.vstack([people, everybody])

    def concepts(self, recent: Flags) -> tuple[Integers, Integers, Bins]:
        ever, lately, keys = [], [], [np.empty(0, dtype=np.int64)]
        for number, (concept, codes) in enumerate(zip(self.axes.concepts, self.axes.covered, strict=True)):
            rows = self.rows_of(codes, valued=concept.unit is not None)
            ever.append(self.people(rows))
            lately.append(self.people(rows[recent[rows]]))
            if concept.plausible is not None:
                keys.append((number * self.P + self.practice[rows]) * BINS + bin_of(concept, self.value[rows]))
        shape = (len(self.axes.concepts), self.P + 1)
        return np.reshape(ever, shape), np.reshape(lately, shape), Bins.of(np.concatenate(keys))

    def delays(self, rows: Integers) -> tuple[Bins, Integers, Integers]:
        days = np.clip((self.known[rows] - self.happened[rows]) // DAY, 0, LONGEST)
        system = self.axes.system_of_code[self.code[rows]]
        longer = np.searchsorted(DELAYS, days, side="right") - 1
        many = len(self.axes.systems)
        of_patient = np.zeros((len(self.shard.patients), max(many, 1), len(DELAYS)), dtype=bool)
        of_patient[self.patient[rows], system, longer] = True
        of_practice = np.stack([self.people(rows[longer == each]) for each in range(len(DELAYS))], axis=1)
        keys = (system * self.P + self.practice[rows]) * (LONGEST + 1) + days
        return Bins.of(keys), of_patient.sum(axis=0)[:many], of_practice

    def oddities(self, birth: Integers) -> tuple[Integers, Integers]:
        people = len(self.shard.patients)
        born, reborn = self._first_and_last(birth, people)
        _, died = self._first_and_last(self.rows_of(self.axes.codes_of(DEATH)), people)
        has = np.zeros((len(SEX.category_names), people), dtype=bool)
        for code in self.axes.codes_of(SEX):
            has[SEX.category(code), self.patient[self.rows_of([code])]] = True
        odd_rows = {
            "future": self.happened >= self.axes.end,
            "after_death": self.day > died[self.patient],
            "before_birth": self.day < born[self.patient],
            "several_values": self._several_values(),
        }
        present = np.bincount(self.patient, minlength=people) > 0
        odd_people = {
            "no_birth": present & (born == -NEVER),
            "several_births": (born != reborn) & (born != -NEVER),
            "no_sex": present & ~has.any(axis=0),
            "several_sexes": has.sum(axis=0) > 1,
        }
        patient_of_member = self.members // max(self.P, 1)
        facts = [self._with_all(self.practice[odd_rows[kind]]) for kind in DATED]
        patients = [self.people(odd_rows[kind]) for kind in DATED]
        patients += [self._people(odd_people[kind][patient_of_member]) for kind in PERSONAL]
        return np.vstack(facts), np.vstack(patients)

    def _first_and_last(self, rows: Integers, people: int) -> tuple[Integers, Integers]:
        """Return the day of each patient's first and last of some rows; ``-NEVER`` and ``NEVER`` without any."""
        first, last = np.full(people, -NEVER), np.full(people, NEVER)
        first[self.patient[rows[::-1]]] = self.day[rows[::-1]]
        last[self.patient[rows]] = self.day[rows]
        return first, last

    def _several_values(self) -> Flags:
        """Return which rows have another value than the one before, of the same concept, patient and moment."""
        found = np.zeros(len(self.patient), dtype=bool)
        for concept, codes in zip(self.axes.concepts, self.axes.covered, strict=True):
            if concept.unit is None:
                continue
            rows = self.rows_of(codes, valued=True)
            before, here = rows[:-1], rows[1:]
            same = (self.patient[before] == self.patient[here]) & (self.happened[before] == self.happened[here])
            found[here[same & (self.value[before] != self.value[here])]] = True
        return found


def _distinct(keys: Integers) -> tuple[Integers, Integers]:
    """Return the distinct keys, sorted, and where each key is among them; fast where equal keys stand together."""
    begins = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    distinct, place = np.unique(keys[begins], return_inverse=True)
    return distinct, np.repeat(place, np.diff(begins, append=len(keys)))

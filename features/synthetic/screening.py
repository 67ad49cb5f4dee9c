"""Taking part in the three screening programmes: invitations and tests, from hazards that are known.

Time runs in half-years. Within one, two constant hazards compete: the programme's test, and a test outside it. They
depend on age, sex, deprivation, rurality, contact with care, the practice, what was done after the last invitation,
how long ago that was, and on what nobody sees. After a test nothing is due for a while. So, as long as there is no
test, all hazards are known in advance: the probability of a test within any time is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats, Programme
from features.synthetic.calendar import BOUNDS
from features.synthetic.circumstances import Circumstances
from features.synthetic.histories import Histories
from features.synthetic.incidence import cumulative_incidence
from features.synthetic.people import People
from features.synthetic.practices import Practices
from features.synthetic.visits import Rows

Flags = npt.NDArray[np.bool_]
Halves = npt.NDArray[np.int64]

#: Half-years before the first day, in which habits form; nothing is recorded of them.
BEFORE: Final = 8
#: Begin of each half-year from the first day on and, last, the day of delivery: shape ``(halves + 1,)``.
HALVES: Final = np.unique(np.concatenate([BOUNDS, BOUNDS[:-1] + 181]))
NUMBER: Final = len(HALVES) - 1
NEVER: Final = -99
SOON, LATEST = 5, 10  # half-years until a test is due again: after two years; of HPV tests and colonoscopies, five


@dataclass(frozen=True, eq=False)
class State:
    """Where people stand at the start of a half-year; shape ``(n,)``, or ``(n, halves + 1)`` of all half-years.

    Attributes
    ----------
    due
        Half-year from which on a test is due.
    invited
        Half-year of the last invitation, ``NEVER`` if there was none.
    habit
        Whether they took part after the last invitation that is over.
    """

    due: Halves
    invited: Halves
    habit: Flags


@dataclass(frozen=True, eq=False)
class Participation:
    """What happened in a programme.

    Attributes
    ----------
    programme
        Its definition.
    person
        Positions of those it is for at some time, shape ``(n,)``; everything below is of them.
    test
        Moment of the test in each half-year, infinite if none, shape ``(n, halves)``.
    individual
        Whether it was outside the programme, same shape.
    hpv
        Whether it looked for the virus rather than at cells, same shape.
    positive
        Whether its result was abnormal, same shape.
    colonoscopy
        Moment of the colonoscopy that followed, infinite if none, same shape.
    invitation
        Moment of the invitation, infinite if none, same shape.
    open_to
        Whether of the age and not excluded, same shape.
    """

    programme: Programme
    person: Rows
    test: Floats
    individual: Flags
    hpv: Flags
    positive: Flags
    colonoscopy: Floats
    invitation: Floats
    open_to: Flags
    _states: State
    _hazards: _Hazards

    def probability(self, since: float, until: float) -> tuple[Floats, Floats]:
        """Return the probabilities that the first test after ``since`` is the programme's, or one outside it.

        Both are of tests before ``until``, for somebody who stays alive and in France. Not a number for those who at
        ``since`` are not of the age, or excluded for good.

        Parameters
        ----------
        since, until
            Days since 1970, within the calendar.

        Returns
        -------
        pair of ndarray, shape (n,)
        """
        first = min(int(np.searchsorted(HALVES, since, side="right")) - 1, NUMBER - 1)
        last = int(np.searchsorted(HALVES, until, side="left"))
        tested = self.test[:, first] < since  # in this half-year already
        due, habit = (
            np.where(tested, history[:, first + 1], history[:, first])
            for history in (self._states.due, self._states.habit)
        )
        state = State(due, self._states.invited[:, first], habit)
        organised = np.zeros((len(self.person), NUMBER))
        individual = np.zeros((len(self.person), NUMBER))
        for half in range(first, last):
            state = self._hazards.invite(state, half)
            organised[:, half], individual[:, half] = self._hazards.at(state, half)
        both = cumulative_incidence((organised / 2, individual / 2), HALVES, since, until)
        nothing = np.where(self.open_to[:, first], 0.0, np.nan)
        return both[0] + nothing, both[1] + nothing


@dataclass(frozen=True, eq=False)
class _Hazards:
    """Hazards a year of those who are due, by calendar year, shape ``(n, years)``, and what turns them on."""

    programme: Programme
    organised: Floats
    individual: Floats
    open_to: Flags

    def _open(self, half: int) -> Flags:
        return self.open_to[:, max(half, 0)]

    def _running(self, half: int) -> bool:
        return a.FIRST_YEAR + half // 2 >= self.programme.since

    def invite(self, state: State, half: int) -> State:
        """Return the state after the invitations of a half-year: when a test falls due, and every two years."""
        if not self._running(half):
            return state
        again = (state.invited < state.due) | (half - state.invited >= 4)
        invited = self._open(half) & (half >= state.due) & again
        # An invitation that passed without a test ends the habit.
        passed = invited & (state.invited >= state.due)
        return State(state.due, np.where(invited, half, state.invited), state.habit & ~passed)

    def at(self, state: State, half: int) -> tuple[Floats, Floats]:
        """Return the hazards a year in a half-year, invitations done."""
        year = max(half // 2, 0)
        due = self._open(half) & (half >= state.due)
        calendar = a.SCREENING_2020 if a.FIRST_YEAR + year == 2020 else 1.0
        organised = np.zeros(len(due))
        if self._running(half):
            wave = np.array(a.SCREENING_WAVES)[np.clip(half - state.invited, 0, len(a.SCREENING_WAVES) - 1)]
            habit = np.where(state.habit, np.exp(self.programme.habit), 1.0)
            organised = due * calendar * wave * habit * self.organised[:, year]
        return organised, due * calendar * self.individual[:, year]


def make_participation(
    rng: np.random.Generator,
    programme: Programme,
    people: People,
    circumstances: Circumstances,
    practices: Practices,
    histories: Histories,
    rate: Floats,
) -> Participation:
    """Return who took part in a programme when; ``rate`` is of consultations a year, shape ``(n, years)``."""
    first, last = programme.ages
    reaches = (people.age[:, -1] >= first) & (people.age[:, 0] < last)
    person = np.flatnonzero(reaches & (people.female | (programme is a.COLORECTAL)))
    n = len(person)
    hazards = _hazards(rng, programme, people, circumstances, practices, histories, rate, person)
    state = State(rng.integers(-BEFORE, -BEFORE + SOON, n), np.full(n, NEVER), np.zeros(n, dtype=bool))
    shape = (n, NUMBER)
    test, colonoscopy, invitation = (np.full(shape, np.inf) for _ in range(3))
    individual, hpv, positive = (np.zeros(shape, dtype=bool) for _ in range(3))
    due, invited = np.zeros((n, NUMBER + 1), dtype=np.int64), np.zeros((n, NUMBER + 1), dtype=np.int64)
    habit = np.zeros((n, NUMBER + 1), dtype=bool)
    for half in range(-BEFORE, NUMBER):
        if half >= 0:
            due[:, half], invited[:, half], habit[:, half] = state.due, state.invited, state.habit
        state = hazards.invite(state, half)
        organised, outside = hazards.at(state, half)
        either = organised + outside
        # Years until the test; within the half-year or not at all.
        wait = np.divide(rng.exponential(size=n), either, out=np.full(n, np.inf), where=either > 0)
        tested = wait < 0.5
        begin, end = HALVES[max(half, 0)], HALVES[max(half, 0) + 1]
        moment = np.where(tested, begin + np.where(tested, wait, 0.0) * 2 * (end - begin), np.inf)
        not_organised = tested & (rng.random(n) * either >= organised)
        age = (begin - people.born[person]) / a.DAYS_A_YEAR
        virus = (programme is a.CERVICAL) & (age >= 30) & (half >= 2 * (a.HPV_SINCE - a.FIRST_YEAR))
        ill, follow = _result(rng, programme, histories, person, moment, not_organised, virus)
        after = _due_again(programme, age, state, virus, np.isfinite(follow) | not_organised)
        if half >= 0:
            sent = state.invited == half
            invitation[:, half] = np.where(sent, begin + rng.uniform(0, 60, n), np.inf)
            test[:, half], colonoscopy[:, half] = moment, follow
            individual[:, half], hpv[:, half], positive[:, half] = not_organised, virus & tested, ill
        took_part = tested & ~not_organised
        state = State(np.where(tested, half + after, state.due), state.invited, state.habit | took_part)
    due[:, NUMBER], invited[:, NUMBER], habit[:, NUMBER] = state.due, state.invited, state.habit
    states = State(due, invited, habit)
    return Participation(
        programme, person, test, individual, hpv, positive, colonoscopy, invitation, hazards.open_to, states, hazards
    )


def _hazards(
    rng: np.random.Generator,
    programme: Programme,
    people: People,
    circumstances: Circumstances,
    practices: Practices,
    histories: Histories,
    rate: Floats,
    person: Rows,
) -> _Hazards:
    age, female = people.age[person], people.female[person][:, None]
    rural = people.yearly(
        circumstances.rural.astype(np.float64), (people.moves.density >= a.RURAL_FROM).astype(np.float64)
    )
    common = programme.contact * np.log(np.maximum(rate, 0.05) / 2) + people.by_practice_yearly(practices.screening)
    u = rng.normal(0, ((programme.spread[0],), (programme.spread[1],)), (2, len(person)))
    organised = common + people.by_quintile_yearly(programme.organised_by_quintile) + programme.organised_rural * rural
    individual = (
        common + people.by_quintile_yearly(programme.individual_by_quintile) + programme.individual_rural * rural
    )
    first, last = programme.ages
    middle = ((HALVES[:-1] + HALVES[1:]) / 2 - people.born[person][:, None]) / a.DAYS_A_YEAR
    excluded = histories.excluded(programme)[person]
    return _Hazards(
        programme,
        programme.organised(age, female) * np.exp(organised[person] + u[0][:, None]),
        programme.individual(age, female) * np.exp(individual[person] + u[1][:, None]),
        (middle >= first) & (middle < last) & (excluded[:, None] > HALVES[:-1]),
    )


def _result(
    rng: np.random.Generator,
    programme: Programme,
    histories: Histories,
    person: Rows,
    moment: Floats,
    not_organised: Flags,
    virus: Flags,
) -> tuple[Flags, Floats]:
    """Return which tests are abnormal, and when a colonoscopy follows, infinite if none."""
    tested = np.isfinite(moment)
    chance, follows, days = rng.random((3, len(person)))
    never = np.full(len(person), np.inf)
    if programme is a.BREAST:
        soon = histories.breast_cancer[person] < moment + a.FELT_LATER_YEARS * a.DAYS_A_YEAR
        return tested & soon, never
    if programme is a.CERVICAL:
        return tested & (chance < np.where(virus, a.HPV_POSITIVE, a.ABNORMAL_CYTOLOGY)), never
    soon = histories.colorectal_cancer[person] < moment + a.FELT_LATER_YEARS * a.DAYS_A_YEAR
    wrong = np.where(histories.female[person], a.FAECAL_FALSE_WOMEN, a.FAECAL_FALSE_MEN)
    ill = tested & ~not_organised & (chance < np.where(soon, a.FAECAL_SENSITIVITY, wrong))
    return ill, np.where(ill & (follows < a.COLONOSCOPY_AFTER), moment + 30 + 120 * days, np.inf)


def _due_again(programme: Programme, age: Floats, state: State, virus: Flags, colonoscopy: Flags) -> Halves:
    """Return after how many half-years a test done now is due again."""
    if programme is a.CERVICAL:
        first = (age < 27) & (state.due < SOON - BEFORE)  # which is repeated after a year
        return np.select([virus, first], [LATEST, 2], SOON)
    return np.where(colonoscopy & (programme is a.COLORECTAL), LATEST, SOON)

"""People's whole lives, recorded or not: everything the records are then made of, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.circumstances import Circumstances, make_circumstances
from features.synthetic.difficulties import USUAL, Difficulties
from features.synthetic.events import Events, Hazards, hazards, make_events
from features.synthetic.histories import Histories, make_histories
from features.synthetic.people import People, make_people
from features.synthetic.practices import Practices
from features.synthetic.screening import Participation, make_participation
from features.synthetic.trajectories import Trajectories, make_trajectories
from features.synthetic.visits import visit_rate

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Lives:
    """Lives of some people.

    Attributes
    ----------
    visit_rate
        Consultations a year beyond renewals of treatment, shape ``(n, years)``.
    screening
        One for each of the programmes.
    """

    practices: Practices
    people: People
    circumstances: Circumstances
    states: Trajectories
    hazards: Hazards
    events: Events
    histories: Histories
    visit_rate: Floats
    screening: tuple[Participation, ...]
    difficulties: Difficulties

    def of_practice(self, habit: npt.NDArray[Value]) -> npt.NDArray[Value]:
        """Return each person's practice's habit, shape ``(n,)``."""
        of_each: npt.NDArray[Value] = habit[self.people.practice]
        return of_each


def make_lives(
    seed: np.random.SeedSequence, number: int, practices: Practices, difficulties: Difficulties = USUAL
) -> Lives:
    """Return the lives of new people. Each part has random numbers of its own: a change in one moves no other's."""
    streams = (np.random.default_rng(child) for child in seed.spawn(6))
    people = make_people(next(streams), number, practices)
    circumstances = make_circumstances(next(streams), people, practices)
    states = make_trajectories(next(streams), people, practices)
    rates = hazards(people, circumstances, states, practices, difficulties)
    events = make_events(next(streams), people, rates)
    histories = make_histories(next(streams), people, circumstances)
    visits = visit_rate(people, circumstances, states)
    rng = next(streams)
    screening = tuple(
        make_participation(rng, programme, people, circumstances, practices, histories, visits)
        for programme in a.PROGRAMMES
    )
    return Lives(practices, people, circumstances, states, rates, events, histories, visits, screening, difficulties)

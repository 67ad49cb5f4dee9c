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

    def of_practice(
        self, habit: npt.NDArray[Value], person: npt.NDArray[np.int64], moment: Floats
    ) -> npt.NDArray[Value]:
        """Return a habit of the practice each person has at a moment."""
        of_each: npt.NDArray[Value] = habit[self.people.practice_at(person, moment)]
        return of_each


def make_lives(
    seed: np.random.SeedSequence, number: int, practices: Practices, difficulties: Difficulties = USUAL
) -> Lives:
    """Return the lives of new people. Each part has random numbers of its own: a change in one moves no other's."""
    *streams, moving = (np.random.default_rng(child) for child in seed.spawn(7))
    of_people, of_circumstances, of_states, of_events, of_histories, of_screening = streams
    people = make_people(of_people, moving, number, practices)
    circumstances = make_circumstances(of_circumstances, people, practices)
    states = make_trajectories(of_states, people, practices)
    rates = hazards(people, circumstances, states, practices, difficulties)
    events = make_events(of_events, people, rates)
    histories = make_histories(of_histories, people, circumstances)
    visits = visit_rate(people, circumstances, states)
    screening = tuple(
        make_participation(of_screening, programme, people, circumstances, practices, histories, visits)
        for programme in a.PROGRAMMES
    )
    return Lives(practices, people, circumstances, states, rates, events, histories, visits, screening, difficulties)

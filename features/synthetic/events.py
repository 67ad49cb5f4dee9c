"""What happens to people: cardiovascular events, death, departure, from hazards that are known.

The hazards are constant within a calendar year and depend on the true states of `Trajectories`, never on what was
measured, coded or known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import LAST_DAY
from features.synthetic.circumstances import Circumstances
from features.synthetic.difficulties import USUAL, Difficulties
from features.synthetic.incidence import first_passage
from features.synthetic.people import People
from features.synthetic.practices import Practices
from features.synthetic.trajectories import CURRENT, FORMER, Flags, Trajectories

EVENTS_SIMULATED = 3  # of one person, the first included; more would be rare


@dataclass(frozen=True, eq=False)
class Hazards:
    """Cause-specific hazards a year, shape ``(n, years)``, while alive and without an event so far."""

    cardiovascular: Floats
    other_death: Floats
    leaving: Floats


@dataclass(frozen=True, eq=False)
class Events:
    """What happened; moments in days since 1970, infinite where it did not.

    Attributes
    ----------
    prior
        Cardiovascular event before entry, shape ``(n,)``.
    cardiovascular
        Events from entry on, in order, shape ``(n, EVENTS_SIMULATED)``.
    infarction
        Whether each is an infarction; the others are strokes. Same shape.
    sudden
        Whether each kills before anybody writes a letter. Same shape.
    death, left
        Shape ``(n,)``; at most one is finite, and the end of the data comes before neither.
    death_is_cardiovascular
        Shape ``(n,)``.
    """

    prior: Floats
    cardiovascular: Floats
    infarction: Flags
    sudden: Flags
    death: Floats
    left: Floats
    death_is_cardiovascular: Flags

    @property
    def first(self) -> Floats:
        """When the first event was, before entry or after, shape ``(n,)``."""
        return np.minimum(self.prior, self.cardiovascular[:, 0])

    @property
    def gone(self) -> Floats:
        """When the person died or left, infinite if neither."""
        return np.minimum(self.death, self.left)


def hazards(
    people: People,
    circumstances: Circumstances,
    states: Trajectories,
    practices: Practices,
    difficulties: Difficulties = USUAL,
) -> Hazards:
    """Return the hazards of people in these states."""
    age = (people.age - 60) / 10
    female = people.female[:, None]
    current, former = states.smoking == CURRENT, states.smoking == FORMER
    has = states.has
    diabetes, kidney, mental = has["diabetes"], has["kidney_disease"], has["mental_illness"]
    ageing = np.where(female, a.CV_LEVEL_WOMEN + a.CV_AGE_WOMEN * age, a.CV_LEVEL_MEN + a.CV_AGE_MEN * age)
    excess = _cardiovascular_excess(people, circumstances, states) + people.by_practice_yearly(practices.hazard)
    other = (
        a.DEATH(people.age, female)
        + a.DEATH_TREND * (np.arange(a.YEARS) - (a.DEATH_YEAR - a.FIRST_YEAR))
        + current * a.DEATH_SMOKING
        + former * a.DEATH_FORMER
        + diabetes * a.DEATH_DIABETES
        + kidney * a.DEATH_KIDNEY
        + has["atrial_fibrillation"] * a.DEATH_FIBRILLATION
        + mental * a.DEATH_MENTAL_ILLNESS
        + has["copd"] * a.DEATH_COPD
        + has["dementia"] * a.DEATH_DEMENTIA
        + people.by_quintile_yearly(a.DEATH_BY_QUINTILE)
    )
    leaving = np.log(a.LEAVING(people.age, female))
    if difficulties.informative_departure:
        leaving = (
            leaving
            + people.by_quintile_yearly(a.LEAVING_BY_QUINTILE)
            + current * a.LEAVING_SMOKING
            + diabetes * a.LEAVING_DIABETES
            + mental * a.LEAVING_MENTAL_ILLNESS
            + excess * a.LEAVING_AT_RISK
        )
    return Hazards(np.exp(ageing + excess), np.exp(other), np.exp(leaving))


def _cardiovascular_excess(people: People, circumstances: Circumstances, states: Trajectories) -> Floats:
    """Return what the log hazard has beyond age and sex: what SCORE2 knows, then what it does not."""
    age = (people.age - 60) / 10
    current, former = states.smoking == CURRENT, states.smoking == FORMER
    has = states.has
    diabetes, kidney, mental = has["diabetes"], has["kidney_disease"], has["mental_illness"]
    filtration = np.maximum(60 - states.metabolism.filtration, 0) / 15
    known = (
        current * (a.CV_SMOKING + a.CV_SMOKING_AGE * age)
        + former * a.CV_FORMER
        + (states.systolic - 130) / 20 * (a.CV_SYSTOLIC + a.CV_SYSTOLIC_DIABETES * diabetes)
        + (states.non_hdl - 4.0) * a.CV_NON_HDL
        + (states.hdl - 1.4) / 0.5 * a.CV_HDL
        + diabetes * a.CV_DIABETES
    )
    unknown = (
        kidney * (a.CV_KIDNEY + a.CV_FILTRATION * filtration + a.CV_KIDNEY_DIABETES * diabetes)
        + has["atrial_fibrillation"] * a.CV_FIBRILLATION
        + mental * (a.CV_MENTAL_ILLNESS + a.CV_MENTAL_ILLNESS_SMOKING * current)
        + has["copd"] * a.CV_COPD
        + has["rheumatoid_arthritis"] * a.CV_ARTHRITIS
        + has["lupus"] * a.CV_LUPUS
        + has["migraine"] * a.CV_MIGRAINE
        + diabetes * (a.CV_TYPE_1 * states.illnesses.type_1)[:, None]
        + (a.CV_FAMILY * circumstances.family_cardiovascular)[:, None]
        + a.CV_VARIABILITY * (states.variability - a.SYSTOLIC_VISIT_SD)[:, None]
        + a.CV_SYSTOLIC_VERY_HIGH * np.maximum(states.systolic - 160, 0) / 20
        + people.by_quintile_yearly(a.CV_BY_QUINTILE)
    )
    excess: Floats = known + unknown
    return excess


def make_events(rng: np.random.Generator, people: People, rates: Hazards) -> Events:
    """Return what happens to people from their entry on."""
    n = len(people)
    age_at_entry = (people.entry - people.born) / a.DAYS_A_YEAR
    had_one = rng.random(n) < a.PRIOR_CV(age_at_entry, people.female)
    ago = np.minimum(rng.exponential(6.0, n) + 0.1, np.maximum(age_at_entry - 18, 0.05))
    prior = np.where(had_one, people.entry - ago * a.DAYS_A_YEAR, np.inf)
    moments = _cardiovascular(rng, people, rates.cardiovascular, had_one)
    fatal = rng.random(moments.shape) < a.FATAL(_age(moments, people), people.female[:, None])
    # Death follows a fatal event at once, or within a month in hospital.
    sudden = fatal & (rng.random(moments.shape) < a.SUDDEN)
    dying = moments + np.where(sudden, 0.0, rng.uniform(0.5, 28, moments.shape))
    of_it = np.where(fatal, dying, np.inf).min(axis=1)
    other = first_passage(rng.exponential(size=n), rates.other_death, people.entry)
    leaving = first_passage(rng.exponential(size=n), rates.leaving, people.entry)
    death = np.minimum(of_it, other)
    death = np.where((death < leaving) & (death < LAST_DAY), death, np.inf)
    left = np.where((leaving < death) & (leaving < LAST_DAY), leaving, np.inf)
    gone = np.minimum(np.minimum(death, left), LAST_DAY)
    share = np.where(people.female, a.INFARCTION_SHARE_WOMEN, a.INFARCTION_SHARE_MEN)[:, None]
    return Events(
        prior=prior,
        cardiovascular=np.where(moments <= gone[:, None], moments, np.inf),
        infarction=rng.random(moments.shape) < share,
        sudden=sudden,
        death=death,
        left=left,
        death_is_cardiovascular=of_it <= other,
    )


def _cardiovascular(rng: np.random.Generator, people: People, hazard: Floats, had_one: npt.NDArray[np.bool_]) -> Floats:
    """Return the moments of events one after the other, later ones at a multiple of the first one's hazard."""
    moments = []
    since = people.entry
    for number in range(EVENTS_SIMULATED):
        again = had_one | (number > 0)
        threshold = rng.exponential(size=len(people)) / np.where(again, a.CV_AFTER_EVENT, 1.0)
        moment = first_passage(threshold, hazard, np.minimum(since, LAST_DAY))
        moments.append(moment)
        since = moment
    return np.stack(moments, axis=1)


def _age(moments: Floats, people: People) -> Floats:
    return (np.minimum(moments, LAST_DAY) - people.born[:, None]) / a.DAYS_A_YEAR

"""The truth, apart from the records: what would happen to each person, and with which exact probability."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa

from features.synthetic import assumptions as a
from features.synthetic.calendar import BOUNDS
from features.synthetic.incidence import cumulative_incidence
from features.synthetic.lives import Lives

#: One column for each programme's test, and one for tests outside it.
SCREENING: Final = tuple(f"{programme.name}{kind}" for programme in a.PROGRAMMES for kind in ("", "_individual"))
TRUTH_SCHEMA: Final = pa.schema(
    [
        ("patient", pa.string()),
        ("practice", pa.string()),
        ("as_of", pa.timestamp("us")),
        ("cardiovascular", pa.float64()),
        ("other_death", pa.float64()),
        *((name, pa.float64()) for name in SCREENING),
    ]
)


def truth_at(lives: Lives, names: pa.Array, as_of: datetime, years: float, screening_years: float) -> pa.Table:
    """Return the true probabilities at a landmark, with the columns of ``TRUTH_SCHEMA``.

    One row for each person alive and registered at the time, in truth, whether or not the practice knows; nobody
    between two practices. Empty where
    a question makes no sense: ``cardiovascular`` and ``other_death`` after an event, a programme's columns outside its
    age or when excluded from it for good.
    """
    since = (as_of - datetime(1970, 1, 1)).total_seconds() / 86_400
    rates, events = lives.hazards, lives.events
    everybody = np.arange(len(lives.people))
    between = lives.people.between(everybody, np.array(since))
    here = np.flatnonzero((lives.people.registered < since) & (events.gone >= since) & ~between)
    both = (rates.cardiovascular[here], rates.other_death[here])
    incidences = cumulative_incidence(both, BOUNDS, since, _after(as_of, years))
    free = events.first[here] >= since
    columns = [np.where(free, incidence, np.nan) for incidence in incidences]
    for participation in lives.screening:
        for probability in participation.probability(since, _after(as_of, screening_years)):
            everybody = np.full(len(lives.people), np.nan)
            everybody[participation.person] = probability
            columns.append(everybody[here])
    moment = pa.array(np.full(len(here), np.datetime64(as_of, "us")))
    practice = pa.array(lives.practices.name).take(pa.array(lives.people.practice_at(here, np.array(since))))
    return pa.table(
        [names.take(pa.array(here)), practice, moment, *(pa.array(c, from_pandas=True) for c in columns)],
        schema=TRUTH_SCHEMA,
    )


def check_horizon(as_of: datetime, years: float) -> None:
    """Raise ValueError if a horizon, or its begin, lies outside the calendar."""
    if as_of < datetime(a.FIRST_YEAR, 1, 1) or years <= 0 or _after(as_of, years) > BOUNDS[-1]:
        raise ValueError(
            f"a horizon must be positive and lie between {a.FIRST_YEAR}-01-01 and {a.DELIVERED_AT:%Y-%m-%d}, which "
            f"{years:g} years from {as_of:%Y-%m-%d} on do not"
        )


def _after(as_of: datetime, years: float) -> float:
    """Return the day some calendar years later; a part of a year is as much of 365.25 days."""
    whole = int(years)
    try:
        later = as_of.replace(year=as_of.year + whole)
    except ValueError:  # 29 February
        later = as_of.replace(year=as_of.year + whole, day=28)
    return (later - datetime(1970, 1, 1)).total_seconds() / 86_400 + (years - whole) * a.DAYS_A_YEAR

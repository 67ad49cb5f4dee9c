"""What reaches the practice's file of all that: the records, each with when it happened and when it became known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from features.synthetic import assumptions as a
from features.synthetic.administrative import administer
from features.synthetic.calendar import BOUNDS
from features.synthetic.diagnoses import diagnose
from features.synthetic.examination import examine
from features.synthetic.hospital import endings, stays
from features.synthetic.laboratory import report
from features.synthetic.lives import Lives
from features.synthetic.pages import Pages
from features.synthetic.prescriptions import courses, prescribe, renewing_years, treated_years
from features.synthetic.screening_records import screen
from features.synthetic.visits import make_visits

CONSULTATION, REMOTE = "PRACTICE:consultation", "NGAP:TCP"
#: Remote consultations are paid from 2018 on, and frequent since 2020.
REMOTE_SINCE = float(BOUNDS[2020 - a.FIRST_YEAR])


def chart(seed: np.random.SeedSequence, lives: Lives, names: pa.Array) -> pa.Table:
    """Return the records of people as a table with the columns of `features.intake.SCHEMA`, retractions apart.

    Each kind of record has random numbers of its own: a change in one moves no other's.
    """
    of_visits, of_drugs, *others = (np.random.default_rng(child) for child in seed.spawn(9))
    pages = Pages()
    treated, lasting = treated_years(of_drugs, lives), courses(of_drugs, lives)
    renewing = renewing_years(lives, treated, lasting)
    renewals, visits = make_visits(
        of_visits, lives.people, lives.circumstances, lives.events, lives.visit_rate, renewing
    )
    pages.add(visits.person, visits.moment, CONSULTATION)
    remote = (visits.moment >= REMOTE_SINCE) & (of_visits.random(len(visits.moment)) < a.REMOTE)
    pages.add(visits.person[remote], visits.moment[remote], REMOTE)
    prescribe(of_drugs, pages, lives, renewals, visits, treated, lasting)
    for at_visits, rng in zip((examine, report, diagnose), others[:3], strict=True):
        at_visits(rng, pages, lives, visits)
    for add, rng in zip((administer, screen, stays, endings), others[3:], strict=True):
        add(rng, pages, lives)
    return pages.table(names, pa.array(lives.practices.name), lives.people, lives.events.gone)

"""Real people: every model on every published cohort it applies to, on one page."""

from training.cohorts.judging import Judged, LeftOut, RealPeople, judge, judge_all
from training.cohorts.page import cohorts_page

__all__ = ["Judged", "LeftOut", "RealPeople", "cohorts_page", "judge", "judge_all"]

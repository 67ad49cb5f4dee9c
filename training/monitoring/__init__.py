"""What changes once a model is in use: inputs, what is missing, scores, groups, calibration, use; what raises an alert.

`reference` describes the people a model was learned from, in counts that may be published; `Tally` counts the people it
is used for; `judge` compares the two. A difference is raised only if it is large enough to matter *and* too large for
chance, with every comparison of a run taken together.
"""

from training.monitoring.findings import (
    FAMILY_WISE,
    THRESHOLDS,
    Finding,
    Level,
    calibration_finding,
    judge,
    level_of,
    share_finding,
)
from training.monitoring.history import FILE as HISTORY
from training.monitoring.history import AlteredHistory, History
from training.monitoring.profiles import Mean, Profile, Reference, reference
from training.monitoring.rendering import monitoring_page
from training.monitoring.report import Report
from training.monitoring.tallies import Seen, Tally

__all__ = [
    "FAMILY_WISE",
    "HISTORY",
    "THRESHOLDS",
    "AlteredHistory",
    "Finding",
    "History",
    "Level",
    "Mean",
    "Profile",
    "Reference",
    "Report",
    "Seen",
    "Tally",
    "calibration_finding",
    "judge",
    "level_of",
    "monitoring_page",
    "reference",
    "share_finding",
]

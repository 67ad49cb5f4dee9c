"""The same measures, group by group: is what is claimed true of everybody?

Values by group come from fairlearn's ``MetricFrame``; fairlearn resamples rows, so intervals come from our
bootstrap over practices, with the same draws for all groups. A verdict is given on the interval, never on the
value alone, and an alarm takes account of how many groups were looked at. Beside the measures stand what is recorded
of each group, without which a model cannot be judged in it, and what correcting the gaps would cost; nothing is
corrected here.
"""

from training.audit.auditing import audit
from training.audit.gaps import largest_gap
from training.audit.grouping import MISSING, label_groups, values_by_group, with_pairs
from training.audit.measures import AUDITED, CROSSED, MINIMUM_EVENTS, WINDOW, window
from training.audit.mitigation import mitigations
from training.audit.multiplicity import FAMILY_WISE, Judged, judge, verdict_alone
from training.audit.recording import recordings
from training.audit.report import (
    AttributeAudit,
    Audit,
    Bounds,
    Family,
    Finding,
    Gap,
    GroupAudit,
    MitigatedGroup,
    Mitigation,
    Recorded,
    Recording,
    Shrunk,
    Verdict,
)
from training.audit.shrinkage import shrink

__all__ = [
    "AUDITED",
    "CROSSED",
    "FAMILY_WISE",
    "MINIMUM_EVENTS",
    "MISSING",
    "WINDOW",
    "AttributeAudit",
    "Audit",
    "Bounds",
    "Family",
    "Finding",
    "Gap",
    "GroupAudit",
    "Judged",
    "MitigatedGroup",
    "Mitigation",
    "Recorded",
    "Recording",
    "Shrunk",
    "Verdict",
    "audit",
    "judge",
    "label_groups",
    "largest_gap",
    "mitigations",
    "recordings",
    "shrink",
    "values_by_group",
    "verdict_alone",
    "window",
    "with_pairs",
]

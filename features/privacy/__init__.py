"""What keeps people unnamed: keyed pseudonyms, objections, suppression of small counts, and a scan of what leaves.

`features.privacy.linking` masks tables that share their margins; it is imported on its own, for it solves linear
programs and few need it.
"""

from features.privacy.counts import ROUNDED_TO, SMALLEST_COUNT, mask, rounded, shown, told_by_difference
from features.privacy.objections import Objections, without
from features.privacy.pseudonyms import PSEUDONYM, SMALLEST_KEY, pseudonym, pseudonymise
from features.privacy.scanning import Leak, scan

__all__ = [
    "PSEUDONYM",
    "ROUNDED_TO",
    "SMALLEST_COUNT",
    "SMALLEST_KEY",
    "Leak",
    "Objections",
    "mask",
    "pseudonym",
    "pseudonymise",
    "rounded",
    "scan",
    "shown",
    "told_by_difference",
    "without",
]

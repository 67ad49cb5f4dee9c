"""Which départements the practices are in: the population's five regions are sets of them.

Each set is some of France's regions, about as populous as the share of the population that lives in it. Which region
is undercoded is arbitrary: it says nothing of the département it stands for, nor of any practice there.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from features.catalogue.concepts import DEPARTMENT
from features.catalogue.concepts.places import DEPARTMENTS
from features.synthetic.assumptions import Floats

Numbers = npt.NDArray[np.int64]

#: For each of the population's regions, in the order of `assumptions.REGION_SHARES`, France's by Insee's code:
#: around Paris; the South-East with Burgundy; the South-West and overseas; the North and East; the West.
REGIONS: Final = ("11 24 28", "27 84 93 94", "75 76 01 02 03 04 06", "32 44", "52 53")
#: Départements and their thousands of inhabitants, from the one most of whose inhabitants live in municipalities of
#: 10,000 and more to the one where fewest do. Insee, populations légales, by municipality (geo.api.gouv.fr).
INHABITANTS: Final = """
    75:2104 92:1655 93:1704 94:1427 974:890 973:294 13:2088 976:257 06:1128 95:1282 971:384 972:361 69:1915 78:1485
    91:1338 83:1119 33:1690 49:834 59:2616 31:1471 44:1488 84:572 77:1468 2A:168 34:1230 76:1261 51:563 67:1164 37:619
    42:774 87:373 45:691 64:707 63:664 21:540 68:771 74:861 66:497 35:1121 57:1051 29:933 05:143 30:771 10:310 81:397
    11:380 38:1299 26:524 82:266 25:547 62:1458 54:732 90:140 72:567 60:830 03:333 2B:187 56:783 86:439 18:299 02:523
    14:709 50:498 85:714 80:565 28:433 73:448 79:375 52:168 53:305 19:241 36:216 65:231 12:280 41:329 40:434 04:168
    71:550 08:266 01:679 17:672 47:334 27:603 22:612 16:353 61:275 89:332 15:144 55:180 58:201 48:76 24:418 39:258
    07:334 88:357 32:193 46:176 23:116 70:233 09:156 43:229
"""
#: How far the density of a practice's place is from telling how urban its département is, in levels; assumed.
SPREAD: Final = 6.0


def departments(rng: np.random.Generator, region: Numbers, density: Numbers) -> Numbers:
    """Return the département of each practice, as a position in `DEPARTMENT`'s categories.

    Within a region as many practices as inhabitants; those in dense places rather in urban départements.
    """
    names = DEPARTMENT.category_names
    inhabitants = [(code, int(thousands)) for code, thousands in (pair.split(":") for pair in INHABITANTS.split())]
    sparse: Floats = density + rng.uniform(0, SPREAD, len(density))
    within = rng.random(len(density))
    of_each = np.empty(len(region), dtype=np.int64)
    for number, regions in enumerate(REGIONS):
        there = {code for of_france in regions.split() for code in DEPARTMENTS[of_france]}
        codes, thousands = zip(*((code, some) for code, some in inhabitants if code in there), strict=True)
        rows = np.flatnonzero(region == number)
        place = (sparse[rows].argsort().argsort() + within[rows]) / max(len(rows), 1)
        found = np.searchsorted(np.cumsum(thousands) / sum(thousands), place, side="right")
        of_each[rows] = np.array([names.index(code) for code in codes])[found]
    return of_each

"""Concepts the studies need, by domain, each with its codes, unit, believable range and source.

A code is here only if it was found with its meaning in a published list: the French lists of CIM-10, CCAM, NGAP, NABM
and drugs with their ATC codes; ICPC-2's rubrics; the value sets of published quality measures; standard vocabularies'
concept tables. Notions that a system cannot express have no code of it, and ``review`` says so. No clinician has
reviewed the definitions yet, and ``review`` says that too.
"""

from __future__ import annotations

from features.catalogue.concepts import (
    administrative,
    breast,
    cardiovascular,
    cervical,
    colorectal,
    conditions,
    lifestyle,
    measurements,
    places,
    prevention,
    programmes,
    treatments,
)
from features.catalogue.concepts.administrative import *  # noqa: F403
from features.catalogue.concepts.breast import *  # noqa: F403
from features.catalogue.concepts.cardiovascular import *  # noqa: F403
from features.catalogue.concepts.cervical import *  # noqa: F403
from features.catalogue.concepts.colorectal import *  # noqa: F403
from features.catalogue.concepts.conditions import *  # noqa: F403
from features.catalogue.concepts.lifestyle import *  # noqa: F403
from features.catalogue.concepts.measurements import *  # noqa: F403
from features.catalogue.concepts.places import *  # noqa: F403
from features.catalogue.concepts.prevention import *  # noqa: F403
from features.catalogue.concepts.programmes import *  # noqa: F403
from features.catalogue.concepts.sources import *  # noqa: F403
from features.catalogue.concepts.treatments import *  # noqa: F403
from features.codes import Concept

DOMAINS = (
    administrative,
    places,
    measurements,
    lifestyle,
    conditions,
    cardiovascular,
    treatments,
    breast,
    colorectal,
    cervical,
    programmes,
    prevention,
)
CONCEPTS: tuple[Concept, ...] = tuple(
    dict.fromkeys(value for domain in DOMAINS for value in vars(domain).values() if isinstance(value, Concept))
)

"""What the cancer screening programmes record themselves: invitations, refusals and exclusions, which are no tests."""

from __future__ import annotations

from features.catalogue.concepts.sources import BREAST, CERVICAL, COLORECTAL, UNREVIEWED
from features.codes import PRACTICE, Concept

NOT_A_TEST = f"{UNREVIEWED} A reader makes it of the programme’s own field: no code system has it."

BREAST_INVITATION = Concept(
    "breast_screening_invitation",
    "Invitation au dépistage du cancer du sein",
    "Invitation to breast cancer screening",
    (PRACTICE("invitation.breast_screening"),),
    source=BREAST,
    review=NOT_A_TEST,
)
COLORECTAL_INVITATION = Concept(
    "colorectal_screening_invitation",
    "Invitation au dépistage du cancer colorectal",
    "Invitation to colorectal cancer screening",
    (PRACTICE("invitation.colorectal_screening"),),
    source=COLORECTAL,
    review=NOT_A_TEST,
)
CERVICAL_INVITATION = Concept(
    "cervical_screening_invitation",
    "Invitation au dépistage du cancer du col de l’utérus",
    "Invitation to cervical cancer screening",
    (PRACTICE("invitation.cervical_screening"),),
    source=CERVICAL,
    review=NOT_A_TEST,
)
BREAST_REFUSAL = Concept(
    "breast_screening_refusal",
    "Refus du dépistage du cancer du sein",
    "Refusal of breast cancer screening",
    (PRACTICE("refusal.breast_screening"),),
    source=BREAST,
    review=NOT_A_TEST,
)
COLORECTAL_REFUSAL = Concept(
    "colorectal_screening_refusal",
    "Refus du dépistage du cancer colorectal",
    "Refusal of colorectal cancer screening",
    (PRACTICE("refusal.colorectal_screening"),),
    source=COLORECTAL,
    review=NOT_A_TEST,
)
CERVICAL_REFUSAL = Concept(
    "cervical_screening_refusal",
    "Refus du dépistage du cancer du col de l’utérus",
    "Refusal of cervical cancer screening",
    (PRACTICE("refusal.cervical_screening"),),
    source=CERVICAL,
    review=NOT_A_TEST,
)
BREAST_EXCLUSION = Concept(
    "breast_screening_exclusion",
    "Exclusion du dépistage du cancer du sein",
    "Exclusion from breast cancer screening",
    (PRACTICE("exclusion.breast_screening"),),
    source=BREAST,
    review=NOT_A_TEST,
)
COLORECTAL_EXCLUSION = Concept(
    "colorectal_screening_exclusion",
    "Exclusion du dépistage du cancer colorectal",
    "Exclusion from colorectal cancer screening",
    (PRACTICE("exclusion.colorectal_screening"),),
    source=COLORECTAL,
    review=NOT_A_TEST,
)
CERVICAL_EXCLUSION = Concept(
    "cervical_screening_exclusion",
    "Exclusion du dépistage du cancer du col de l’utérus",
    "Exclusion from cervical cancer screening",
    (PRACTICE("exclusion.cervical_screening"),),
    source=CERVICAL,
    review=NOT_A_TEST,
)

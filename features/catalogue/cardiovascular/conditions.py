"""Other diseases, ways of life and family: what raises the risk beyond the published scores."""

from __future__ import annotations

from typing import Final

from features.catalogue.concepts import (
    ALCOHOL_USE_DISORDER,
    CANCER,
    CAROTID_DISEASE,
    COPD,
    DEPRESSION,
    FAMILIAL_HYPERCHOLESTEROLAEMIA,
    FAMILY_HISTORY_CHD,
    GESTATIONAL_DIABETES,
    HIV,
    HYPERTENSION,
)
from features.language import exists

DEPRESSED: Final = exists(DEPRESSION).described("Dépression", "Depression")
ALCOHOL: Final = exists(ALCOHOL_USE_DISORDER).described("Trouble de l’usage d’alcool", "Alcohol use disorder")
CANCERS: Final = exists(CANCER).described("Cancer", "Cancer")

OTHER_CONDITIONS: Final = {
    "hypertension": exists(HYPERTENSION).described("Hypertension artérielle", "Hypertension", +1),
    "familial_hypercholesterolaemia": exists(FAMILIAL_HYPERCHOLESTEROLAEMIA).described(
        "Hypercholestérolémie familiale", "Familial hypercholesterolaemia", +1
    ),
    "gestational_diabetes": exists(GESTATIONAL_DIABETES).described(
        "Antécédent de diabète gestationnel", "Previous gestational diabetes", +1
    ),
    "carotid_stenosis": exists(CAROTID_DISEASE).described("Sténose carotidienne", "Carotid artery stenosis", +1),
    "copd": exists(COPD).described(
        "Bronchopneumopathie chronique obstructive", "Chronic obstructive pulmonary disease", +1
    ),
    "hiv": exists(HIV).described("Infection par le VIH", "HIV infection", +1),
    "depression": DEPRESSED,
    "cancer": CANCERS,
    "alcohol_use_disorder": ALCOHOL,
    "any_family_history": exists(FAMILY_HISTORY_CHD).described(
        "Antécédents familiaux cardiovasculaires, à tout âge",
        "Family history of cardiovascular disease, at any age",
        +1,
    ),
}

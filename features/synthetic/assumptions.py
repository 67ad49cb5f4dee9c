"""Every figure the synthetic population rests on, each with its source, or "assumed" where there is none.

Rates are a year. Where a table goes by age, values in between are interpolated and beyond its ends held.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# The calendar
FIRST_YEAR: Final = 2009
DELIVERED_AT: Final = datetime(2026, 1, 1)
YEARS: Final = DELIVERED_AT.year - FIRST_YEAR
LANDMARK_YEARS: Final = tuple(range(2012, 2017))
HORIZON_YEARS: Final = 10
DAYS_A_YEAR: Final = 365.25

# People: Insee, population of metropolitan France on 1 January 2009, thousands, by five-year age band. Ages 20 to 94.
PYRAMID_FIRST_AGE: Final = 20
PYRAMID_MEN: Final = (1967, 1935, 1915, 2193, 2175, 2129, 2030, 2014, 1733, 1193, 1089, 931, 641, 341, 72)
PYRAMID_WOMEN: Final = (1945, 1974, 1939, 2215, 2220, 2202, 2136, 2119, 1835, 1325, 1344, 1317, 1093, 725, 216)

REGISTERED_BEFORE: Final = 0.70  # share already with the practice on the first day; assumed
REGISTERED_BEFORE_YEARS: Final = 15.0  # for how long at most; assumed
LAST_ARRIVAL_YEAR: Final = 2022  # nobody new from then on; assumed


@dataclass(frozen=True)
class ByAge:
    """A quantity by age, for men and for women."""

    ages: tuple[float, ...]
    men: tuple[float, ...]
    women: tuple[float, ...]

    def __call__(self, age: Floats, female: npt.NDArray[np.bool_]) -> Floats:
        """Return the quantity at these ages; ``female`` has the shape of ``age`` or broadcasts to it."""
        return np.where(female, np.interp(age, self.ages, self.women), np.interp(age, self.ages, self.men))


# Practices: all assumed but the spread of the hazard: a QRISK3 risk of 10 % runs from 7.2 to 13.7 % between practices
# (Li et al. 2019, doi:10.1038/s41598-019-47712-5).
PATIENTS_A_PRACTICE: Final = 500
PRACTICES_AT_LEAST: Final = 10
PRACTICE_HAZARD_SD: Final = 0.15  # of the log hazard
PRACTICE_DEPRIVATION_CORRELATION: Final = 0.7  # between a patient's deprivation and the practice's
REGION_SHARES: Final = (0.28, 0.22, 0.20, 0.18, 0.12)  # five fictional regions
REGION_COMPLETENESS: Final = (1.0, 1.0, 0.97, 0.95, 0.72)  # the last one codes little
COMPLETENESS: Final = (0.70, 0.97)  # share of diagnoses coded, from the most to the least deprived practice
MEASURING: Final = (0.70, 1.25)  # relative rate of measuring
LETTER_DAYS: Final = (12.0, 70.0)  # median delay of a hospital's letter
LABORATORY_DAYS: Final = (1.0, 9.0)  # mean delay of a result
CISP2_SHARE: Final = 0.3  # practices that code in CISP-2

# Smoking: share of current smokers at the start; Santé publique France, Baromètre santé 2010 (about a third of people
# aged 18-75, falling with age); the split of the others and the yearly changes are assumed.
SMOKERS: Final = ByAge((20, 30, 45, 55, 65, 75, 90), (0.46, 0.44, 0.36, 0.29, 0.17, 0.09, 0.04),
                       (0.40, 0.36, 0.32, 0.22, 0.11, 0.05, 0.02))  # fmt: skip
FORMER_AMONG_OTHERS: Final = ByAge((20, 40, 60, 80), (0.15, 0.35, 0.52, 0.58), (0.15, 0.32, 0.28, 0.16))
SMOKING_BY_QUINTILE: Final = (0.82, 0.90, 0.98, 1.08, 1.28)  # assumed
QUITTING: Final = 0.05
RELAPSE: Final = 0.015

# Body-mass index: ObEpi-Roche 2012 (mean 25.4, obesity 15 %).
BMI_LOG_MEAN: Final = 3.222
BMI_LOG_SD: Final = 0.165
BMI_BY_QUINTILE: Final = (-0.5, -0.2, 0.0, 0.3, 0.9)  # assumed

# Blood pressure: usual untreated systolic pressure; set so that hypertension and its treatment come near Esteban
# 2014-2016 (BEH 2018;10:170-9: hypertension in 30.6 % aged 18-74, about half of them treated).
SYSTOLIC: Final = ByAge((20, 40, 60, 80, 95), (124, 127, 137, 146, 148), (113, 119, 133, 146, 149))
SYSTOLIC_PERSON_SD: Final = 11.0
SYSTOLIC_SLOPE_SD: Final = 0.35  # a year, between people
SYSTOLIC_YEAR_SD: Final = 3.5  # from one year to the next
SYSTOLIC_VISIT_SD: Final = 8.0  # of one reading around the usual level
SYSTOLIC_PER_BMI: Final = 0.7
HYPERTENSION_FROM: Final = 140.0
HYPERTENSION_DETECTED: Final = 0.28  # a year
ANTIHYPERTENSIVE_STARTED: Final = 0.65  # a year, once diagnosed
TREATMENT_STOPPED: Final = 0.03
ANTIHYPERTENSIVE_EFFECT: Final = (12.0, 4.0)  # mean and spread; Law et al. 2009, doi:10.1136/bmj.b1665

# Lipids, mmol/L, untreated: non-HDL and HDL; near Esteban 2014-2016 (mean LDL 1.30 g/L); spread assumed.
NON_HDL: Final = ByAge((20, 40, 55, 70, 90), (3.3, 4.1, 4.3, 4.1, 3.8), (3.0, 3.5, 4.2, 4.3, 4.0))
NON_HDL_SD: Final = 0.85
NON_HDL_FACTOR_STATIN: Final = 0.68
HDL_MEN: Final = 1.30
HDL_WOMEN: Final = 1.60
HDL_SD: Final = 0.30
LIPID_ERROR: Final = 0.05  # of one result, relative
STATIN_STARTED: Final = 0.10  # a year, where indicated

# Conditions: share with it at the start, and rate of onset. Diabetes so that treated diabetes is near 5 % of the
# population (Assurance maladie, BEH 2017;27-28:586-91); the others assumed.
DIABETES_SHARE: Final = ByAge((25, 40, 55, 65, 80), (0.004, 0.025, 0.09, 0.15, 0.18), (0.004, 0.018, 0.06, 0.10, 0.14))
DIABETES_ONSET: Final = ByAge((25, 40, 55, 70, 85), (0.0003, 0.002, 0.007, 0.010, 0.008),
                              (0.0003, 0.0015, 0.0045, 0.007, 0.007))  # fmt: skip
FIBRILLATION_SHARE: Final = ByAge((40, 60, 75, 90), (0.001, 0.015, 0.07, 0.14), (0.0005, 0.008, 0.045, 0.12))
FIBRILLATION_ONSET: Final = ByAge((40, 60, 75, 90), (0.0002, 0.002, 0.009, 0.018), (0.0001, 0.0012, 0.007, 0.016))
KIDNEY_SHARE: Final = ByAge((40, 60, 75, 90), (0.004, 0.025, 0.10, 0.22), (0.004, 0.025, 0.11, 0.24))
KIDNEY_ONSET: Final = ByAge((40, 60, 75, 90), (0.0004, 0.002, 0.010, 0.02), (0.0004, 0.002, 0.010, 0.02))
MENTAL_ILLNESS_SHARE: Final = ByAge((20, 40, 80), (0.008, 0.016, 0.012), (0.008, 0.018, 0.016))
MENTAL_ILLNESS_ONSET: Final = ByAge((20, 40, 80), (0.0006, 0.0004, 0.0002), (0.0006, 0.0005, 0.0002))
DETECTION_YEARS: Final = 1.0  # mean time from onset to diagnosis; assumed
CODING_DAYS: Final = 45.0  # mean time from diagnosis to its being coded; assumed

# The cardiovascular hazard: log scale, around a non-smoker of 60 with systolic 130, non-HDL 4.0, HDL 1.4. Effects are
# of the size of SCORE2's and QRISK3's (doi:10.1093/eurheartj/ehab309, doi:10.1136/bmj.j2099); the levels were set
# so that people of 40 to 79 without an event have an incidence of 5 to 6 % in ten years, a European low-risk region.
CV_LEVEL_MEN: Final = -5.99
CV_LEVEL_WOMEN: Final = -6.56
CV_AGE_MEN: Final = 0.72  # a decade
CV_AGE_WOMEN: Final = 0.85
CV_SMOKING: Final = 0.7
CV_SMOKING_AGE: Final = -0.16  # a decade beyond 60
CV_FORMER: Final = 0.12
CV_SYSTOLIC: Final = 0.31  # 20 mmHg
CV_SYSTOLIC_DIABETES: Final = 0.12  # 20 mmHg more, with diabetes
CV_NON_HDL: Final = 0.2  # mmol/L
CV_HDL: Final = -0.26  # 0.5 mmol/L
CV_DIABETES: Final = 0.65
CV_KIDNEY: Final = 0.5
CV_FIBRILLATION: Final = 0.65
CV_MENTAL_ILLNESS: Final = 0.5
CV_BY_QUINTILE: Final = (0.0, 0.02, 0.05, 0.09, 0.45)  # the planted inequity: 1.5 times in the most deprived
CV_AFTER_EVENT: Final = 2.5  # hazard of another one, times
FATAL: Final = ByAge((40, 60, 80, 95), (0.12, 0.16, 0.30, 0.50), (0.12, 0.16, 0.30, 0.50))  # assumed
SUDDEN: Final = 0.5  # share of fatal events that leave a death and no hospital letter; assumed
PRIOR_CV: Final = ByAge((35, 50, 60, 70, 80, 95), (0.003, 0.025, 0.07, 0.13, 0.19, 0.22),
                        (0.001, 0.010, 0.025, 0.055, 0.11, 0.16))  # fmt: skip
INFARCTION_SHARE_MEN: Final = 0.58  # the others are strokes; assumed
INFARCTION_SHARE_WOMEN: Final = 0.42

# Death from other causes: Insee mortality of 2013 less about a quarter that is cardiovascular; effects assumed.
DEATH_LEVEL_MEN: Final = -5.58
DEATH_LEVEL_WOMEN: Final = -6.18
DEATH_AGE_MEN: Final = 0.88  # a decade
DEATH_AGE_WOMEN: Final = 0.92
DEATH_SMOKING: Final = 0.65
DEATH_FORMER: Final = 0.15
DEATH_DIABETES: Final = 0.35
DEATH_KIDNEY: Final = 0.40
DEATH_FIBRILLATION: Final = 0.30
DEATH_MENTAL_ILLNESS: Final = 0.65
DEATH_BY_QUINTILE: Final = (-0.12, -0.06, 0.0, 0.08, 0.22)

# Departure from the practice; assumed.
LEAVING: Final = ByAge((20, 28, 35, 45, 60, 75, 90), (0.10, 0.11, 0.07, 0.040, 0.025, 0.025, 0.06),
                       (0.11, 0.12, 0.07, 0.038, 0.025, 0.028, 0.08))  # fmt: skip
LEAVING_BY_QUINTILE: Final = (-0.10, -0.05, 0.0, 0.08, 0.25)
LEAVING_SMOKING: Final = 0.15
LEAVING_DIABETES: Final = -0.15
LEAVING_MENTAL_ILLNESS: Final = 0.45
LEAVING_AT_RISK: Final = 0.10  # for one more unit of the log cardiovascular hazard at equal age

# Consultations beyond renewals of treatment: about two thirds of the national mean, to keep the volume small; assumed.
VISITS: Final = ByAge((20, 40, 60, 80, 95), (0.9, 1.1, 1.5, 2.2, 2.6), (1.4, 1.4, 1.6, 2.2, 2.6))
VISITS_BY_QUINTILE: Final = (0.95, 0.98, 1.0, 1.04, 1.10)
VISITS_CONDITION: Final = 0.25  # more, relatively, for each condition
VISITS_SPREAD: Final = 2.5  # shape of the gamma by which people differ
RENEWAL_DAYS: Final = 91.0
RENEWAL_MISSED: Final = 0.06

# What is measured at a consultation, before the practice's habit; assumed.
BP_MEASURED: Final = 0.4
BP_MEASURED_YOUNG: Final = 0.20  # under 40
BP_MEASURED_HYPERTENSIVE: Final = 0.45
BP_MEASURED_HIGH: Final = 0.15  # more when the pressure is high and nobody has said so yet
LIPIDS_MEASURED: Final = 0.16
LIPIDS_MEASURED_FOLLOWED: Final = 0.14  # on a statin or with diabetes
LIPIDS_FROM_AGE: Final = 35
CREATININE_MEASURED: Final = 0.04
CREATININE_MEASURED_FOLLOWED: Final = 0.10
BMI_MEASURED: Final = 0.09
SMOKING_ASKED: Final = 0.18

# Treatments: code and share of first choices; assumed, near ordinary French prescribing.
ANTIHYPERTENSIVES: Final = (
    ("ATC:C09AA05", 0.28),
    ("ATC:C09CA01", 0.26),
    ("ATC:C08CA01", 0.22),
    ("ATC:C07AB07", 0.14),
    ("ATC:C03AA03", 0.10),
)
SECOND_DRUG: Final = 0.25
STATINS: Final = (("ATC:C10AA05", 0.45), ("ATC:C10AA07", 0.30), ("ATC:C10AA03", 0.15), ("ATC:C10AA01", 0.10))
TREATED_AFTER_EVENT: Final = 0.85  # on both from the event on

"""Every figure the synthetic population rests on, each with its source, or "assumed" where there is none.

Rates are a year. Where a table goes by age, values in between are interpolated and beyond its ends held. "Set so that"
says that the number itself was found by trying, and which published figure it reproduces; `targets` holds those
figures, and a test compares. BEH is the Bulletin épidémiologique hebdomadaire, beh.santepubliquefrance.fr.
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

GROWN_UP_LATER: Final = 0.06  # share who are 3 to 19 on the first day and register when they are 18; assumed
REGISTERED_BEFORE: Final = 0.70  # share already with the practice on the first day; assumed
REGISTERED_BEFORE_YEARS: Final = 15.0  # for how long at most; assumed
LAST_ARRIVAL_YEAR: Final = 2022  # nobody new from then on; assumed
#: Share who move house in a year, by age: 28 % at 20 to 25 (census of 2014, Observatoire des territoires, rapport
#: 2018), under 5 % from about 55 on, more again from 80 on (observationsociete.fr, of the same report), 4 % from 60 on
#: (households, 2020: Insee, 19 March 2024, in vie-publique.fr); ages in between assumed.
MOVING: Final = ((22.5, 30.0, 40.0, 55.0, 65.0, 80.0, 95.0), (0.28, 0.20, 0.11, 0.048, 0.04, 0.04, 0.06))
#: Share of moves that change the practice within the population: four of eleven change the municipality and not the
#: département (observationsociete.fr, census of 2014), half of whom keep their doctor, assumed. Moves further away are
#: departures, below.
MOVING_CHANGES_PRACTICE: Final = 4 / 11 * 0.5
MOVING_WITHIN_REGION: Final = 0.8  # of those; assumed, so that some change region
#: Of so many practices people go to that of the most similar deprivation; set so that most find a place like theirs:
#: 71 % of moves within a city are between neighbourhoods of similar income (Insee, 19 March 2024, in vie-publique.fr).
MOVING_CHOICE: Final = 5
BETWEEN_PRACTICES_DAYS: Final = 45.0  # mean time until people who moved register with a practice; assumed


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
PRACTICE_SCREENING_SD: Final = 0.15  # of the log hazard of taking part; assumed
PRACTICE_DEPRIVATION_CORRELATION: Final = 0.7  # between a patient's deprivation and the practice's
#: By level of density: a third of the population is rural (Insee 2021, insee.fr/fr/statistiques/5039991), 37.9 % live
#: in the densest level (Insee, in maire-info.com of 4 May 2021); within that assumed.
DENSITY_SHARES: Final = (0.379, 0.10, 0.09, 0.10, 0.13, 0.15, 0.051)
RURAL_FROM: Final = 5
VENDOR_SHARES: Final = (0.45, 0.30, 0.25)  # three fictional software vendors
VENDOR_GRAMS: Final = (0.05, 0.40, 0.98)  # share of results each sends in g/L and mg/L
LATE_PRACTICES: Final = 0.12  # practices that learn results weeks late
LATE_DAYS: Final = 25.0  # how much later, on average
REGION_SHARES: Final = (0.28, 0.22, 0.20, 0.18, 0.12)  # five fictional regions
REGION_COMPLETENESS: Final = (1.0, 1.0, 0.97, 0.95, 0.72)  # the last one codes little
COMPLETENESS: Final = (0.70, 0.97)  # share of diagnoses coded, from the most to the least deprived practice
MEASURING: Final = (0.70, 1.25)  # relative rate of measuring
LETTER_DAYS: Final = (12.0, 70.0)  # median delay of a hospital's letter
LABORATORY_DAYS: Final = (1.0, 9.0)  # mean delay of a result
CISP2_SHARE: Final = 0.3  # practices that code in CISP-2

# Smoking: share of current smokers at the start; Santé publique France, Baromètre santé 2010 (about a third of people
# aged 18-75, falling with age); the split of the others and the yearly changes are assumed.
SMOKERS: Final = ByAge((20, 30, 45, 55, 65, 75, 90), (0.49, 0.49, 0.41, 0.335, 0.20, 0.11, 0.04),
                       (0.43, 0.40, 0.36, 0.275, 0.14, 0.065, 0.02))  # fmt: skip
FORMER_AMONG_OTHERS: Final = ByAge((20, 40, 60, 80), (0.22, 0.45, 0.62, 0.66), (0.22, 0.42, 0.37, 0.20))
SMOKING_BY_QUINTILE: Final = (0.82, 0.90, 0.98, 1.08, 1.28)  # assumed
QUITTING: Final = 0.032
RELAPSE: Final = 0.02

# Circumstances. Complementary cover: 11 % of the population at the end of 2023 (DREES, Minima sociaux et prestations
# sociales, 2024); its gradients assumed. Family histories, height, alcohol's spread and contact with care: assumed.
SOLIDARITY_COVER_BY_QUINTILE: Final = (0.03, 0.05, 0.08, 0.13, 0.26)
FAMILY_CARDIOVASCULAR: Final = 0.12
FAMILY_BREAST: Final = 0.09
FAMILY_COLORECTAL: Final = 0.05
ABSTAINERS: Final = 0.135  # 13.5 % drank nothing in the year; Andler and Richard 2019, Rev Prat 69:886-91
DRINKS_MEN: Final = 1.6  # mean a day of those who drink; assumed
DRINKS_WOMEN: Final = 0.7
HEIGHT_MEN: Final = 175.5  # cm
HEIGHT_WOMEN: Final = 162.5
HEIGHT_SD: Final = 6.5

# Body-mass index: ObEpi-Roche 2012 (mean 25.4, obesity 15 %).
BMI_LOG_MEAN: Final = 3.222
BMI_LOG_SD: Final = 0.165
BMI_BY_QUINTILE: Final = (-0.5, -0.2, 0.0, 0.3, 0.9)  # assumed

# Blood pressure: usual untreated systolic pressure; set so that hypertension and its treatment come near Esteban
# 2014-2016 (BEH 2018;10:170-9: hypertension in 30.6 % aged 18-74, about half of them treated).
SYSTOLIC: Final = ByAge((20, 40, 60, 80, 95), (117, 126.5, 140, 149, 150), (105, 118, 136.5, 150, 152))
SYSTOLIC_PERSON_SD: Final = 11.0
SYSTOLIC_SLOPE_SD: Final = 0.35  # a year, between people
SYSTOLIC_YEAR_SD: Final = 3.5  # from one year to the next
SYSTOLIC_VISIT_SD: Final = 8.0  # of one reading around the usual level, mean and, below, spread between people
SYSTOLIC_VISIT_LOG_SD: Final = 0.25
SYSTOLIC_DRIFT: Final = 6.0  # more that new devices read, where drift is planted
SYSTOLIC_PER_BMI: Final = 0.7
HYPERTENSION_FROM: Final = 140.0
HYPERTENSION_DETECTED: Final = 0.17  # a year
ANTIHYPERTENSIVE_STARTED: Final = 0.42  # a year, once diagnosed
TREATMENT_STOPPED: Final = 0.03
ANTIHYPERTENSIVE_EFFECT: Final = (12.0, 4.0)  # mean and spread; Law et al. 2009, doi:10.1136/bmj.b1665

# Lipids, mmol/L, untreated: non-HDL and HDL; near Esteban 2014-2016 (mean LDL 1.30 g/L); spread assumed.
NON_HDL: Final = ByAge((20, 40, 55, 70, 90), (3.3, 4.1, 4.35, 4.15, 3.8), (3.1, 3.65, 4.35, 4.4, 4.1))
NON_HDL_SD: Final = 0.97
NON_HDL_FACTOR_STATIN: Final = 0.68
HDL_MEN: Final = 1.30
HDL_WOMEN: Final = 1.60
HDL_SD: Final = 0.30
LIPID_ERROR: Final = 0.05  # of one result, relative
STATIN_STARTED_MEN: Final = 0.085  # a year, where indicated
STATIN_STARTED_WOMEN: Final = 0.042

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
# Chronic obstructive disease: 5 to 10 % of people over 45, most of them undiagnosed (Fuhrman and Delmas 2010,
# doi:10.1016/j.rmr.2009.08.003); times this for former and current smokers, assumed.
COPD_SHARE: Final = ByAge((40, 50, 65, 80), (0.005, 0.02, 0.05, 0.07), (0.004, 0.015, 0.03, 0.04))
COPD_ONSET: Final = ByAge((40, 55, 70, 85), (0.0005, 0.002, 0.004, 0.005), (0.0004, 0.0015, 0.0025, 0.003))
COPD_SMOKING: Final = (0.75, 2.1, 3.3)  # never, former, current
# Depression that a doctor writes down. In a year 6.4 % of men and 13.0 % of women have an episode (Léon et al., BEH
# 2018;32-33:637-44); that doctors know of a part only is assumed.
DEPRESSION_SHARE: Final = ByAge((20, 40, 60, 80), (0.03, 0.05, 0.06, 0.05), (0.06, 0.10, 0.12, 0.11))
DEPRESSION_ONSET: Final = ByAge((20, 40, 60, 80), (0.004, 0.005, 0.004, 0.004), (0.008, 0.010, 0.008, 0.007))
# Migraine: between the strict (5.4 %) and the possible cases (13.3 %) of the health survey of 2002-2003 (DREES, Études
# et résultats: Prévalence des céphalées à travers l'enquête décennale Santé 2002).
MIGRAINE_SHARE: Final = ByAge((20, 40, 70, 90), (0.05, 0.05, 0.04, 0.03), (0.14, 0.15, 0.11, 0.08))
MIGRAINE_ONSET: Final = ByAge((20, 40, 60), (0.001, 0.0005, 0.0), (0.003, 0.0015, 0.0))
# Rheumatoid arthritis: 0.31 % (Guillemin et al. 2005, doi:10.1136/ard.2004.029199). Lupus: 47 of 100,000, 88 % women
# (Arnaud et al. 2014, doi:10.1016/j.autrev.2014.08.034). Ages assumed.
ARTHRITIS_SHARE: Final = ByAge((25, 50, 70), (0.0003, 0.0015, 0.004), (0.0007, 0.0048, 0.008))
ARTHRITIS_ONSET: Final = ByAge((25, 50, 70), (0.00002, 0.0001, 0.0002), (0.00005, 0.0003, 0.0003))
LUPUS_SHARE: Final = ByAge((20, 45, 70), (0.00005, 0.00012, 0.0002), (0.0002, 0.0010, 0.0008))
LUPUS_ONSET: Final = ByAge((20, 35, 70), (0.000005, 0.00001, 0.00001), (0.00004, 0.00008, 0.00003))
# Dementia; assumed.
DEMENTIA_SHARE: Final = ByAge((60, 70, 80, 90), (0.001, 0.01, 0.06, 0.18), (0.001, 0.01, 0.07, 0.25))
DEMENTIA_ONSET: Final = ByAge((60, 70, 80, 90), (0.0003, 0.003, 0.015, 0.045), (0.0003, 0.003, 0.017, 0.055))
DETECTION_YEARS: Final = 1.0  # mean time from onset to diagnosis; assumed
DETECTION_YEARS_COPD: Final = 8.0
TYPE_1_YOUNG: Final = 0.55  # share of type 1 among diabetes that begins before 35, and later: 5.1 % of people treated,
TYPE_1_LATER: Final = 0.025  # Entred 3, 2019; 6 % in Entred 2, 2007 (InVS, results for patients)

# Metabolism. Glomerular filtration, mL/min/1.73 m²: below 60 from the onset of kidney disease on, above before, and so
# are stages (KDIGO 2024, doi:10.1016/j.kint.2023.10.018); level, spread and decline assumed. Creatinine follows from it
# by CKD-EPI 2009 (Levey et al. 2009, doi:10.7326/0003-4819-150-9-200905050-00006), which French laboratories report.
FILTRATION: Final = ByAge((20, 40, 60, 80, 95), (116, 101, 87, 74, 66), (116, 102, 87, 73, 65))
FILTRATION_SD: Final = 10.0
FILTRATION_ILL: Final = 56.0  # at the onset of kidney disease
FILTRATION_DECLINE: Final = 1.4  # mean loss a year from then on
CREATININE_ERROR: Final = 0.07  # of one result, relative
# HbA1c, %: 7.1 on average in type 2 diabetes (Entred 2007); without it assumed.
HBA1C: Final = 5.35
HBA1C_SD: Final = 0.28
HBA1C_DIABETES: Final = 5.75  # to which a gamma is added
HBA1C_DIABETES_GAMMA: Final = (1.9, 0.70)
HBA1C_YEAR_SD: Final = 0.25
TRIGLYCERIDES: Final = 1.05  # mmol/L, median at a body-mass index of 26; assumed
TRIGLYCERIDES_LOG_SD: Final = 0.42
ALBUMINURIA: Final = 0.7  # mg/mmol, median; assumed
ALBUMINURIA_LOG_SD: Final = 0.7
CODING_DAYS: Final = 45.0  # mean time from diagnosis to its being coded; assumed

# The cardiovascular hazard: log scale, around a non-smoker of 60 with systolic 130, non-HDL 4.0, HDL 1.4. Effects are
# of the size of SCORE2's and QRISK3's (doi:10.1093/eurheartj/ehab309, doi:10.1136/bmj.j2099); the levels were set
# so that people of 40 to 79 without an event have an incidence of 5 to 6 % in ten years, a European low-risk region.
CV_LEVEL_MEN: Final = -6.23
CV_LEVEL_WOMEN: Final = -6.82
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
CV_KIDNEY: Final = 0.4
CV_FIBRILLATION: Final = 0.65
CV_MENTAL_ILLNESS: Final = 0.5
CV_BY_QUINTILE: Final = (0.0, 0.02, 0.05, 0.09, 0.45)  # the planted inequity: 1.5 times in the most deprived
# What SCORE2 does not know. The first six have the size of QRISK3's effects (doi:10.1136/bmj.j2099); the others
# assumed.
CV_FAMILY: Final = 0.45
CV_ARTHRITIS: Final = 0.21
CV_LUPUS: Final = 0.60
CV_MIGRAINE: Final = 0.28
CV_TYPE_1: Final = 0.5  # beyond diabetes
CV_VARIABILITY: Final = 0.045  # one mmHg more from visit to visit; planted, five times QRISK3's 0.008
CV_FILTRATION: Final = 0.25  # 15 mL/min less below 60
CV_SYSTOLIC_VERY_HIGH: Final = 0.15  # 20 mmHg more beyond 160
CV_COPD: Final = 0.25
CV_MENTAL_ILLNESS_SMOKING: Final = 0.4  # both together
CV_KIDNEY_DIABETES: Final = 0.3  # both together
CV_AFTER_EVENT: Final = 2.5  # hazard of another one, times
FATAL: Final = ByAge((40, 60, 80, 95), (0.12, 0.16, 0.30, 0.50), (0.12, 0.16, 0.30, 0.50))  # assumed
SUDDEN: Final = 0.5  # share of fatal events that leave a death and no hospital letter; assumed
PRIOR_CV: Final = ByAge((35, 50, 60, 70, 80, 95), (0.003, 0.025, 0.07, 0.13, 0.19, 0.22),
                        (0.001, 0.010, 0.025, 0.055, 0.11, 0.16))  # fmt: skip
INFARCTION_SHARE_MEN: Final = 0.58  # the others are strokes; assumed
INFARCTION_SHARE_WOMEN: Final = 0.42

# Death from other causes: log of the hazard of a person in no state below, set so that deaths of all causes come near
# Insee's mortality rates of 2013, which a test reads; effects assumed.
DEATH: Final = ByAge((30, 40, 50, 60, 70, 80, 90, 100), (-7.6, -7.0, -5.97, -5.24, -4.73, -3.98, -2.62, -1.7),
                     (-8.5, -7.6, -6.42, -5.98, -5.47, -4.42, -2.95, -1.8))  # fmt: skip
DEATH_YEAR: Final = 2013
DEATH_TREND: Final = -0.018  # a year
DEATH_SMOKING: Final = 0.65
DEATH_FORMER: Final = 0.15
DEATH_DIABETES: Final = 0.35
DEATH_KIDNEY: Final = 0.40
DEATH_FIBRILLATION: Final = 0.30
DEATH_MENTAL_ILLNESS: Final = 0.65
DEATH_COPD: Final = 0.55
DEATH_DEMENTIA: Final = 0.75
DEATH_BY_QUINTILE: Final = (-0.12, -0.06, 0.0, 0.08, 0.22)

# Departure from the practices of the population; assumed.
LEAVING: Final = ByAge((20, 28, 35, 45, 60, 75, 90), (0.10, 0.11, 0.07, 0.040, 0.025, 0.025, 0.06),
                       (0.11, 0.12, 0.07, 0.038, 0.025, 0.028, 0.08))  # fmt: skip
LEAVING_BY_QUINTILE: Final = (-0.10, -0.05, 0.0, 0.08, 0.25)
LEAVING_SMOKING: Final = 0.15
LEAVING_DIABETES: Final = -0.15
LEAVING_MENTAL_ILLNESS: Final = 0.45
LEAVING_AT_RISK: Final = 0.10  # for one more unit of the log cardiovascular hazard at equal age

# Consultations beyond renewals of treatment, set so that all together come near the 3.3 (2022) to 3.8 (2015) a head of
# DREES (L'accessibilité aux soins de premier recours, 2023); the differences by age and sex assumed.
VISITS: Final = ByAge((20, 40, 60, 80, 95), (1.2, 1.4, 1.9, 2.8, 3.2), (1.9, 1.9, 2.1, 2.8, 3.2))
VISITS_BY_QUINTILE: Final = (0.95, 0.98, 1.0, 1.04, 1.10)
VISITS_CONDITION: Final = 0.25  # more, relatively, for each condition
VISITS_SPREAD: Final = 2.5  # shape of the gamma by which people differ
RENEWAL_DAYS: Final = 91.0
RENEWAL_MISSED: Final = (0.7, 7.0)  # beta of the share missed, between people

# What is measured at a consultation, before the practice's habit; assumed.
BP_MEASURED: Final = 0.33
BP_MEASURED_YOUNG: Final = 0.16  # under 40
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

# Treatment of diabetes: of type 2, 71.2 % tablets only, 18 % tablets and insulin, 4.5 % insulin only, 6 % tablets and a
# GLP-1 analogue (Entred 3, 2019); which tablets is assumed. From these HbA1c levels on, set so.
DIABETES_TREATED: Final = 0.92  # once diagnosed; assumed
METFORMIN: Final = "ATC:A10BA02"
SECOND_TABLETS: Final = (("ATC:A10BB09", 0.5), ("ATC:A10BH01", 0.5))
SECOND_TABLET_FROM: Final = 6.9  # HbA1c, %
GLP_1: Final = "ATC:A10BJ02"
GLP_1_SHARE: Final = 0.06
INSULIN: Final = "ATC:A10AE04"
INSULIN_FROM: Final = 8.0
# Other lasting treatments: code and share of those diagnosed who take it; assumed.
LASTING_TREATMENTS: Final = (
    ("atrial_fibrillation", "ATC:B01AF02", 0.65),
    ("atrial_fibrillation", "ATC:B01AA12", 0.15),
    ("mental_illness", "ATC:N05AH04", 0.25),
    ("mental_illness", "ATC:N05AX08", 0.25),
    ("rheumatoid_arthritis", "ATC:L04AX03", 0.60),
    ("rheumatoid_arthritis", "ATC:H02AB06", 0.25),
    ("lupus", "ATC:H02AB06", 0.50),
)
TRIPTAN: Final = "ATC:N02CC01"
TRIPTAN_RATE: Final = 0.6  # a year, with migraine
ANTIPLATELET: Final = "ATC:B01AC06"
CORTICOSTEROID: Final = "ATC:H02AB07"
CORTICOSTEROID_RATE: Final = 0.012  # a year, everybody; eight times that with chronic obstructive disease
ERECTILE_TREATMENT: Final = "ATC:G04BE03"
ERECTILE_TREATMENT_RATE: Final = 0.02  # a year, men from 45 to 75

# Measured at a consultation, before the practice's habit; assumed.
SUGAR_MEASURED: Final = 0.30  # in diabetes: three times a year
SUGAR_MEASURED_OTHERS: Final = 0.025
ALBUMINURIA_MEASURED: Final = 0.08  # with diabetes or kidney disease
ALCOHOL_ASKED: Final = 0.03

# Influenza vaccination: 54 % from 65 on, 27 % of people at risk before (Santé publique France, season 2024-2025).
VACCINE: Final = "ATC:J07BB02"
VACCINATED_OLD: Final = 0.54
VACCINATED_AT_RISK: Final = 0.27
VACCINATED_OTHERS: Final = 0.03
VACCINATED_WAVER: Final = 0.18  # how far from always or never people are, assumed

# Long-term illness: 16.6 % of the insured in 2015, mean age 62 (Assurance maladie 2018, ameli.fr). Share admitted once
# diagnosed, by illness, and a yearly rate for all others by age; assumed.
LONG_TERM_ILLNESS: Final = (
    ("diabetes", 0.75),
    ("mental_illness", 0.75),
    ("rheumatoid_arthritis", 0.85),
    ("lupus", 0.85),
    ("dementia", 0.60),
    ("cardiovascular", 0.80),
)
LONG_TERM_ILLNESS_OTHERS: Final = ByAge((20, 50, 70, 90), (0.002, 0.005, 0.012, 0.015), (0.002, 0.006, 0.010, 0.012))
LONG_TERM_ILLNESS_OTHERS_SHARE: Final = ByAge((20, 50, 70, 90), (0.02, 0.06, 0.15, 0.22), (0.02, 0.07, 0.13, 0.18))

# Dependency: 4 to 10 % of people of 60 and over living at home in 2015 (DREES, enquête CARE ménages, 2017), groups 1 to
# 4 as those helped at home: 2, 18, 22 and 58 % (DREES, enquête Aide sociale 2023, insee.fr/fr/statistiques/2386701).
DEPENDENCY_ONSET: Final = ByAge((60, 70, 80, 90), (0.0008, 0.003, 0.010, 0.035), (0.0008, 0.003, 0.011, 0.045))
DEPENDENCY_GROUPS: Final = (0.02, 0.18, 0.22, 0.58)
WELL_ASSESSED: Final = 0.15  # of those who need no help at 75; assumed

# Hospital stays; assumed.
HOSPITAL_STAYS: Final = ByAge((20, 40, 60, 80, 95), (0.06, 0.07, 0.13, 0.28, 0.40), (0.14, 0.12, 0.12, 0.24, 0.38))
HOSPITAL_STAYS_ILLNESS: Final = 0.5  # more, relatively, for each of four illnesses

# Screening. Rules, participation and determinants: arrêté du 16 janvier 2024 (NOR TSSP2332083A), Santé publique France,
# BEH. Rates, spreads and effects on hazards were set so that participation comes near the figures in `TARGETS`.


@dataclass(frozen=True)
class Programme:
    """How people take part in a screening programme, and get tests outside it.

    Parameters
    ----------
    name
        Identifier.
    ages
        First age, and the first age that is too old.
    since
        First year with invitations.
    organised, individual
        Hazards a year: of the programme's test in the half-year after an invitation, and of a test outside it; of those
        who are due, consult as often as others and have not taken part the last time.
    organised_by_quintile, individual_by_quintile, organised_rural, individual_rural
        Effects on their logs.
    habit
        Effect of having taken part after the last invitation, on the log.
    contact
        Effect of consulting e times as often, on both logs.
    spread
        Standard deviation of the logs between people who are alike in all that, for both.
    """

    name: str
    ages: tuple[int, int]
    since: int
    organised: ByAge
    individual: ByAge
    organised_by_quintile: tuple[float, ...]
    individual_by_quintile: tuple[float, ...]
    organised_rural: float
    individual_rural: float
    habit: float
    contact: float
    spread: tuple[float, float]


SCREENING_WAVES: Final = (1.0, 0.75, 0.6, 0.15)  # of the hazard, by half-year since the invitation; assumed
HPV_SINCE: Final = 2020  # HPV test from 30 on; HAS 2019
#: Of the hazards in 2020: breast, 48.5 % in 2019, 42.6 % in 2020 (BEH 2023;14).
SCREENING_2020: Final = 0.80
BREAST: Final = Programme(
    "breast",
    ages=(50, 75),
    since=2004,
    organised=ByAge((50, 60, 70, 75), (0, 0, 0, 0), (0.68, 0.76, 0.76, 0.68)),
    individual=ByAge((40, 50, 65, 75), (0, 0, 0, 0), (0.12, 0.15, 0.13, 0.07)),
    organised_by_quintile=(0.22, 0.13, 0.03, -0.06, -0.23),
    individual_by_quintile=(0.55, 0.25, 0.0, -0.3, -0.6),
    organised_rural=-0.28,
    individual_rural=-0.3,
    habit=0.9,
    contact=0.15,
    spread=(1.2, 0.9),
)
COLORECTAL: Final = Programme(
    "colorectal",
    ages=(50, 75),
    since=2009,
    organised=ByAge((50, 60, 70, 75), (0.265, 0.265, 0.29, 0.285), (0.285, 0.29, 0.305, 0.265)),
    individual=ByAge((40, 50, 65, 75), (0.014, 0.028, 0.042, 0.046), (0.015, 0.030, 0.042, 0.044)),
    organised_by_quintile=(0.12, 0.09, 0.04, -0.03, -0.31),
    individual_by_quintile=(0.15, 0.05, 0.0, -0.05, -0.15),
    organised_rural=0.05,
    individual_rural=-0.15,
    habit=1.0,
    contact=0.25,
    spread=(1.2, 0.5),
)
CERVICAL: Final = Programme(
    "cervical",
    ages=(25, 66),
    since=2019,
    organised=ByAge((25, 40, 65), (0, 0, 0), (0.10, 0.10, 0.11)),
    individual=ByAge((25, 35, 50, 65), (0, 0, 0, 0), (0.60, 0.60, 0.44, 0.245)),
    organised_by_quintile=(0.0, 0.0, 0.0, 0.0, -0.1),
    individual_by_quintile=(0.38, 0.18, 0.0, -0.18, -0.52),
    organised_rural=0.0,
    individual_rural=-0.15,
    habit=0.5,
    contact=0.15,
    spread=(0.8, 1.0),
)
PROGRAMMES: Final = (BREAST, COLORECTAL, CERVICAL)
REFUSES: Final = 0.04  # of those invited and unwilling, who say so; assumed

# What tests find, and what excludes. New cancers: 52,000 of the breast, 39,500 of the bowel in 2009 (Francim, InVS,
# INCa); 6.7 cancers a thousand organised mammograms (InVS, results of 2005), a test being positive in the year and a
# half before the cancer would be felt; 3.5 % positive faecal tests, men 4.2, women 2.9 (Santé publique France,
# 2021-2022). Others assumed.
BREAST_CANCER: Final = ByAge((30, 45, 60, 75), (0, 0, 0, 0), (0.0003, 0.0018, 0.0036, 0.0034))
BREAST_CANCER_SHARE: Final = ByAge((35, 50, 65, 80), (0, 0, 0, 0), (0.002, 0.02, 0.05, 0.065))
COLORECTAL_CANCER: Final = ByAge((40, 55, 65, 80), (0.0001, 0.0008, 0.0020, 0.0042), (0.0001, 0.0006, 0.0012, 0.0028))
COLORECTAL_CANCER_SHARE: Final = ByAge((40, 60, 80), (0.0005, 0.006, 0.022), (0.0005, 0.005, 0.016))
ADENOMA_SHARE: Final = ByAge((40, 50, 65, 75), (0.005, 0.02, 0.06, 0.08), (0.004, 0.015, 0.045, 0.06))
BOWEL_DISEASE: Final = 0.005
HYSTERECTOMY: Final = ByAge((30, 40, 48, 60, 75), (0, 0, 0, 0, 0), (0.0003, 0.003, 0.006, 0.003, 0.002))
HYSTERECTOMY_SHARE: Final = ByAge((35, 45, 55, 70), (0, 0, 0, 0), (0.008, 0.05, 0.12, 0.18))
FELT_LATER_YEARS: Final = 1.6
FAECAL_SENSITIVITY: Final = 0.75
FAECAL_FALSE_MEN: Final = 0.040
FAECAL_FALSE_WOMEN: Final = 0.028
COLONOSCOPY_AFTER: Final = 0.88  # of positive tests
ADENOMA_FOUND: Final = 0.38  # of those colonoscopies
SURVEILLANCE: Final = 0.17  # colonoscopies a year of those whom their history excludes
ABNORMAL_CYTOLOGY: Final = 0.035
HPV_POSITIVE: Final = 0.09
ABNORMAL_AFTER_HPV: Final = 0.33  # cytology after a positive HPV test
CONISATION_AFTER: Final = 0.12  # of abnormal cytology
ULTRASOUND_TOO: Final = 0.5  # with a mammogram outside the programme

# Of an occasion; assumed. Births: a woman has 1.8 to 2 children.
PREGNANCY: Final = ByAge((20, 25, 30, 35, 40, 44), (0, 0, 0, 0, 0, 0), (0.05, 0.10, 0.13, 0.07, 0.015, 0.0))
BREAST_LUMP: Final = 0.006
DYSLIPIDAEMIA_FROM: Final = 5.2  # non-HDL cholesterol, mmol/L, or a statin
OBESITY_WRITTEN: Final = 0.4  # of those obese
FAMILY_ASKED: Final = 0.08  # at a visit
POVERTY_WRITTEN: Final = 0.05
ALCOHOL_DISORDER_FROM: Final = 5.0  # drinks a day
CIGARETTES: Final = 13.5  # a day, of daily smokers; Guignard et al., BEH 2015;17-18
CIGARETTES_COUNTED: Final = 0.3
REMOTE: Final = 0.03  # of consultations since 2020
MASTECTOMY: Final = 0.3  # of cancers of the breast

# Chest pain: a symptom of the cardiovascular hazard, and of nothing; assumed.
CHEST_PAIN: Final = 0.008
CHEST_PAIN_A_HAZARD: Final = 1.5
CHEST_PAIN_CODED_MEN: Final = 0.75
CHEST_PAIN_CODED_WOMEN: Final = 0.40  # where the difference is planted, else as in men

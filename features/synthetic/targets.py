"""Published French figures the population must come near, and how near: a test recounts each of them.

BEH is the Bulletin épidémiologique hebdomadaire, beh.santepubliquefrance.fr. Where a figure was read in the press
rather than in its own publication, the source says where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from features.synthetic.assumptions import ByAge


@dataclass(frozen=True)
class Target:
    """A published figure, how far from it the population may be, and where it was published."""

    figure: float
    tolerance: float
    source: str


ESTEBAN_PRESSURE: Final = "Esteban 2014-2016, ages 18-74: Perrine et al., BEH 2018;10:170-9, and santepubliquefrance.fr"
ESTEBAN_LDL: Final = "Esteban 2014-2016, ages 18-74: Lecoffre et al., BEH 2018;37 (2018_37_1)"
TREATED_DIABETES: Final = "Assurance maladie, 2009: Ricci et al., BEH 2010;42-43:425-31"
ENTRED: Final = "Entred 2007, type 2: InVS, results for patients, in studylibfr.com"
FAECAL_2021: Final = "Santé publique France, 2021-2022, in Le Quotidien du médecin of 27 March 2023"
CERVICAL_2017: Final = "Hamers and Jezewski-Serra, BEH 2019;22-23"
TARGETS: Final = {
    "hypertension": Target(0.306, 0.025, ESTEBAN_PRESSURE),
    "hypertension, men": Target(0.365, 0.035, ESTEBAN_PRESSURE),
    "hypertension, women": Target(0.252, 0.03, ESTEBAN_PRESSURE),
    "hypertension, 18-34": Target(0.063, 0.05, ESTEBAN_PRESSURE),
    "hypertension, 65-74": Target(0.678, 0.07, ESTEBAN_PRESSURE),
    "hypertension, known": Target(0.55, 0.06, ESTEBAN_PRESSURE),
    "hypertension, treated": Target(0.473, 0.06, ESTEBAN_PRESSURE),
    "hypertension, treated women 65-74": Target(0.532, 0.12, ESTEBAN_PRESSURE),
    "hypertension, treated and controlled": Target(0.55, 0.07, ESTEBAN_PRESSURE),
    "LDL, g/L": Target(1.30, 0.04, ESTEBAN_LDL),
    "LDL above 1.6 g/L": Target(0.193, 0.025, ESTEBAN_LDL),
    "LDL above 1.9 g/L": Target(0.060, 0.015, ESTEBAN_LDL),
    "lipid-lowering, men": Target(0.109, 0.02, ESTEBAN_LDL),
    "lipid-lowering, women": Target(0.067, 0.015, ESTEBAN_LDL),
    "diabetes treated, 45-64": Target(0.063, 0.015, TREATED_DIABETES),
    "diabetes treated, 65-74": Target(0.142, 0.03, TREATED_DIABETES),
    "diabetes treated, 75 and over": Target(0.148, 0.03, TREATED_DIABETES),
    "diabetes, share of type 1": Target(0.06, 0.02, "Entred 2007: 6 %; Entred 2019: 5.1 % (senesante.com)"),
    "HbA1c in type 2, %": Target(7.1, 0.15, ENTRED),
    "HbA1c below 6.5 in type 2": Target(0.34, 0.06, ENTRED),
    "smoking, 2014": Target(0.341, 0.03, "Baromètre santé 2014, ages 15-75: Guignard et al., BEH 2015;17-18"),
    "smoking, 2017": Target(0.319, 0.025, "Baromètre santé 2017, ages 18-75: Pasquereau et al., BEH 2018;14-15"),
    "smoking, 2019": Target(0.304, 0.03, "Baromètre santé 2019, ages 18-75: Pasquereau et al., BEH 2020;14"),
    "former smokers, 2014": Target(0.310, 0.045, "Baromètre santé 2014: Guignard et al., BEH 2015;17-18"),
    "obesity, 2012": Target(0.15, 0.02, "ObEpi-Roche 2012"),
    "COPD, 45 and over": Target(0.075, 0.025, "5 to 10 %: Fuhrman and Delmas 2010, doi:10.1016/j.rmr.2009.08.003"),
    "rheumatoid arthritis": Target(0.0031, 0.0015, "Guillemin et al. 2005, doi:10.1136/ard.2004.029199"),
    "lupus": Target(0.00047, 0.0004, "all ages: Arnaud et al. 2014, doi:10.1016/j.autrev.2014.08.034"),
    "solidarity cover": Target(0.11, 0.015, "DREES, end of 2023, in moneyvox.fr"),
    "rural": Target(0.33, 0.05, "Insee, La France et ses territoires, 2021: insee.fr/fr/statistiques/5039991"),
    "long-term illness": Target(0.20, 0.035, "16.6 % of all ages in 2015 (ameli.fr), children having few"),
    "dependency, 60 and over": Target(0.07, 0.03, "4 to 10 % of those at home in 2015: DREES, enquête CARE ménages"),
    "influenza vaccine, 65 and over": Target(0.54, 0.06, "Santé publique France, 2024-2025, in francetvinfo.fr"),
    "consultations a year": Target(3.55, 0.3, "DREES: 3.8 in 2015, 3.3 in 2022, in egora.fr of 17 November 2023"),
    "breast, organised": Target(0.50, 0.03, "52.3 % in 2011-2012, 48.5 % in 2019: BEH 2023;14"),
    "breast, outside": Target(0.105, 0.03, "10 to 11 points: INCa; answer to Parliament, October 2023"),
    "breast, organised, most deprived, odds ratio": Target(0.84, 0.13, "Ouédraogo et al. 2014, Prev Med 63:103-108"),
    "breast, organised, rural, odds ratio": Target(0.87, 0.13, "Ouédraogo et al. 2014, Prev Med 63:103-108"),
    "cancers a thousand mammograms": Target(6.7, 2.0, "InVS, programme results of 2005, in guidedesdemarches.com"),
    "colorectal, women": Target(0.353, 0.035, FAECAL_2021),
    "colorectal, men": Target(0.332, 0.035, FAECAL_2021),
    "colorectal, women 50-54": Target(0.344, 0.035, FAECAL_2021),
    "colorectal, women 70-74": Target(0.384, 0.035, FAECAL_2021),
    "colorectal, men 50-54": Target(0.326, 0.035, FAECAL_2021),
    "colorectal, men 70-74": Target(0.387, 0.035, FAECAL_2021),
    "faecal tests positive, women": Target(0.029, 0.005, FAECAL_2021),
    "faecal tests positive, men": Target(0.042, 0.009, FAECAL_2021),
    "colorectal, most deprived, odds ratio": Target(0.72, 0.1, "0.75, 0.68: Pornet et al. 2014, 2010"),
    "colorectal, excluded": Target(0.192, 0.03, "2018: Quintin et al., BEH 2024;5"),
    "colorectal, covered by any test": Target(0.478, 0.05, "2022: BEH 2025;3-4_4"),
    "cervical, three years": Target(0.587, 0.03, CERVICAL_2017),
    "cervical, three years, 60-65": Target(0.442, 0.05, CERVICAL_2017),
    "cervical, three years, 25-29": Target(0.67, 0.05, "2020-2022: BEH 2025;3-4_2"),
    "cervical, most deprived, odds ratio": Target(0.48, 0.10, "Audiger et al. 2022, doi:10.3389/ijph.2022.1604562"),
}  # fmt: skip
#: First infarctions with ST elevation a year in 100,000, mean of three registers, 2015: men and women by age.
#: santepubliquefrance.fr, Infarctus du myocarde: données. All infarctions are one and a half to three times as many.
ST_ELEVATION: Final = ByAge((40, 50, 60, 70), (53.5, 121.7, 179.4, 237.1), (8.3, 24.9, 38.2, 62.4))

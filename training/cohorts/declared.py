"""The real people: which published cohorts are judged, what is predicted in each, and why the others are not.

Declared before looking: the horizon is one that at least a tenth of the people are followed to, and by it at least
``LEAST_EVENTS`` have the event. Where several packages hold the same people, scikit-survival's copy is read: it needs
nothing more to be installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import CENSORED, COMPETING, EVENT
from features.sources.cohorts import From, Package, PublishedCohort
from training.values import Bilingual

LEAST_EVENTS: Final = 100
"""Events below which a validation says little (Collins et al. 2016, doi:10.1002/sim.6787)."""

MG_DL_OF_CHOLESTEROL: Final = 1 / 38.67  # to mmol/L
MG_DL_OF_CREATININE: Final = 88.42  # to µmol/L
YES: Final[Mapping[str, float]] = {"yes": 1.0, "no": 0.0}
ONE: Final[Mapping[str, float]] = {"1": 1.0, "0": 0.0}


@dataclass(frozen=True)
class RealCohort:
    """A published cohort and what is said of it.

    Parameters
    ----------
    cohort
        Where it is, and how it is read.
    who, what
        Who the people are, and what is predicted.
    origin
        Who published the data before the package.
    cardiovascular
        Whether the event is what published cardiovascular scores predict, or a part of it.
    diseased
        Whether they have cardiovascular disease already, which every published score leaves out.
    deaths_told
        Whether those who died of something else can be told from those who left. Where they cannot, they count as
        departures, and risks are those of a world without other deaths.
    caution
        What a reader of the figures must know, if anything.
    """

    cohort: PublishedCohort
    who: Bilingual
    what: Bilingual
    origin: str
    cardiovascular: bool = False
    diseased: bool = False
    deaths_told: bool = True
    caution: Bilingual | None = None


def of_the_circulation(given: pd.DataFrame) -> npt.NDArray[np.int8]:
    """Return what ended follow-up where a column gives the chapter of the cause of death: others compete."""
    other = np.where(given["chapter"].astype(str) == "Circulatory", EVENT, COMPETING)
    return np.where(given["event"] == 0, CENSORED, other).astype(np.int8)


def _death(name: str, package: Package, dataset: str, unit: Literal["days", "months", "years"], years: float,
           fr: str, en: str, origin: str, never: tuple[str, ...] = (),
           named: Mapping[str, From] | None = None) -> RealCohort:  # fmt: skip
    """Return a cohort in which death of any cause is predicted."""
    return RealCohort(
        PublishedCohort(name, package, dataset, unit, years, named or {}, never),
        Bilingual(fr=fr, en=en),
        Bilingual(fr="Décès, toutes causes", en="Death of any cause"),
        origin,
    )


def _other(name: str, dataset: str, unit: Literal["days", "months", "years"], years: float,
           who: tuple[str, str], what: tuple[str, str], origin: str, never: tuple[str, ...] = (), *,
           deaths_told: bool = True) -> RealCohort:  # fmt: skip
    """Return a cohort of SurvSet in which something else is predicted."""
    return RealCohort(
        PublishedCohort(name, "SurvSet", dataset, unit, years, never=never),
        Bilingual(fr=who[0], en=who[1]),
        Bilingual(fr=what[0], en=what[1]),
        origin,
        deaths_told=deaths_told,
    )


CARDIOVASCULAR: Final = (
    RealCohort(
        PublishedCohort(
            "smart", "SurvSet", "smarto", "days", 5.0,
            named={
                "age": From(("age",)),
                "female": From(("sex",), codes={"1": 0.0, "2": 1.0}),
                "smoker": From(("smoking",), codes={"1": 0.0, "2": 0.0, "3": 1.0}),
                "systolic": From(("systbp", "systh")),  # by machine, otherwise by hand
                "diastolic": From(("diastbp", "diasth")),
                "total_cholesterol": From(("chol",)),
                "hdl": From(("hdl",)),
                "ldl": From(("ldl",)),
                "triglycerides": From(("trig",)),
                "diabetes": From(("diabetes",), codes=ONE),
                "creatinine": From(("creat",)),
                "bmi": From(("bmi",)),
            },
        ),
        Bilingual(
            fr="SMART (Utrecht, 1996–2006) : personnes ayant une maladie vasculaire connue",
            en="SMART (Utrecht, 1996–2006): people with known vascular disease",
        ),
        Bilingual(
            fr="Infarctus, accident vasculaire cérébral ou décès vasculaire",
            en="Heart attack, stroke or vascular death",
        ),
        "R hdnom (smarto); Steyerberg, Clinical Prediction Models",
        cardiovascular=True, diseased=True, deaths_told=False,
        caution=Bilingual(
            fr="La durée du suivi dépend de variables lues : le cholestérol baisse au fil des inclusions (corrélation "
            "de rangs avec la durée des personnes sans évènement : 0,38 ; LDL : 0,43). Les modèles pondérés par la "
            "censure, qui la supposent indépendante, en sont faussés (observé / prédit), et les mesures les flattent ; "
            "les modèles de risque instantané ne le sont pas.",
            en="How long people were followed depends on features: cholesterol falls from one year of inclusion to the "
            "next (rank correlation with the time of people without event: 0.38; LDL: 0.43). Models weighted for "
            "censoring, which suppose it independent, are biased by it (observed / expected), and measures flatter "
            "them; models of hazards are not.",
        ),
    ),
    RealCohort(
        PublishedCohort(
            "framingham-coronary", "SurvSet", "Framingham", "days", 10.0,
            named={
                "age": From(("age",)),
                "female": From(("sex",), codes={"1": 0.0, "2": 1.0}),
                "systolic": From(("sbp",)),
                "diastolic": From(("dbp",)),
                "total_cholesterol": From(("scl",), MG_DL_OF_CHOLESTEROL),
                "bmi": From(("bmi",)),
            },
        ),
        Bilingual(
            fr="Framingham (extrait de Levy) : adultes sans maladie coronaire",
            en="Framingham (Levy’s extract): adults without coronary disease",
        ),
        Bilingual(fr="Maladie coronaire", en="Coronary heart disease"),
        "hbiostat.org; Dupont, Statistical Modeling for Biomedical Researchers",
        cardiovascular=True, deaths_told=False,
    ),
    RealCohort(
        PublishedCohort(
            "olmsted", "scikit-survival", "flchain", "days", 10.0,
            named={
                "age": From(("age",)),
                "female": From(("sex",), codes={"F": 1.0, "M": 0.0}),
                "creatinine": From(("creatinine",), MG_DL_OF_CREATININE),
            },
            # Of the cause of death; kappa and lambda again; when they entered.
            never=("chapter", "flc.grp", "sample.yr"),
            causes=of_the_circulation,
        ),
        Bilingual(
            fr="Comté d’Olmsted : population générale de 50 ans et plus, chaînes légères libres",
            en="Olmsted County: general population aged 50 and over, free light chains",
        ),
        Bilingual(
            fr="Décès de l’appareil circulatoire ; les autres décès sont concurrents",
            en="Death of circulatory disease; other deaths compete",
        ),
        "R survival (flchain); Dispenzieri et al. 2012, doi:10.1016/j.mayocp.2012.03.009",
        cardiovascular=True,
    ),
    RealCohort(
        # The package says which sex is 1; its own two documents contradict each other: the column is left as it is.
        PublishedCohort("trace", "SurvSet", "TRACE", "years", 5.0, named={"age": From(("age",))}),
        Bilingual(fr="TRACE (Danemark) : après un infarctus", en="TRACE (Denmark): after a heart attack"),
        Bilingual(fr="Décès par infarctus", en="Death from the heart attack"),
        "R timereg (TRACE); Jensen et al. 1997",
        cardiovascular=True, diseased=True, deaths_told=False,
    ),
    _death(
        "worcester", "scikit-survival", "whas500", "days", 2.0,
        "Worcester : hospitalisés pour infarctus", "Worcester: in hospital for a heart attack",
        "Hosmer, Lemeshow and May, Applied Survival Analysis",
        never=("los",),  # the length of the stay: nobody knows it on admission
        named={
            "age": From(("age",)),
            "female": From(("gender",), codes=ONE),
            "systolic": From(("sysbp",)),
            "diastolic": From(("diasbp",)),
            "bmi": From(("bmi",)),
        },
    ),
    _death(
        "ljubljana", "SurvSet", "rdata", "days", 5.0,
        "Slovénie : après un infarctus", "Slovenia: after a heart attack", "R relsurv (rdata)",
        never=("agegr", "year"),  # age again; when they entered
        named={"age": From(("age",)), "female": From(("sex",), codes={"1": 0.0, "2": 1.0})},
    ),
    _death(
        "grace", "SurvSet", "grace", "days", 1 / 3,
        "GRACE : syndrome coronarien aigu", "GRACE: acute coronary syndrome",
        "Hosmer, Lemeshow and May, Applied Survival Analysis",
        never=("los", "revasc"),  # of the stay that begins
        named={"age": From(("age",)), "systolic": From(("sysbp",))},
    ),
    _death(
        "copenhagen-stroke", "SurvSet", "cost", "days", 5.0,
        "Copenhague : après un accident vasculaire cérébral", "Copenhagen: after a stroke", "R pec (cost)",
        named={
            "age": From(("age",)),
            "female": From(("sex",), codes={"female": 1.0, "male": 0.0}),
            "smoker": From(("smoke",), codes=YES),
            "diabetes": From(("diabetes",), codes=YES),
            "atrial_fibrillation": From(("atrialFib",), codes=YES),
            "total_cholesterol": From(("cholest",)),
        },
    ),
)  # fmt: skip

OTHER: Final = (
    _death("support", "SurvSet", "support2", "days", 1.0,
           "SUPPORT : hospitalisés gravement malades", "SUPPORT: seriously ill in hospital", "hbiostat.org (support2)",
           never=("sfdm2", "dnr")),  # disability at two months; an order that may come after the baseline
    _death("right-heart-catheter", "SurvSet", "rhc", "days", 0.5,
           "Réanimation : cathétérisme droit", "Intensive care: right heart catheter", "hbiostat.org (rhc)"),
    _other("follicular-lymphoma", "follic", "years", 5.0,
           ("Lymphome folliculaire, stades précoces", "Follicular lymphoma, early stages"),
           ("Rechute ou échec du traitement ; le décès sans rechute est concurrent",
            "Relapse or failure of treatment; death without relapse competes"), "R randomForestSRC (follic)"),
    _death("leukaemia", "SurvSet", "LeukSurv", "days", 1.0, "Leucémie aiguë myéloïde (Angleterre)",
           "Acute myeloid leukaemia (England)", "R spBayesSurv (LeukSurv)"),
    _death("dialysis", "SurvSet", "Dialysis", "months", 2.0, "Dialyse (Brésil)", "Dialysis (Brazil)",
           "R RcmdrPlugin.survival (Dialysis)", never=("begin",)),  # when they entered, and so how long they could stay
    _death("divat-transplant", "SurvSet", "dataDIVAT3", "days", 5.0, "Greffe rénale (DIVAT, France)",
           "Kidney transplant (DIVAT, France)", "R RISCA (dataDIVAT3)", never=("year_tx",)),
    _other("divat-graft-failure", "dataDIVAT1", "days", 5.0,
           ("Greffe rénale (DIVAT, France)", "Kidney transplant (DIVAT, France)"),
           ("Retour en dialyse ou décès", "Return to dialysis or death"), "R RISCA (dataDIVAT1)", never=("year_tx",)),
    _other("divat-donors", "dataDIVAT2", "years", 5.0,
           ("Greffe rénale, donneurs à critères élargis (DIVAT, France)",
            "Kidney transplant, extended-criteria donors (DIVAT, France)"),
           ("Retour en dialyse ou décès", "Return to dialysis or death"), "R RISCA (dataDIVAT2)"),
    _death("colon-cancer", "SurvSet", "colon", "days", 5.0, "Cancer du côlon, essai adjuvant",
           "Colon cancer, adjuvant trial", "R survival (colon)", never=("node4",)),  # nodes again
    _other("breast-cancer-rotterdam", "rott2", "months", 5.0,
           ("Cancer du sein (Rotterdam)", "Breast cancer (Rotterdam)"), ("Décès, toutes causes", "Death of any cause"),
           "R AF (rott2)", never=("year", "recent")),
    RealCohort(
        PublishedCohort("breast-cancer-german", "scikit-survival", "gbsg2", "days", 3.0),
        Bilingual(fr="Cancer du sein (GBSG-2, Allemagne)", en="Breast cancer (GBSG-2, Germany)"),
        Bilingual(fr="Récidive ou décès", en="Recurrence or death"),
        "R TH.data (GBSG2); Schumacher et al. 1994",
    ),
    _other("prostate-cancer-deaths", "prostateSurvival", "months", 5.0,
           ("Cancer de la prostate sans traitement curatif (États-Unis)", "Prostate cancer, untreated (United States)"),
           ("Décès par cancer de la prostate", "Death from prostate cancer"), "R asaur (prostateSurvival)",
           deaths_told=False),
    _death("prostate-trial", "SurvSet", "prostate", "months", 3.0, "Cancer de la prostate, essai d’œstrogènes",
           "Prostate cancer, estrogen trial", "hbiostat.org (prostate)", never=("sdate",)),
    _death("lung-cancer", "SurvSet", "cancer", "days", 1.0, "Cancer du poumon avancé (NCCTG)",
           "Advanced lung cancer (NCCTG)", "R survival (lung)"),
    _death("veterans-lung-cancer", "scikit-survival", "veterans_lung_cancer", "days", 0.5,
           "Cancer du poumon (Veterans’ Administration)", "Lung cancer (Veterans’ Administration)",
           "Kalbfleisch and Prentice, The Statistical Analysis of Failure Time Data"),
    _death("lung-genes", "SurvSet", "phpl04K8a", "years", 5.0, "Adénocarcinome du poumon, 19 gènes",
           "Lung adenocarcinoma, 19 genes", "OpenML 1245"),
    _death("ovarian-cancer", "SurvSet", "ova", "days", 2.0, "Cancer de l’ovaire avancé", "Advanced ovarian cancer",
           "R CoxRidge (ova)"),
    _death("ovarian-genes", "SurvSet", "dataOvarian1", "days", 3.0, "Cancer de l’ovaire, 157 gènes",
           "Ovarian cancer, 157 genes", "R joint.Cox (dataOvarian1)"),
    _other("wilms-tumour", "nwtco", "days", 3.0, ("Tumeur de Wilms, enfants", "Wilms’ tumour, children"),
           ("Rechute", "Relapse"), "R survival (nwtco)", deaths_told=False),
    _other("melanoma-trial", "e1684", "years", 2.0, ("Mélanome, essai E1684", "Melanoma, trial E1684"),
           ("Récidive ou décès", "Recurrence or death"), "R smcure (e1684)"),
    _death("mgus", "SurvSet", "mgus", "days", 15.0, "Gammapathie monoclonale (Mayo Clinic)",
           "Monoclonal gammopathy (Mayo Clinic)", "R survival (mgus)",
           never=("pctime", "pcdx", "dxyr")),  # of the cancer that may follow; when they entered
    _death("oropharynx", "SurvSet", "d.oropha.rec", "years", 2.0, "Cancer de l’oropharynx", "Cancer of the oropharynx",
           "R invGauss (d.oropha.rec)"),
    _death("aids-australia", "SurvSet", "Aids2", "days", 1.0, "Sida (Australie, avant 1991)",
           "AIDS (Australia, before 1991)", "R MASS (Aids2)"),
    _other("drug-treatment", "uis", "days", 0.5, ("Cure de désintoxication", "Residential drug treatment"),
           ("Retour à la consommation", "Return to drug use"),
           "Hosmer, Lemeshow and May, Applied Survival Analysis"),
    _other("retinopathy", "retinopathy", "months", 3.0,
           ("Rétinopathie diabétique, deux yeux par personne", "Diabetic retinopathy, two eyes a person"),
           ("Perte de la vue", "Loss of sight"), "R survival (retinopathy)", deaths_told=False),
)  # fmt: skip

COHORTS: Final = (*CARDIOVASCULAR, *OTHER)

REASONS: Final[Mapping[str, Bilingual]] = {
    "varying": Bilingual(
        fr="Variables qui changent au cours du suivi : pas de situation de départ dont apprendre.",
        en="Columns that change during follow-up: no baseline to learn from.",
    ),
    "few": Bilingual(
        fr=f"Moins de {LEAST_EVENTS} évènements à l’horizon : un jugement n’y dirait presque rien.",
        en=f"Fewer than {LEAST_EVENTS} events by the horizon: a judgement would say next to nothing.",
    ),
    "wide": Bilingual(fr="Plus de variables que de personnes.", en="More columns than people."),
    "same": Bilingual(fr="Les mêmes personnes qu’une autre cohorte.", en="The same people as another cohort."),
    "nothing": Bilingual(
        fr="Pas de suivi : le temps est une durée passée.", en="No follow-up: time is a past duration."
    ),
    "other": Bilingual(fr="Pas des patients.", en="Not patients."),
}
"""Why a cohort of SurvSet is not judged."""

LEFT_OUT: Final[Mapping[str, tuple[str, ...]]] = {
    "varying": ("FRTCS", "Rossi", "aids", "csl", "epileptic", "heart", "heartvalve", "oldmort"),
    "few": (
        "Bergamaschi", "Melanoma", "Pbc3", "actg", "breast", "burn", "cgd", "glioma", "hepatoCellular",
        "micro.censure", "nki70", "ovarian", "pbc", "pharmacoSmoking", "stagec", "vlbw", "wpbc", "zinc",
    ),
    "wide": ("AML_Bull", "DBCD", "DLBCL", "MCLcleaned", "NSBCD", "chop", "gse1992", "gse3143", "gse4335", "vdv"),
    "same": ("GBSG2", "diabetes", "flchain", "veteran", "whas500"),
    "nothing": ("Z243", "acath"),
    "other": ("UnempDur", "Unemployment", "divorce", "hdfail", "scania"),
}  # fmt: skip
"""Cohorts of SurvSet that are not judged, by reason."""

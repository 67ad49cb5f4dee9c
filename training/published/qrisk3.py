"""QRISK3-2017: ten-year risk of coronary disease, ischaemic stroke and transient ischaemic attack, 25 to 84 years.

Hippisley-Cox J, Coupland C, Brindle P. Development and validation of QRISK3 risk prediction algorithms to
estimate future risk of cardiovascular disease. BMJ 2017;357:j2099. doi:10.1136/bmj.j2099. Coefficients of the
authors' program, copyright 2017 ClinRisk Ltd. (https://qrisk.org), GNU Lesser General Public License 3 or later,
whose additional terms ask that ``NOTICE`` go with every score shown. QRISK is a registered trademark.

It was made for general practice in the United Kingdom and is not recalibrated for France. Its authors leave out
people with cardiovascular disease or on a statin. The program takes complete inputs; the tables by which the
authors' website replaces missing values are not public, and nothing is replaced here. Codes are the program's:

- smoking 0 never, 1 former, 2 light (under 10 a day), 3 moderate (10 to 19), 4 heavy (20 or more): the R package
  counts from 1;
- ethnicity 1 white or not stated (0 means the same), 2 Indian, 3 Pakistani, 4 Bangladeshi, 5 other Asian, 6 Black
  Caribbean, 7 Black African, 8 Chinese, 9 other;
- Townsend score of the 2011 census, centred within the formula: 0 is the average area;
- erectile dysfunction, read for men only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from training.published.equation import (
    BODY_MASS_INDEX,
    SEX,
    SYSTOLIC,
    Bools,
    Choice,
    Equation,
    Flag,
    Floats,
    Inputs,
    Number,
    Rule,
    Source,
    each,
    of,
)

NOTICE: Final[dict[Literal["fr", "en"], str]] = {
    "fr": (
        "QRISK3-2017, © 2017 ClinRisk Ltd., https://qrisk.org ; calé sur le Royaume-Uni, non recalé pour la France. "
        "ClinRisk Ltd. a publié son programme sous la licence publique générale limitée GNU pour que d’autres "
        "puissent mettre en œuvre l’algorithme fidèlement. La nature de cette licence ne permet cependant pas "
        "d’empêcher, par exemple, une altération accidentelle des coefficients, une erreur dans les données ou "
        "une mauvaise programmation. ClinRisk Ltd. souligne donc qu’il revient à l’utilisateur final de vérifier "
        "que le programme qu’il reçoit donne les mêmes résultats que l’original, publié sur https://qrisk.org. "
        "Une mise en œuvre inexacte d’un score de risque peut conduire à donner à un patient un mauvais traitement."
    ),
    "en": (
        "QRISK3-2017, © 2017 ClinRisk Ltd., https://qrisk.org; calibrated to the United Kingdom, not recalibrated "
        "for France. ClinRisk Ltd. have released this code under the GNU Lesser General Public License to enable "
        "others to implement the algorithm faithfully. However, the nature of the GNU Lesser General Public License "
        "is such that we cannot prevent, for example, someone accidentally altering the coefficients, getting the "
        "inputs wrong, or just poor programming. ClinRisk Ltd. stress, therefore, that it is the responsibility of "
        "the end user to check that the source that they receive produces the same results as the original code "
        "found at https://qrisk.org. Inaccurate implementations of risk scores can lead to wrong patients being "
        "given the wrong treatment."
    ),
}
"""The authors' disclaimer, to be shown with every score or through a prominent link beside it."""

Terms = tuple[float, float, float]


@dataclass(frozen=True)
class Coefficients:
    """The numbers of one sex, with the program's full precision.

    Parameters
    ----------
    survival
        Ten-year survival at a linear predictor of nought.
    powers
        Those that tenths of age are raised to, for ``age_1`` then ``age_2``.
    centre
        What is subtracted from each transformed input, also within products.
    age
        Coefficients of ``age_1`` and ``age_2``.
    terms
        By input, its coefficient alone, times ``age_1`` and times ``age_2``.
    smoking
        The same by smoking code.
    ethnicity
        Coefficient by ethnicity code.
    """

    survival: float
    powers: tuple[int, int]
    centre: Mapping[str, float]
    age: tuple[float, float]
    terms: Mapping[str, Terms]
    smoking: tuple[Terms, ...]
    ethnicity: tuple[float, ...]

    def risk(self, x: Inputs) -> Floats:
        """Return ``1 - survival ** exp(LP)``, shape ``(n,)``, of clean inputs."""
        decades, bmi = x["age"] / 10, x["bmi"] / 10
        transformed = dict(x) | {"bmi_1": bmi**-2, "bmi_2": bmi**-2 * np.log(bmi)}
        first, second = (
            decades**power - self.centre[name] for name, power in zip(("age_1", "age_2"), self.powers, strict=True)
        )
        alone, with_first, with_second = np.array(self.smoking)[x["smoke"]].T
        predictor = np.array(self.ethnicity)[x["ethnicity"]] + alone
        predictor += (self.age[0] + with_first) * first + (self.age[1] + with_second) * second
        for name, (alone, with_first, with_second) in self.terms.items():
            value = transformed[name] - self.centre.get(name, 0.0)
            predictor += value * (alone + with_first * first + with_second * second)
        risk: Floats = -np.expm1(np.log(self.survival) * np.exp(predictor))
        return risk


FEMALE: Final = Coefficients(
    survival=0.988876402378082,
    powers=(-2, 1),
    centre={
        "age_1": 0.053274843841791,
        "age_2": 4.332503318786621,
        "bmi_1": 0.154946178197861,
        "bmi_2": 0.144462317228317,
        "chol_ratio": 3.47632646560669,
        "sbp": 123.13001251220703,
        "sbp_sd": 9.002537727355957,
        "townsend": 0.392308831214905,
    },
    age=(-8.138810924772619, 0.797333766896991),
    terms={
        "bmi_1": (0.2923609227546005, 23.80262341214174, 0.5236995893366443),
        "bmi_2": (-4.1513300213837665, -71.18494769208701, 0.04574419012232376),
        "chol_ratio": (0.15338035820802554, 0, 0),
        "sbp": (0.013131488407103424, 0.034131842338615485, -0.0015082501423272358),
        "sbp_sd": (0.00788945410145861, 0, 0),
        "townsend": (0.07722379058859011, -1.0301180802035639, -0.03159341467496233),
        "af": (1.5923354969269663, 19.93803488954656, -0.0761826510111625),
        "antipsy": (0.25237642070115557, 0, 0),
        "steroid": (0.5952072530460185, -0.9840804523593628, -0.12005364946742472),
        "migraine": (0.301267260870345, 1.7634979587872999, -0.06558691789869986),
        "ra": (0.21364803435181942, 0, 0),
        "ckd": (0.6519456949384583, -3.5874047731694114, -0.22688873086442507),
        "smi": (0.12555308058820178, 0, 0),
        "sle": (0.7588093865426769, 19.690303738638292, 0.07734794967901627),
        "treated_hyp": (0.50931593683423, 11.872809733921812, 0.0009685782358817444),
        "diab1": (1.7267977510537347, -1.2444332714320747, -0.2872406462448895),
        "diab2": (1.0688773244615468, 6.86523420000096, -0.09711225259069549),
        "fh_cvd": (0.45445319020896213, 0.9946780794043513, -0.07688505169842304),
    },
    smoking=(
        (0, 0, 0),
        (0.13386833786546262, -4.705716178585189, -0.07558924464319303),
        (0.5620085801243854, -2.7430383403573337, -0.11951192874867074),
        (0.6674959337750255, -0.8660808882939218, -0.10366306397571923),
        (0.8494817764483085, 0.9024156236971065, -0.1399185359171839),
    ),
    ethnicity=(
        0,
        0,
        0.28040314332995425,
        0.562989941420754,
        0.29590000851116516,
        0.07278537987798255,
        -0.17072135508857317,
        -0.3937104331487497,
        -0.3263249528353027,
        -0.17127056883241784,
    ),
)

MALE: Final = Coefficients(
    survival=0.977268040180206,
    powers=(-1, 3),
    centre={
        "age_1": 0.234766781330109,
        "age_2": 77.2840805053711,
        "bmi_1": 0.149176135659218,
        "bmi_2": 0.141913309693336,
        "chol_ratio": 4.300998687744141,
        "sbp": 128.5715789794922,
        "sbp_sd": 8.756621360778809,
        "townsend": 0.52630490064621,
    },
    age=(-17.839781666005575, 0.002296488060576549),
    terms={
        "bmi_1": (2.456277666053636, 31.004952956033886, 0.005038010235632203),
        "bmi_2": (-8.301112231471135, -111.29157184391643, -0.013074483002524319),
        "chol_ratio": (0.1734019685632711, 0, 0),
        "sbp": (0.012910126542553305, 0.018858524469865853, -1.271874191588457e-05),
        "sbp_sd": (0.010251914291290456, 0, 0),
        "townsend": (0.033268201277287295, -0.1007554870063731, -9.329964232327289e-05),
        "af": (0.8820923692805466, 3.4896675530623207, -0.0003499560834063605),
        "antipsy": (0.13046879855173513, 0, 0),
        "steroid": (0.45485399750445543, 1.1708133653489108, -0.0002496045095297166),
        "ed": (0.22251859086705383, -1.506400985745431, -0.0011058218441227373),
        "migraine": (0.25584178074159913, 2.349115987140244, 0.0001989644604147863),
        "ra": (0.20970658013956567, 0, 0),
        "ckd": (0.7185326128827438, -0.5065671632722369, -0.0018325930166498813),
        "smi": (0.12133039882047164, 0, 0),
        "sle": (0.4401572174457522, 0, 0),
        "treated_hyp": (0.5165987108269547, 6.511458109853267, 0.0006383805310416501),
        "diab1": (1.2343425521675175, 5.337986487800653, 0.0006409780808752897),
        "diab2": (0.8594207143093222, 3.646181740622131, -0.00024695695588868315),
        "fh_cvd": (0.5405546900939016, 2.7808628508531887, -0.0002479180990739604),
    },
    smoking=(
        (0, 0, 0),
        (0.19128222863388983, -0.21011133933516346, -0.0004985487027532612),
        (0.5524158819264555, 0.7526867644750319, -0.0007987563331738541),
        (0.6383505302750607, 0.9931588755640579, -0.000837061842662513),
        (0.7898381988185802, 2.1331163414389076, -0.0007840031915563729),
    ),
    ethnicity=(
        0,
        0,
        0.2771924876030828,
        0.4744636071493127,
        0.5296172991968937,
        0.03510015918629902,
        -0.3580789966932792,
        -0.4005648523216514,
        -0.41522792889830173,
        -0.26321348134749967,
    ),
)


def formula(inputs: Inputs) -> Floats:
    """Return the ten-year probability, shape ``(n,)``, of clean inputs."""
    return each(inputs, SEX, lambda sex, x: (FEMALE if sex == "female" else MALE).risk(x))


def _both(first: Floats, second: Floats) -> Bools:
    both: Bools = (first == 1) & (second == 1)
    return both


def _ratio(hdl: Floats, total: Floats) -> Floats:
    with np.errstate(all="ignore"):  # a ratio to nothing is refused
        ratio: Floats = total / hdl
    return ratio


QRISK3: Final = Equation(
    "qrisk3",
    columns=(
        Number(
            "age",
            "years",
            25,
            85,
            of("age"),
            below="QRISK3 starts at 25, leave them out",
            above="QRISK3 stops before 85, leave them out",
            authors=True,
        ),
        SEX,
        Flag("statin", of("statin"), excluded="QRISK3 is for people without a statin, leave them out", at_door=False),
        Choice("ethnicity", tuple(range(10)), meaning=": 1 is white or not stated"),
        Choice(
            "smoke",
            tuple(range(5)),
            of("smoking_intensity"),
            meaning=", from 0 for never to 4 for 20 a day; the R package counts from 1",
        ),
        Flag("diab1", of("type_1_diabetes")),
        Flag("diab2", of("type_2_diabetes")),
        Flag("af", of("atrial_fibrillation")),
        Flag("ckd", of("kidney_disease")),
        Flag("migraine", of("migraine")),
        Flag("ra", of("rheumatoid_arthritis")),
        Flag("sle", of("lupus")),
        Flag("smi", of("mental_illness")),
        Flag("antipsy", of("antipsychotic")),
        Flag("steroid", of("corticosteroid")),
        Flag("ed", of("erectile_dysfunction")),
        Flag("treated_hyp", of("hypertension_treated")),
        Flag("fh_cvd", of("family_history")),
        Number("chol_ratio", "times", 1, 11, Source(("hdl", "total_cholesterol"), compute=_ratio), closed=True),
        SYSTOLIC,
        Number("sbp_sd", "mmHg", 0, 100, of("systolic_sd")),
        BODY_MASS_INDEX,
        Number("townsend", "points", -10, 15),
    ),
    formula=formula,
    rules=(Rule("diab1", "diab2", _both, "1 with diab2", "keep one of the two types of diabetes"),),
    notice=NOTICE,
)

"""Published risk equations, their coefficients typed from the papers: one module an equation, one door.

Adding a score is one module that ends with an :class:`~training.published.equation.Equation`, or one for each
of its versions, and its line in ``EQUATIONS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.published.equation import Equation, columns_of
from training.published.framingham import FRAMINGHAM_CVD_2008
from training.published.pooled_cohort import POOLED_COHORT
from training.published.prevent import PREVENT
from training.published.qrisk3 import QRISK3
from training.published.score2 import SCORE2
from training.published.score2_diabetes import SCORE2_DIABETES
from training.published.score2_op import SCORE2_OP

__all__ = ["EQUATIONS", "risk"]

EQUATIONS: Final[Mapping[str, Mapping[str, Equation]]] = {
    "score2": SCORE2,
    "score2_op": SCORE2_OP,
    "score2_diabetes": SCORE2_DIABETES,
    "qrisk3": {"": QRISK3},
    "prevent": PREVENT,
    "pce": POOLED_COHORT,
    "framingham_cvd_2008": {"": FRAMINGHAM_CVD_2008},
}
"""By score, its versions, the recommended one first; one without a name where there is only one."""


def risk(score: str, inputs: pd.DataFrame, variant: str | None = None) -> npt.NDArray[np.float64]:
    """Return the probability of a cardiovascular event by a published equation.

    Parameters
    ----------
    score
        ``"score2"`` (40 to 69 years, without diabetes), ``"score2_op"`` (70 to 89), ``"score2_diabetes"`` (40 to
        69, type 2 diabetes), ``"qrisk3"`` (25 to 84), ``"prevent"`` (30 to 79; 59 for thirty years), ``"pce"``
        (40 to 79) or ``"framingham_cvd_2008"`` (30 to 74). Ages are half-open: SCORE2 takes 69.9 and not 70.
    inputs
        One row a person, with exactly these columns, in any order:

        - all: ``sex`` (``"female"``, ``"male"``), ``age`` (years, fractions kept), ``sbp`` (systolic pressure,
          mmHg); all but QRISK3: ``smoker`` (1 if current, else 0);
        - SCORE2, SCORE2-OP and SCORE2-Diabetes: ``tchol``, ``hdl`` (mmol/L), ``diabetes`` (0/1; SCORE2 accepts 0
          only), ``region`` (``"low"``, ``"moderate"``, ``"high"``, ``"very_high"``; France is ``"low"``);
        - SCORE2-Diabetes: ``age_diab`` (age at diagnosis, years; not looked at where ``diabetes`` is 0), ``hba1c``
          (mmol/mol), ``egfr`` (mL/min/1.73 m², CKD-EPI 2009);
        - Framingham, PREVENT and Pooled Cohort: ``tchol_mgdl``, ``hdl_mgdl`` (mg/dL), ``bp_tx`` (treated for
          hypertension, 0/1), ``dm`` (diabetes, 0/1);
        - PREVENT: ``statin`` (0/1), ``egfr`` (CKD-EPI 2021), ``bmi`` (kg/m²);
        - Pooled Cohort: ``race`` (``"white"``, ``"black"``; others take ``"white"``);
        - QRISK3: ``ethnicity`` (0 to 9, 1 where not stated), ``smoke`` (0 to 4), ``chol_ratio`` (total over HDL),
          ``sbp_sd`` (standard deviation of repeated systolic pressures, mmHg), ``bmi``, ``townsend``, and, 0/1,
          ``diab1``, ``diab2``, ``af``, ``ckd``, ``migraine``, ``ra``, ``sle``, ``smi``, ``antipsy``, ``steroid``,
          ``ed`` (read for men only), ``treated_hyp``, ``fh_cvd``; see :mod:`training.published.qrisk3`.

        None is optional and nothing is imputed: the authors define no replacement for a missing value.
    variant
        Version: ``"published"`` (as printed) or ``"author"`` (the authors' own program) for the three SCORE2;
        ``"guideline_table_a"`` or ``"acc_calculator_4dp"`` for Pooled Cohort; for PREVENT the outcome and the
        years, ``"total_cvd"``, ``"ascvd"`` or ``"heart_failure"`` followed by ``"_10y"`` or ``"_30y"``. The
        default, None, is the recommended one: ``"published"`` for SCORE2 and SCORE2-Diabetes, ``"author"`` for
        SCORE2-OP, ``"guideline_table_a"``, ``"total_cvd_10y"``. QRISK3 and Framingham have one version only and
        take None.

    Returns
    -------
    ndarray of shape (n,)
        Probabilities from 0 to 1, in the order of the rows.

    Raises
    ------
    ValueError
        If the score is unknown; otherwise naming all that is wrong at once, with the rows and what to do:
        unknown variant; columns missing, unknown or given twice; values missing, not numbers, not among the
        accepted words or flags; people outside the authors' ranges or excluded by them; numbers outside the
        plausible range (systolic 60 to 280 mmHg, total cholesterol 1 to 20 mmol/L, HDL 0.2 to 5 mmol/L and below
        total cholesterol, …). The message holds row labels and never a value.

    Notes
    -----
    In three cases a number is given that no comparator gives, so that formulas can be checked against other
    programs: PREVENT with a systolic pressure from 180 to 200 mmHg, SCORE2-Diabetes without diabetes, and
    SCORE2-Diabetes with a filtration rate under 45.

    References
    ----------
    In the module of each equation.

    Examples
    --------
    >>> person = {"sex": "male", "age": 50, "smoker": 1, "sbp": 140, "tchol": 5.5, "hdl": 1.3, "diabetes": 0}
    >>> risk("score2", pd.DataFrame([person | {"region": "low"}])).round(3)
    array([0.059])
    """
    versions = EQUATIONS.get(score)
    if versions is None:
        raise ValueError(f"unknown score {score!r}: use one of {', '.join(EQUATIONS)}")
    recommended = next(iter(versions))
    equation = versions.get(recommended if variant is None else variant, versions[recommended])
    wrong = []
    if variant is not None and (variant not in versions or not variant):
        remedy = f"use one of {', '.join(versions)}" if recommended else "there is only one, leave it out"
        wrong.append(f"unknown variant {variant!r}: {remedy}")
    given = list(inputs.columns)
    wrong += equation.check_columns(given)
    clean, faults = equation.read(columns_of(inputs, [name for name in equation.door if given.count(name) == 1]))
    wrong += [fault.describe(inputs.index) for fault in faults if fault.at_door]
    if wrong:
        raise ValueError(f"{score} cannot be computed:\n" + "\n".join(f"- {line}" for line in wrong))
    return equation.formula(clean)

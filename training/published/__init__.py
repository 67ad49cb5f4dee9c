"""Published risk equations, their coefficients typed from the papers: one module an equation, one door.

Adding a score is one module that ends with an :class:`~training.published.equation.Equation`, and its line in
``EQUATIONS``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.published.framingham import FRAMINGHAM_CVD_2008
from training.published.score2 import SCORE2
from training.published.score2_op import SCORE2_OP

__all__ = ["EQUATIONS", "risk"]

EQUATIONS: Final = {
    equation.name: equation
    for equation in (
        SCORE2,
        SCORE2_OP,
        FRAMINGHAM_CVD_2008,
    )
}


def risk(score: str, inputs: pd.DataFrame, variant: str | None = None) -> npt.NDArray[np.float64]:
    """Return the ten-year probability of a cardiovascular event by a published equation.

    Parameters
    ----------
    score
        ``"score2"`` (40 to 69 years, without diabetes), ``"score2_op"`` (70 to 89) or
        ``"framingham_cvd_2008"`` (30 to 74). Ages are half-open: SCORE2 takes 69.9 and not 70.
    inputs
        One row a person, with exactly these columns, in any order:

        - all: ``sex`` (``"female"``, ``"male"``), ``age`` (years, fractions kept), ``smoker`` (1 if current,
          else 0), ``sbp`` (systolic pressure, mmHg);
        - SCORE2 and SCORE2-OP: ``tchol``, ``hdl`` (mmol/L), ``diabetes`` (0/1; SCORE2 accepts 0 only),
          ``region`` (``"low"``, ``"moderate"``, ``"high"``, ``"very_high"``; France is ``"low"``);
        - Framingham: ``tchol_mgdl``, ``hdl_mgdl`` (mg/dL), ``bp_tx`` (treated for hypertension, 0/1), ``dm``
          (diabetes, 0/1).

        None is optional and nothing is imputed: the authors define no replacement for a missing value.
    variant
        Version of the coefficients, ``"published"`` (as printed) or ``"author"`` (the authors' own program).
        The default, None, is the recommended one: ``"published"`` for SCORE2, ``"author"`` for SCORE2-OP.
        Framingham has one version only and takes None.

    Returns
    -------
    ndarray of shape (n,)
        Probabilities from 0 to 1, in the order of the rows.

    Raises
    ------
    ValueError
        If the score is unknown; otherwise naming all that is wrong at once, with the rows and what to do:
        unknown variant; columns missing, unknown or given twice; values missing, not numbers, not among the
        accepted words or flags; people outside the authors' age range or excluded by them; numbers outside
        the plausible range (systolic 60 to 280 mmHg, total cholesterol 1 to 20 mmol/L, HDL 0.2 to 5 mmol/L
        and below total cholesterol). The message holds row labels and never a value.

    References
    ----------
    SCORE2: doi:10.1093/eurheartj/ehab309. SCORE2-OP: doi:10.1093/eurheartj/ehab312. Framingham 2008:
    doi:10.1161/CIRCULATIONAHA.107.699579.

    Examples
    --------
    >>> person = {"sex": "male", "age": 50, "smoker": 1, "sbp": 140, "tchol": 5.5, "hdl": 1.3, "diabetes": 0}
    >>> risk("score2", pd.DataFrame([person | {"region": "low"}])).round(3)
    array([0.059])
    """
    equation = EQUATIONS.get(score)
    if equation is None:
        raise ValueError(f"unknown score {score!r}: use one of {', '.join(EQUATIONS)}")
    clean, faults = equation.read(inputs)
    wrong = [
        *equation.check_variant(variant),
        *equation.check_columns(inputs.columns),
        *(fault.describe(inputs.index) for fault in faults),
    ]
    if wrong:
        raise ValueError(f"{score} cannot be computed:\n" + "\n".join(f"- {line}" for line in wrong))
    return equation.compute(clean, variant)

"""Glomerular filtration rate estimated from creatinine, as the published equations need it.

CKD-EPI 2021: Inker LA, Eneanya ND, Coresh J, et al. New creatinine- and cystatin C-based equations to estimate
GFR without race. New England Journal of Medicine 2021;385:1737-1749. doi:10.1056/NEJMoa2102953.

CKD-EPI 2009: Levey AS, Stevens LA, Schmid CH, et al. A new equation to estimate glomerular filtration rate.
Annals of Internal Medicine 2009;150:604-612. doi:10.7326/0003-4819-150-9-200905050-00006. Its coefficient for
Black people is left out, as in European practice.

For Europeans the second is lower by a median of 3.9 mL/min/1.73 m² (doi:10.1093/ndt/gfac197), so each equation
is given the one its authors used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.published.equation import Floats

MICROMOLES_PER_MG_DL: Final = 88.42
"""Micromoles of creatinine a litre in one milligram a decilitre."""


@dataclass(frozen=True)
class CkdEpi:
    """One version of the CKD-EPI creatinine equation: ``level * low ** below * high ** above * yearly ** age``.

    ``low`` and ``high`` are creatinine over 0.7 (women) or 0.9 mg/dL (men), at most 1 and at least 1.

    Parameters
    ----------
    level, women
        The constant, and what it is multiplied by for women.
    below
        Exponent of low creatinine, for women then men.
    above
        Exponent of high creatinine.
    yearly
        What a year of age multiplies it by.
    """

    level: float
    women: float
    below: tuple[float, float]
    above: float
    yearly: float

    def rate(self, creatinine: Floats, age: Floats, female: Floats) -> Floats:
        """Return the rate in mL/min/1.73 m², shape ``(n,)``; infinite for a creatinine of nought or less.

        Parameters
        ----------
        creatinine
            In µmol/L, by a method traceable to isotope dilution.
        age
            Years.
        female
            1 for women, 0 for men.
        """
        woman = female == 1
        relative = creatinine / MICROMOLES_PER_MG_DL / np.where(woman, 0.7, 0.9)
        relative = np.where(relative <= 0, 0.0, relative)
        with np.errstate(all="ignore"):  # what cannot be gives nought, infinity or none, all of them refused
            low, high = np.minimum(relative, 1.0), np.maximum(relative, 1.0)
            rate = self.level * low ** np.where(woman, *self.below) * high**self.above * self.yearly**age
        return np.where(woman, self.women, 1.0) * rate


CKD_EPI_2009: Final = CkdEpi(level=141, women=1.018, below=(-0.329, -0.411), above=-1.209, yearly=0.993)
CKD_EPI_2021: Final = CkdEpi(level=142, women=1.012, below=(-0.241, -0.302), above=-1.200, yearly=0.9938)

"""Published equations as risk models with nothing to fit, to compare others with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import FollowUp
from training.models import Floats, RiskModel
from training.published.equation import Array, Equation, Fault, columns_of, read_numbers
from training.published.framingham import FRAMINGHAM_CVD_2008
from training.published.pooled_cohort import POOLED_COHORT
from training.published.prevent import PREVENT, Outcome
from training.published.qrisk3 import QRISK3
from training.published.score2 import SCORE2
from training.published.score2_diabetes import SCORE2_DIABETES
from training.published.score2_op import SCORE2_OP
from training.values import Bilingual

Region = Literal["low", "moderate", "high", "very_high"]

HORIZON: Final = 10.0
"""Years for which these equations are published; PREVENT is for 30 as well."""


class PublishedModel(RiskModel):
    """One or more published equations, each for its ages, as one model.

    It reads features by name and ignores others; those of each score are in the docstring of the function that makes
    it. Conditions are 0 or 1 and cholesterol is in mmol/L. A person whose inputs are missing or implausible, or
    whom the authors leave out, gets no number: nothing is imputed, in training as in use. Previous cardiovascular
    disease, which all these equations leave out, is the cohort's affair.

    Parameters
    ----------
    name, title
        As in `RiskModel`.
    equations
        In the order of their ages, for one horizon. A person is given the last that starts at or before their age.
    constants
        By column of the equations, what is the same for everybody, such as the region.

    Attributes
    ----------
    features
        Names of the features it reads.
    horizon
        Years it is published for.
    notice
        What the authors ask to be shown with every result, in French and English, or None.

    Raises
    ------
    ValueError
        If a constant is not one that the equations accept.
    """

    states: ClassVar[tuple[str, ...]] = ("event_free", "event")

    def __init__(
        self,
        name: str,
        title: Bilingual,
        equations: Sequence[Equation],
        constants: Mapping[str, str | float] | None = None,
    ) -> None:
        self.name = name
        self.title = title
        self.equations = tuple(equations)
        self.constants = dict(constants or {})
        self.horizon = self.equations[0].horizon
        self.notice = self.equations[0].notice
        self._told = self._read_constants()
        sources = (
            column.source
            for equation in self.equations
            for column in equation.columns
            if column.name not in self.constants and column.source is not None
        )
        self.features = tuple(dict.fromkeys(feature for source in sources for feature in source.features))

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Return self: the coefficients are published and nothing is learnt."""
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        """Return the probability of each state at the horizon, shape ``(n, 2, 1)``, or NaN where refused.

        Raises
        ------
        ValueError
            If ``times`` is not the model's own horizon alone, or a feature is not in ``X`` or holds other things than
            numbers.
        """
        if list(times) != [self.horizon]:
            raise ValueError(
                f"{self.title.en} is published for {self.horizon:g} years only: ask for times=[{self.horizon}]"
            )
        states = np.empty((len(X), 2, 1))
        states[:, 1, 0], _ = self.answer(X)
        states[:, 0, 0] = 1.0 - states[:, 1, 0]
        return states

    def refusals(self, X: pd.DataFrame) -> pd.Series[str]:
        """Return why each person gets no number, indexed as ``X``: one reason, or ``""`` for who gets one.

        The reasons are ``"missing …"`` or ``"implausible …"`` followed by the feature, ``"… outside 40-89"`` (with the
        authors' range in the feature's unit, for ages the model's completed years), ``"diabetes"`` (a feature alone:
        the authors leave those people out) and ``"without …"`` (they leave out those who have not got it). A person
        with several has the first, in the order of the equation's columns: age, sex, whom the authors leave out, then
        the others.

        Raises
        ------
        ValueError
            If a feature is not in ``X`` or holds other things than numbers.
        """
        _, reasons = self.answer(X)
        return pd.Series(reasons, index=X.index, name="refusal", dtype=str)

    def answer(self, X: pd.DataFrame) -> tuple[Floats, npt.NDArray[np.object_]]:
        """Return the probability of the event at the horizon (NaN where refused) and the reason (empty where not).

        Both are of shape ``(n,)``; the reasons, and what is raised, are those of `refusals`.
        """
        features = self._features(X)
        starts = [equation.ages[0] for equation in self.equations]
        chosen = np.maximum(np.searchsorted(starts, features["age"], side="right") - 1, 0)
        risk = np.full(len(X), np.nan)
        reasons = np.full(len(X), "", dtype=object)
        for position, equation in enumerate(self.equations):
            rows = np.flatnonzero(chosen == position)
            if rows.size == len(X):
                return self._answer_by(equation, features)
            if rows.size:
                theirs = {name: values[rows] for name, values in features.items()}
                risk[rows], reasons[rows] = self._answer_by(equation, theirs)
        return risk, reasons

    def _answer_by(self, equation: Equation, features: Mapping[str, Floats]) -> tuple[Floats, npt.NDArray[np.object_]]:
        clean, faults = equation.read(self._inputs(equation, features))
        count = len(features["age"])
        clean |= {name: np.full(count, value) for name, value in self._told.items()}
        reasons = np.full(count, "", dtype=object)
        if not faults:
            return equation.formula(clean), reasons
        for fault in reversed(faults):  # the first fault is written last
            for rows, reason in self._reasons(equation, fault, features):
                reasons[rows] = reason
        answered = reasons == ""
        risk = np.full(count, np.nan)
        risk[answered] = equation.formula({name: values[answered] for name, values in clean.items()})
        return risk, reasons

    def _features(self, X: pd.DataFrame) -> dict[str, Floats]:
        """Return the features that the equations read, as numbers."""
        given = Counter(X.columns.tolist())
        wrong = [f"{name}: not there: add it to the feature set" for name in self.features if name not in given]
        wrong += [f"{name}: given more than once: keep one" for name in self.features if given[name] > 1]
        numbers = {}
        for name, values in columns_of(X, [name for name in self.features if given[name] == 1]).items():
            numbers[name], unreadable = read_numbers(values)
            if unreadable is not None and unreadable.any():
                wrong.append(Fault(name, "unreadable", unreadable, "not a number", "give a number").describe(X.index))
        if wrong:
            raise ValueError(f"{self.title.en} cannot be computed from these features:\n- " + "\n- ".join(wrong))
        return numbers

    def _inputs(self, equation: Equation, features: Mapping[str, Floats]) -> dict[str, Array]:
        """Return an equation's inputs from features, in its own names, units and codings."""
        return {
            column.name: column.source.take(features)
            for column in equation.columns
            if column.source is not None and column.name not in self.constants
        }

    def _reasons(
        self, equation: Equation, fault: Fault, features: Mapping[str, Floats]
    ) -> list[tuple[npt.NDArray[np.bool_], str]]:
        """Return rows that a fault refuses, each with the reason; where several apply, the last does."""
        source = equation.column(fault.column).source
        assert source is not None, "a constant has no fault"
        feature = source.features[0]
        if fault.kind == "missing":
            absent = [(fault.rows & np.isnan(features[name]), f"missing {name}") for name in reversed(source.features)]
            return [(fault.rows, f"implausible {feature}"), *absent]  # what nothing can be made of is not absent
        if fault.kind == "lacking":
            return [(fault.rows, f"without {feature}")]
        if fault.kind == "excluded" or (fault.kind == "outside" and source.compute is not None):
            return [(fault.rows, feature)]
        if fault.kind == "outside":
            low, high = (bound / source.factor for bound in fault.bounds)
            if feature == "age":
                low, high = self.equations[0].ages[0], self.equations[-1].ages[1] - 1
            return [(fault.rows, f"{feature} outside {low:.3g}-{high:.3g}")]
        return [(fault.rows, f"implausible {feature}")]

    def _read_constants(self) -> dict[str, float]:
        """Return the constants as the formulas read them."""
        clean: dict[str, float] = {}
        wrong = []
        columns = {column.name: column for equation in self.equations for column in equation.columns}
        for name, value in self.constants.items():
            read, faults = columns[name].read(np.array([value], dtype=object))
            wrong += [f"{name}: {fault.what}: {fault.remedy}" for fault in faults if fault.rows.any()]
            clean[name] = read[0]
        if wrong:
            raise ValueError(f"{self.title.en} cannot be made:\n- " + "\n- ".join(wrong))
        return clean


def score2(region: Region = "low", older: Literal["author", "published"] = "author") -> PublishedModel:
    """Return SCORE2 (40 to 69 years) and SCORE2-OP (70 to 89) as one model, ``"score2"``.

    This is how the ESC 2021 guideline uses them. SCORE2 is in its published variant and refuses people with
    diabetes. Of SCORE2-OP there are two public versions, up to 1.14 points apart: by default it is in its authors',
    which is the one the ESC's printed charts follow. It reads ``age`` (years), ``female``, ``diabetes``, ``smoker``,
    ``systolic`` (mmHg), ``total_cholesterol`` and ``hdl``.

    Parameters
    ----------
    region
        ESC risk region; France is ``"low"``.
    older
        ``"published"`` takes SCORE2-OP's rounded coefficients, as printed in its supplement and used by most
        programs; the model is then named ``"score2_op_published"``.

    Raises
    ------
    ValueError
        If the region or the version is unknown.

    References
    ----------
    doi:10.1093/eurheartj/ehab309, doi:10.1093/eurheartj/ehab312, guideline doi:10.1093/eurheartj/ehab484.
    """
    if older not in SCORE2_OP:
        raise ValueError(f"unknown version {older!r} of SCORE2-OP: use one of {', '.join(SCORE2_OP)}")
    rounded = older == "published"
    fr, en = _region(region)
    if rounded:
        fr, en = f"{fr} et coefficients imprimés", f"{en} and printed coefficients"
    title = _titled("SCORE2 / SCORE2-OP (ESC 2021, {})", fr, en)
    equations = [SCORE2["published"], SCORE2_OP[older]]
    return PublishedModel("score2_op_published" if rounded else "score2", title, equations, {"region": region})


def score2_diabetes(region: Region = "low") -> PublishedModel:
    """Return SCORE2-Diabetes for type 2 diabetes, 40 to 69 years, in its published variant.

    It refuses people without type 2 diabetes and, as its authors do, those with a filtration rate under 45
    mL/min/1.73 m². It reads ``age``, ``female``, ``type_2_diabetes``, ``smoker``, ``systolic``, ``total_cholesterol``,
    ``hdl``, ``age_at_diabetes`` (years), ``hba1c`` (mmol/mol) and ``creatinine`` (µmol/L, of which it makes the
    filtration rate by CKD-EPI 2009).

    Parameters
    ----------
    region
        ESC risk region; France is ``"low"``.

    Raises
    ------
    ValueError
        If the region is unknown.

    References
    ----------
    doi:10.1093/eurheartj/ehad260.
    """
    fr, en = _region(region)
    title = _titled("SCORE2-Diabetes (ESC 2023, {})", fr, en)
    return PublishedModel("score2_diabetes", title, [SCORE2_DIABETES["published"]], {"region": region})


def qrisk3(townsend: float = 0.0, systolic_sd: float | None = None) -> PublishedModel:
    """Return QRISK3-2017, 25 to 84 years; for the United Kingdom, not recalibrated for France.

    Ethnicity, which French records do not hold, is the program's "white or not stated". It refuses people on a
    statin, as its authors do, and those with any input missing. It reads ``age``, ``female``, ``statin``,
    ``smoking_intensity`` (0 never, 1 former, 2 to 4 for under 10, under 20 and more cigarettes a day),
    ``type_1_diabetes``, ``type_2_diabetes``, ``atrial_fibrillation``, ``kidney_disease`` (stages 3 to 5),
    ``migraine``, ``rheumatoid_arthritis``, ``lupus``, ``mental_illness``, ``antipsychotic``, ``corticosteroid``,
    ``erectile_dysfunction``, ``hypertension_treated``, ``family_history`` (cardiovascular disease before 60 in a
    first-degree relative), ``total_cholesterol``, ``hdl``, ``systolic``, ``systolic_sd`` (mmHg, of repeated readings)
    and ``bmi`` (kg/m²). Only the ratio of cholesterols counts.

    Parameters
    ----------
    townsend
        Townsend deprivation score given to everybody; it has no French equivalent, and 0 is the average area.
    systolic_sd
        Standard deviation of systolic pressure given to everybody, instead of the feature, where pressures are not
        repeated; the authors' means are 9.0 in women and 8.8 in men.

    Raises
    ------
    ValueError
        If a number is implausible.

    References
    ----------
    doi:10.1136/bmj.j2099.
    """
    title = _titled("QRISK3-2017 ({})", *_abroad("Royaume-Uni", "United Kingdom"))
    constants: dict[str, str | float] = {"ethnicity": 1, "townsend": townsend}
    if systolic_sd is not None:
        constants["sbp_sd"] = systolic_sd
    return PublishedModel("qrisk3", title, [QRISK3], constants)


def prevent(outcome: Outcome = "total_cvd", years: Literal[10, 30] = 10) -> PublishedModel:
    """Return the base model of PREVENT; for the United States, not recalibrated for France.

    It is for 30 to 79 years of age, 30 to 59 for a horizon of thirty years. It reads ``age``, ``female``, ``diabetes``,
    ``smoker``, ``systolic``, ``bp_treated``, ``total_cholesterol``, ``hdl``, ``statin``, ``creatinine`` (µmol/L, of
    which it makes the filtration rate by CKD-EPI 2021) and ``bmi``. Named ``"prevent"`` by default, otherwise
    ``"prevent_ascvd_10y"`` and the like.

    Parameters
    ----------
    outcome
        All cardiovascular disease (with heart failure), ``"ascvd"`` or ``"heart_failure"``.
    years
        Horizon.

    Raises
    ------
    ValueError
        If there is no such version.

    References
    ----------
    doi:10.1161/CIRCULATIONAHA.123.067626.
    """
    version = f"{outcome}_{years}y"
    if version not in PREVENT:
        raise ValueError(f"PREVENT has no version {version!r}: use one of {', '.join(PREVENT)}")
    there, predicted = _titled("PREVENT ({})", *_abroad("États-Unis", "United States")), PREVENT_OUTCOMES[outcome]
    title = Bilingual(
        fr=f"{there.fr}, {predicted.fr} à {years}\u00a0ans", en=f"{there.en}, {predicted.en} at {years} years"
    )
    name = "prevent" if version == next(iter(PREVENT)) else f"prevent_{version}"
    return PublishedModel(name, title, [PREVENT[version]])


def pooled_cohort(race: Literal["white", "black"] = "white") -> PublishedModel:
    """Return the Pooled Cohort Equations, 40 to 79 years; for the United States, not recalibrated for France.

    French records do not hold race: everybody is given the equation of White Americans, which is also the
    convention for other groups. It is in the guideline's variant. It reads ``age``, ``female``, ``diabetes``,
    ``smoker``, ``systolic``, ``bp_treated``, ``total_cholesterol`` and ``hdl``.

    Parameters
    ----------
    race
        Whose equation everybody is given.

    Raises
    ------
    ValueError
        If the race is not one of the equations'.

    References
    ----------
    doi:10.1161/01.cir.0000437741.48606.98.
    """
    abroad = _abroad("États-Unis, ACC/AHA 2013", "United States, ACC/AHA 2013")
    title = _titled("Pooled Cohort Equations ({})", *abroad)
    return PublishedModel("pooled_cohort", title, [POOLED_COHORT["guideline_table_a"]], {"race": race})


def framingham_2008() -> PublishedModel:
    """Return the Framingham general cardiovascular profile of 2008, 30 to 74 years.

    It reads ``age``, ``female``, ``diabetes``, ``smoker``, ``systolic``, ``bp_treated``, ``total_cholesterol`` and
    ``hdl``. Cholesterol is converted from mmol/L to mg/dL by 38.67.

    References
    ----------
    doi:10.1161/CIRCULATIONAHA.107.699579.
    """
    title = _titled("Framingham 2008, {}", "risque cardiovasculaire global", "general cardiovascular risk")
    return PublishedModel("framingham_2008", title, [FRAMINGHAM_CVD_2008])


PREVENT_OUTCOMES: Final[dict[Outcome, Bilingual]] = {
    "total_cvd": Bilingual(fr="maladies cardiovasculaires", en="cardiovascular disease"),
    "ascvd": Bilingual(fr="maladies cardiovasculaires athéromateuses", en="atherosclerotic cardiovascular disease"),
    "heart_failure": Bilingual(fr="insuffisance cardiaque", en="heart failure"),
}
"""What each outcome is called."""


REGIONS: Final[dict[str, tuple[str, str]]] = {
    "low": ("à risque faible", "low-risk"),
    "moderate": ("à risque modéré", "moderate-risk"),
    "high": ("à risque élevé", "high-risk"),
    "very_high": ("à risque très élevé", "very-high-risk"),
}
"""What each ESC region is called, in French and English."""


def _region(region: Region) -> tuple[str, str]:
    fr, en = REGIONS.get(region, (region, region))  # an unknown one is refused by the equation
    return f"région {fr}", f"{en} region"


def _abroad(fr: str, en: str) -> tuple[str, str]:
    """Return for which country a score was made, and that it was not made for this one."""
    return f"{fr}, non recalé pour la France", f"{en}, not recalibrated for France"


def _titled(name: str, fr: str, en: str) -> Bilingual:
    """Return a title: what is the same in both languages, with a gap for what is not."""
    return Bilingual(fr=name.format(fr), en=name.format(en))


SHOWN: Final = {model.name: model for model in (score2(), framingham_2008())}
"""Scores whose answer is shown beside a model's, where a study names one as its comparator."""

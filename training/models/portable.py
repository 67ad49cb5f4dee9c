"""A fitted model as numbers and classifiers, and back: all that it needs to answer, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from training.models.base import Learned
from training.models.censoring_weighted import CensoringWeighted, Shape
from training.models.competing_cox import CauseSpecificHazard, CompetingCox
from training.models.recalibrated import Curve, Line, Recalibrated
from training.models.stacked_hazard import StackedHazard
from training.values import Bilingual

Numbers = dict[str, Any]


def pack(model: Learned) -> tuple[Numbers, dict[str, Any]]:
    """Return what `unpack` needs: JSON values, and fitted scikit-learn objects by name (``event``, ``competing``).

    Raises
    ------
    TypeError
        If the model is of a kind that cannot be kept: it is for comparison only.
    """
    about: Numbers = {
        "kind": type(model).__name__,
        "name": model.name,
        "title": model.title.model_dump(),
        "horizon_years": getattr(model, "horizon_", None),
        "features": getattr(model, "features_", None),
    }
    match model:
        case CensoringWeighted():
            return about | {"shape": _lists(model.shape_)}, _classifiers(model.event_, model.competing_)
        case StackedHazard():
            return about | {"intervals": model.intervals}, _classifiers(model.event_, model.competing_)
        case CompetingCox():
            causes = {"event": _lists(model.event_), "competing": _lists(model.competing_)}
            return about | causes, {"event": model.preparation_}
        case Recalibrated() if isinstance(model.model_, Learned):
            inner, classifiers = pack(model.model_)
            own = {value: dataclasses.asdict(function) for value, function in model.own_.items()}
            overall = dataclasses.asdict(model.overall_)
            return about | {
                "model": inner,
                "method": model.method,
                "by": model.by,
                "overall": overall,
                "own": own,
            }, classifiers
    found = f"{type(model).__name__} of {type(model.model_).__name__}" if isinstance(model, Recalibrated) else None
    raise TypeError(
        f"{model.name} is for comparison only: a {found or type(model).__name__} cannot be kept without pickle. Served "
        "are CensoringWeighted, StackedHazard, CompetingCox, and Recalibrated around one of these; of a tuned model, "
        "what it found (model_)"
    )


def unpack(about: Numbers, classifiers: Mapping[str, Any]) -> Learned:
    """Return the model that `pack` was given, fitted."""
    name, title = about["name"], Bilingual(**about["title"])
    model: Learned
    match about["kind"]:
        case "CensoringWeighted":
            model = CensoringWeighted(None, name=name, title=title)
            model.event_, model.competing_ = classifiers["event"], classifiers.get("competing")
            model.shape_ = Shape(**_arrays(about["shape"]))
        case "StackedHazard":
            model = StackedHazard(None, name=name, title=title, intervals=about["intervals"])
            model.event_, model.competing_ = classifiers["event"], classifiers.get("competing")
            model.bounds_ = np.linspace(0, about["horizon_years"], about["intervals"] + 1)
        case "CompetingCox":
            model = CompetingCox(name=name, title=title)
            model.preparation_ = classifiers["event"]
            model.event_, model.competing_ = (
                CauseSpecificHazard(**_arrays(about[cause])) for cause in ("event", "competing")
            )
            model.bounds_ = np.linspace(0, about["horizon_years"], len(model.event_.cumulative))
        case "Recalibrated":
            model = Recalibrated(unpack(about["model"], classifiers), about["method"], by=about["by"])
            model.name, model.title, model.model_ = name, title, model.model
            model.overall_ = _function(about["overall"])
            model.own_ = {value: _function(function) for value, function in about["own"].items()}
        case other:
            raise ValueError(f"there is no kind of model called {other!r}")
    model.horizon_, model.features_ = about["horizon_years"], about["features"]
    return model


def _classifiers(event: Any, competing: Any | None) -> dict[str, Any]:
    return {"event": event} if competing is None else {"event": event, "competing": competing}


def _lists(arrays: Shape | CauseSpecificHazard) -> Numbers:
    return {field.name: getattr(arrays, field.name).tolist() for field in dataclasses.fields(arrays)}


def _arrays(lists: Numbers) -> dict[str, Any]:
    return {name: np.array(values) for name, values in lists.items()}


def _function(about: Numbers) -> Line | Curve:
    return Line(**about) if "slope" in about else Curve(tuple(about["predicted"]), tuple(about["observed"]))

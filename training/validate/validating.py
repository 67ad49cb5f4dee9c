"""The whole judgement of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.outcome import COMPETING, EVENT, FollowUp
from features.privacy import mask, shown
from training.curves import DECISION_RANGE
from training.measures import columns_of
from training.models import RiskModel
from training.splits import Positions, Split
from training.survival import close
from training.validate.bench import Bench
from training.validate.evidence import Evidence, Scheme
from training.validate.predicting import Predictions, Progress, out_of_fold
from training.validate.ranking import Rule
from training.validate.robustness import Robustness, learning_curve, stability
from training.validate.sample_size import Development, develop


def validate(
    name: str,
    models: Sequence[RiskModel],
    X: pd.DataFrame,
    followup: FollowUp,
    index: pd.DataFrame,
    splits: Split,
    horizon: float,
    thresholds: Sequence[float] = (),
    comparator: str | None = None,
    resamples: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    decision_range: Sequence[float] = DECISION_RANGE,
    clusters: str = "practice",
    also: Sequence[Split] = (),
    also_of: Sequence[str] = (),
    rule: Rule | None = None,
    robustness: Robustness | None = None,
    predictors: int | None = None,
) -> tuple[Evidence, Predictions]:
    """Hold people out, predict them, and say what it shows.

    Parameters
    ----------
    name
        Name of the study.
    models
        Learned and published models, each with its own name.
    X, followup, index
        Features, follow-up and index (``patient``, ``practice``, ``as_of``) of the same ``n`` landmarks.
    splits
        How people are held out.
    horizon
        Years, at most that of the follow-up.
    thresholds
        Decision thresholds, declared before looking.
    comparator
        Name of the model the others are compared with; None for no comparison.
    resamples, seed
        Bootstrap over clusters: replicates, and what makes them reproducible.
    progress
        Told of each fit, then of each model judged.
    decision_range
        Thresholds of the decision curve.
    clusters
        Column of the index whose values are drawn, whole, in the bootstrap: ``"practice"``, or ``"patient"``
        for a cohort of one centre, where somebody may have several landmarks.
    also
        Other ways to hold people out, judged beside: by region, by period.
    also_of
        Names of the models judged so, each of which is fitted that many times more; all of them if empty.
    rule
        How the best model is chosen; `Rule` by default.
    robustness
        Which models are fitted many times more, to see how much they depend on whom they learned from.
    predictors
        Features of the model that is developed, for the sample size it takes; all of ``X`` by default.

    Returns
    -------
    evidence : Evidence
    predictions : DataFrame
        Out-of-fold risks, a column a model, indexed as ``index``; for the audit, in memory only.

    Raises
    ------
    ValueError
        If the comparator or a model of the robustness or of the rule is not among the models, the tested landmarks lie
        in fewer than two clusters, or an argument is impossible (as `out_of_fold` and `estimate`).

    Notes
    -----
    Risks of all folds are judged together, and discrimination and calibration fold by fold as well.
    """
    names = [model.name for model in models]
    if comparator is not None and comparator not in names:
        raise ValueError(f"comparator {comparator!r} is not one of the models: {', '.join(names)}")
    rule = rule or Rule()
    for what, asked in (
        ("robustness", robustness.models if robustness else ()),
        ("the rule", rule.models),
        ("also_of", also_of),
    ):
        if absent := [name for name in asked if name not in names]:
            raise ValueError(f"{what} names {', '.join(map(repr, absent))}, not one of the models: {', '.join(names)}")
    columns_of(None, [*thresholds, *decision_range])
    closed = close(followup, horizon)
    folds = _tests(splits, index)
    tested = _all(folds)
    _check_clusters(index.iloc[tested], clusters)
    risks = out_of_fold(models, X, followup, index, splits, progress, horizon=horizon)
    bench = Bench(followup, index[clusters].to_numpy(), horizon, tuple(thresholds), resamples, seed)

    judged = []
    for done, model in enumerate(models, start=1):
        judged.append(bench.judge(model, X, risks[model.name], tested, folds, decision_range))
        if progress is not None:
            progress(f"{model.name}, judged", done, len(models))
    refitted = [model for model in models if robustness is not None and model.name in robustness.models]
    evidence = Evidence(
        study=name,
        horizon=horizon,
        people=shown(index["patient"].iloc[tested].nunique()),
        landmarks=shown(len(tested)),
        practices=index["practice"].iloc[tested].nunique(),
        **_seen(closed[tested]),
        splits=splits.describe(),
        clusters=clusters,
        thresholds=tuple(thresholds),
        resamples=resamples,
        seed=seed,
        models=tuple(judged),
        comparisons=tuple(
            bench.compare(other, comparator, risks, tested, decision_range)
            for other in names
            if comparator is not None and other != comparator
        ),
        development=_development(predictors or X.shape[1], closed, index),
        schemes=tuple(
            _scheme(bench, other, [m for m in models if not also_of or m.name in also_of], X, followup, index, progress)
            for other in also
        ),
        ranking=bench.rank(risks, tested, rule),
        stability=tuple(
            stability(model, X, followup, horizon, bench.clusters, thresholds, robustness.refits, seed, progress)
            for model in refitted
            if robustness is not None and robustness.refits
        ),
        learning=tuple(
            learning_curve(
                model,
                X,
                followup,
                index,
                splits,
                horizon,
                robustness.sizes,
                resamples,
                seed,
                progress,
                clusters=clusters,
            )
            for model in refitted
            if robustness is not None and robustness.sizes
        ),
    )
    return evidence, pd.DataFrame(risks, index=index.index)


def _check_clusters(tested: pd.DataFrame, clusters: str) -> None:
    """Raise ValueError when there are not two clusters to draw, saying which other column has them."""
    known = [name for name in ("practice", "region", "patient") if name in tested.columns]
    many = {name: tested[name].nunique() for name in known}
    use = " or ".join(f"clusters={name!r} ({many[name]:,} values)" for name in known if many[name] > 1)
    advice = f"use {use}" if use else "test more people"
    if clusters not in tested.columns:
        raise ValueError(f"the index has no column {clusters!r} to draw clusters from: {advice}")
    if tested[clusters].isna().any():
        raise ValueError(f"{int(tested[clusters].isna().sum())} tested landmarks have no {clusters}: {advice}")
    if tested[clusters].nunique() < 2:
        raise ValueError(
            f"the tested landmarks have one {clusters} only, and a bootstrap draws among at least two: {advice}"
        )


def _seen(closed: FollowUp) -> dict[str, int | None]:
    """Count rows by what was seen by the horizon, small counts masked."""
    event, competing = closed.cause == EVENT, closed.cause == COMPETING
    followed = ~event & ~competing & (closed.duration >= closed.horizon)
    statuses = {
        "events": event,
        "competing": competing,
        "censored": ~(event | competing | followed),
        "followed": followed,
    }
    return dict(zip(statuses, mask([int(rows.sum()) for rows in statuses.values()]), strict=True))


def _tests(splits: Split, index: pd.DataFrame) -> dict[str, Positions]:
    """Return the rows tested under each label."""
    tested: dict[str, list[Positions]] = {}
    for label, _, test in splits.split(index):
        tested.setdefault(label, []).append(test)
    return {label: np.sort(np.concatenate(parts)) for label, parts in tested.items()}


def _all(folds: Mapping[str, Positions]) -> Positions:
    return np.sort(np.concatenate(list(folds.values())))


def _scheme(
    bench: Bench,
    splits: Split,
    models: Sequence[RiskModel],
    X: pd.DataFrame,
    followup: FollowUp,
    index: pd.DataFrame,
    progress: Progress | None,
) -> Scheme:
    """Return what another way to hold people out shows."""
    folds = _tests(splits, index)
    risks = out_of_fold(models, X, followup, index, splits, progress, horizon=bench.horizon)
    judged = (bench.again(name, risk, _all(folds), folds) for name, risk in risks.items())
    return Scheme(splits.describe(), tuple(each for each in judged if each is not None))


def _development(predictors: int, closed: FollowUp, index: pd.DataFrame) -> Development | None:
    """Return whether there are people enough to learn from; None without an event."""
    had_event = closed.cause == EVENT
    people = index["patient"].nunique()
    if not had_event.any():
        return None
    years = float(closed.duration.sum())
    return develop(
        people,
        int(index["patient"][had_event].nunique()),
        predictors,
        rate=float(had_event.sum()) / years,
        mean_followup=years / len(closed),
        horizon=closed.horizon,
    )

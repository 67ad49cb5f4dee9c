"""A fitted model on disk, complete and without pickle: what is needed to score, and nothing that came from one patient.

A folder holds ``model.json`` (what it predicts, and all of it that is numbers), the definitions of its features,
population and required measurements, one ``.skops`` file a classifier, and ``golden.json``: inputs made up from
quantiles and the answers the model gave to them. `load` refuses a folder that does not give those answers again. Same
model, same bytes. What each kind of model is made of is in `training.models.portable`.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from features.digests import canonical
from features.feature_set import FeatureSet
from features.language import Category
from training.scales import Scale, scale_from_dict

if TYPE_CHECKING:
    from training.models import Floats, Learned

#: Types that may be built from a model file, besides what skops itself trusts. None of them runs code when built.
TRUSTED: Final = [
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "numpy.dtype",
]
GOLDEN_ROWS: Final = 24
FORMAT: Final = 4


class UnusableModel(ValueError):
    """A model folder that cannot be trusted to answer: what is wrong with it."""


@dataclass(frozen=True, eq=False)
class Artefact:
    """A fitted model with the definitions it was trained by.

    Attributes
    ----------
    study
        Name of the study.
    model
        The fitted model.
    features
        What the model reads.
    population
        Conditions a patient must meet: the cohort's own criteria.
    required
        Conditions on what must have been measured.
    comparator
        Name of the model it was compared with; where that is a published score, its answer is shown beside.
    scale
        How a probability is put into words.
    """

    study: str
    model: Learned
    features: FeatureSet
    population: FeatureSet
    required: FeatureSet
    comparator: str
    scale: Scale


def save(artefact: Artefact, folder: Path, sample: pd.DataFrame) -> None:
    """Write a model folder.

    Parameters
    ----------
    artefact
        The fitted model and its definitions.
    folder
        Made here; it must not exist or be empty.
    sample
        Training features: only their quantiles, rounded to three digits, are used, to make golden inputs.

    Raises
    ------
    FileExistsError
        If the folder is not empty.
    TypeError
        If the model is of a kind that cannot be served: it cannot be kept whole without pickle, or cannot give exact
        reasons. It is for comparison only.
    """
    from training.models.portable import pack

    model = artefact.model
    about, classifiers = pack(model)
    golden = _golden_inputs(sample[model.features_])
    answers = _answers(model, golden)
    model.contributions(golden)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: a model folder is written once")
    (folder / "features.json").write_bytes(artefact.features.to_json())
    (folder / "population.json").write_bytes(artefact.population.to_json())
    (folder / "required.json").write_bytes(artefact.required.to_json())
    for name, classifier in classifiers.items():
        (folder / f"{name}.skops").write_bytes(_dump(classifier))
    described = {
        "format": FORMAT,
        "study": artefact.study,
        "model": about,
        "classifiers": sorted(classifiers),
        "fingerprint": artefact.features.fingerprint,
        "comparator": artefact.comparator,
        "scale": artefact.scale.to_dict(),
    }
    (folder / "model.json").write_bytes(canonical(described))
    inputs = golden.astype(object).where(golden.notna(), None).to_numpy().tolist()
    (folder / "golden.json").write_bytes(canonical({"inputs": inputs, "answers": answers.tolist()}))
    load(folder)


def load(folder: Path) -> Artefact:
    """Read a model folder whose bytes have been verified, and check that it answers as it did.

    Raises
    ------
    UnusableModel
        If a file is absent, of another format, a type is not trusted, a definition does not have the fingerprint it
        should, or a golden answer differs.
    """
    from training.models.portable import unpack  # scikit-learn takes a second to import: who reads cards need not wait

    try:
        described = json.loads((folder / "model.json").read_bytes())
        features, population, required = (
            FeatureSet.from_json((folder / f"{name}.json").read_bytes())
            for name in ("features", "population", "required")
        )
        golden = json.loads((folder / "golden.json").read_bytes())
    except (OSError, ValueError, KeyError) as error:
        raise UnusableModel(f"{folder.name}: a file is missing or cannot be read ({type(error).__name__})") from error
    if described.get("format") != FORMAT:
        raise UnusableModel(f"{folder.name}: model.json is not of format {FORMAT}: train and save the model again")
    if features.fingerprint != described["fingerprint"]:
        raise UnusableModel(f"{folder.name}: these are not the features the model was trained on")
    classifiers = {name: _load(folder / f"{name}.skops") for name in described["classifiers"]}
    model = unpack(described["model"], classifiers)
    if list(features) != model.features_:
        raise UnusableModel(f"{folder.name}: these are not the features the model was trained on")
    answers = _answers(model, _typed(pd.DataFrame(golden["inputs"], columns=model.features_), features))
    if not np.allclose(answers, golden["answers"], rtol=0, atol=1e-12):
        raise UnusableModel(f"{folder.name}: the model no longer gives the answers it gave when it was saved")
    scale = scale_from_dict(described["scale"])
    return Artefact(described["study"], model, features, population, required, described["comparator"], scale)


def _answers(model: Learned, inputs: pd.DataFrame) -> Floats:
    """Return the probability of each state half-way and at the horizon."""
    return model.incidence(inputs, [model.horizon_ / 2, model.horizon_])


def _typed(inputs: pd.DataFrame, features: FeatureSet) -> pd.DataFrame:
    """Return inputs as features are: numbers, and states as categoricals."""
    return inputs.astype(
        {
            feature.name: pd.CategoricalDtype(list(feature.node.type.names))
            if isinstance(feature.node.type, Category)
            else np.float64
            for feature in features.values()
        }
    )


def _golden_inputs(sample: pd.DataFrame) -> pd.DataFrame:
    """Return made-up rows: each value is a quantile of its column, rounded, or missing where some are."""
    random = np.random.default_rng(0)
    columns: dict[Any, Any] = {}
    for name, column in sample.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes = random.integers(-1 if column.isna().any() else 0, len(column.cat.categories), GOLDEN_ROWS)
            columns[name] = pd.Categorical.from_codes(codes, dtype=column.dtype)
            continue
        values = column.astype(np.float64)
        choices = [float(f"{v:.3g}") for v in values.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).dropna()] or [np.nan]
        if values.isna().any():
            choices.append(np.nan)
        columns[name] = random.choice(choices, GOLDEN_ROWS)
    return pd.DataFrame(columns)


def _dump(classifier: Any) -> bytes:
    """Return a classifier as a skops archive whose bytes depend on the classifier alone."""
    import skops.io

    buffer = io.BytesIO()
    with _without_extremes(classifier):
        skops.io.dump(classifier, buffer)
    return _canonical_archive(buffer.getvalue())


class _without_extremes:  # noqa: N801 - reads as a statement
    """While it lasts, a LightGBM classifier holds no smallest and largest training value: each is one patient's."""

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier

    def __enter__(self) -> None:
        if hasattr(self.classifier, "_Booster"):
            from lightgbm import Booster

            self.kept = self.classifier._Booster
            text = re.sub(r"\[-?[\d.e+-]+:-?[\d.e+-]+\]", "[-1e+308:1e+308]", self.kept.model_to_string())
            self.classifier._Booster = Booster(model_str=text)

    def __exit__(self, *_: object) -> None:
        if hasattr(self.classifier, "_Booster"):
            self.classifier._Booster = self.kept


def _canonical_archive(archive: bytes) -> bytes:
    """Return a skops archive with its memory addresses renumbered and its dates removed."""
    numbers: dict[object, int] = {}

    def renumber(node: Any) -> Any:
        if isinstance(node, list):
            return [renumber(item) for item in node]
        if not isinstance(node, dict):
            return node
        renumbered = {key: renumber(value) for key, value in node.items() if key != "__id__"}
        if "__id__" in node:
            # Whether two equal constants are one object is the interpreter's affair, so each gets its own number.
            own = ("constant", len(numbers)) if node.get("is_json") else node["__id__"]
            renumbered["__id__"] = numbers.setdefault(own, len(numbers))
        if node.get("file", "").endswith(".npy"):
            renumbered["file"] = f"{renumbered['__id__']}.npy"
        return renumbered

    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        schema = renumber(json.loads(source.read("schema.json")))
        arrays = {
            f"{numbers[int(name.removesuffix('.npy'))]}.npy": source.read(name)
            for name in source.namelist()
            if name != "schema.json"
        }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, data in sorted({**arrays, "schema.json": canonical(schema)}.items()):
            target.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def _load(file: Path) -> Any:
    import skops.io  # which imports all of scikit-learn, to know its types

    try:
        return skops.io.load(file, trusted=TRUSTED)
    except Exception as error:  # whatever a damaged or hostile file provokes
        raise UnusableModel(f"{file.name} cannot be loaded: {type(error).__name__}") from error

"""Filling a model card from a run: everything the pipeline knows, said in French and English."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from features.cohort import Members
from features.feature_set import Feature
from features.records import Records
from training.audit import Audit
from training.card import (
    Characteristic,
    DataWindow,
    Development,
    Explained,
    Fairness,
    FlowStep,
    Identity,
    InputFeature,
    Inputs,
    ModelCard,
    NotApplicable,
    Operation,
    Output,
    Performance,
    Population,
    Traceability,
    content_digest,
    decimal,
    percent,
)
from training.committee import Bilingual
from training.explain import Explanation
from training.models import CensoringWeighted
from training.studies import Study
from training.validate import Evidence

PACKAGES: Final = ("numpy", "pandas", "scikit-learn", "lightgbm", "skops", "shap", "fairlearn", "mlflow")


@dataclass(frozen=True, eq=False)
class Run:
    """What one run of a study made; the card is written from it.

    Attributes
    ----------
    study, records, members, X
        The study, the records it was run on, who was in, and their features.
    model
        The candidate, fitted on all members.
    model_digest
        Of the saved model's folder.
    evidence, audit, explanation
        What validation, the fairness audit and SHAP say.
    run_id, created_at, demonstration
        MLflow's run, when the card is drawn up, and whether it is a demonstration.
    """

    study: Study
    records: Records
    members: Members
    X: pd.DataFrame
    model: CensoringWeighted
    model_digest: str
    evidence: Evidence
    audit: Audit
    explanation: Explanation
    run_id: str
    created_at: datetime
    demonstration: bool


def draft(run: Run) -> ModelCard:
    """Return the card of a run, filled with all the pipeline and the study's author know."""
    labels = {f.name: Bilingual(fr=f.fr, en=f.en) for f in run.study.sensitive.values()}
    return ModelCard.draft(
        run.study.authored,
        identity=_identity(run),
        traceability=_traceability(run),
        population=_population(run),
        output=_output(run),
        inputs=_inputs(run),
        development=_development(run),
        performance=_performance(run),
        fairness=Fairness.of(run.audit, labels),
        explained=Explained.of(run.explanation),
        operation=_operation(),
        labels=labels,
    )


def _identity(run: Run) -> Identity:
    return Identity(
        name=f"vigie-{run.study.name}",
        version=f"{importlib.metadata.version('vigie')}+{run.model_digest[:8]}",
        study=run.study.name,
        model=run.model.name,
        created_at=run.created_at,
        demonstration=run.demonstration,
        title=run.study.title,
        changes=NotApplicable(reason=Bilingual(fr="Première version.", en="First version.")),
        developer="Vigie contributors",
        contact="SECURITY.md, CONTRIBUTING.md",
        licence="Apache-2.0",
    )


def _traceability(run: Run) -> Traceability:
    deliveries = run.records.deliveries
    return Traceability(
        feature_set_fingerprint=run.study.features.fingerprint,
        records_digest=run.records.digest,
        data_window=DataWindow(
            first=datetime.fromisoformat(min(str(d["first"]) for d in deliveries if d["first"])),
            last=datetime.fromisoformat(max(str(d["last"]) for d in deliveries if d["last"])),
            delivered_at=run.records.delivered_at,
        ),
        model_digest=run.model_digest,
        evidence_digest=content_digest(run.evidence),
        audit_digest=content_digest(run.audit),
        explanation_digest=content_digest(run.explanation),
        code_commit=code_commit(),
        mlflow_run_id=run.run_id,
        environment={"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in PACKAGES}},
    )


def code_commit() -> str:
    """Return the commit of the code, marked when files differ from it; the package's version outside a checkout."""
    root = Path(__file__).parent.parent
    try:
        commit, changed = (
            subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return f"vigie {importlib.metadata.version('vigie')}"
    return f"{commit} (with local changes)" if changed else commit


def _population(run: Run) -> Population:
    study, practices = run.study, run.evidence.practices
    names_fr, names_en = (
        between.join(getattr(c, language) for c in study.cohort.criteria.values())
        for language, between in (("fr", " ; "), ("en", "; "))
    )
    quarantined = sum(sum(d["quarantined"].values()) for d in run.records.deliveries)
    rows = sum(int(d["rows"]) for d in run.records.deliveries)
    return Population(
        eligibility=Bilingual(fr=f"{names_fr}.", en=f"{names_en}."),
        sources=Bilingual(
            fr=f"{study.setting.fr} Cabinets ou centres : {practices}.",
            en=f"{study.setting.en} Practices or centres: {practices}.",
        ),
        representativeness=Bilingual(
            fr="Non comparée à la population française : ces données ne permettent aucune conclusion sur elle.",
            en="Not compared with the French population: these data allow no conclusion about it.",
        ),
        flow=tuple(
            FlowStep(label=Bilingual(fr=s.fr, en=s.en), people=s.people, landmarks=s.landmarks, events=s.events)
            for s in run.members.attrition
        ),
        characteristics=tuple(_characteristic(f, run.X[f.name]) for f in study.features.values()),
        data_quality=Bilingual(
            fr=f"{rows} enregistrements retenus après vérification des codes, dates et unités ; {quarantined} valeurs "
            "invraisemblables ou sans unité mises de côté et non utilisées. Chaque enregistrement porte la date du fait "
            "et celle où le cabinet l’a su ; une variable ne voit que ce qui était su avant la date repère.",
            en=f"{rows} records kept after checks of codes, dates and units; {quarantined} implausible or unit-less values "
            "set aside and not used. Each record has the date of the fact and the date the practice knew it; a feature sees "
            "only what was known before the landmark.",
        ),
        missing_data=Bilingual(
            fr="Jamais remplacées en silence. La régression utilise la médiane et un indicateur d’absence, les arbres une "
            "branche propre ; SCORE2 et Framingham refusent de répondre. Le même traitement s’applique en usage.",
            en="Never replaced in silence. The regression uses the median and an indicator of absence, trees a branch of "
            "their own; SCORE2 and Framingham refuse to answer. Use follows the same rules.",
        ),
        treatments=Bilingual(
            fr="Les traitements à la date repère sont des variables d’entrée quand la source les contient ; ceux commencés "
            "ensuite ne sont pas modélisés : le risque est celui de la prise en charge observée.",
            en="Treatments at the landmark are inputs where the source has them; those begun later are not modelled: the "
            "risk is that under the care observed.",
        ),
        deidentification=Bilingual(
            fr="Identifiants pseudonymes ; tout effectif inférieur à 11 est masqué, et ceux qui permettraient de le "
            "retrouver ; aucun graphique ne montre une personne ; le modèle ne contient aucune valeur extrême individuelle.",
            en="Pseudonymous identifiers; any count under 11 is suppressed, and those that would give it away; no plot "
            "shows one person; the model holds no individual extreme value.",
        ),
    )


def _characteristic(feature: Feature, column: pd.Series[Any]) -> Characteristic:
    values = column.dropna()
    if feature.is_condition:
        fr, en = (percent(float(values.mean()) if len(values) else None, language) for language in ("fr", "en"))
    else:
        low, middle, high = (float(values.quantile(q)) if len(values) else None for q in (0.25, 0.5, 0.75))
        fr = f"{decimal(middle, 1, 'fr')} ({decimal(low, 1, 'fr')} à {decimal(high, 1, 'fr')})"
        en = f"{decimal(middle, 1, 'en')} ({decimal(low, 1, 'en')} to {decimal(high, 1, 'en')})"
    return Characteristic(
        label=Bilingual(fr=feature.fr, en=feature.en),
        value=Bilingual(fr=fr, en=en),
        n=len(values),
        missing=len(column) - len(values),
    )


def _output(run: Run) -> Output:
    outcome = run.study.outcome
    codes = ", ".join(str(code) for code in outcome.event.codes)
    return Output(
        outputs=Bilingual(
            fr=f"Probabilité ({outcome.fr.lower()}), avec la catégorie ESC 2021, SCORE2 à côté et les cinq raisons "
            "principales ; ou une abstention et son motif.",
            en=f"Probability ({outcome.en.lower()}), with the ESC 2021 category, SCORE2 beside it and the five main "
            "reasons; or an abstention and its cause.",
        ),
        horizon_years=outcome.horizon,
        thresholds=run.study.thresholds,
        uncertainty=Bilingual(
            fr="Aucun intervalle individuel n’est encore donné ; l’incertitude est celle des groupes ci-dessous.",
            en="No individual interval is given yet; uncertainty is that of the groups below.",
        ),
        outcome=Bilingual(
            fr=f"{outcome.fr}. Premier enregistrement de : {codes}. Le décès d’une autre cause est un événement concurrent ; le "
            "départ du cabinet censure, et la censure est pondérée.",
            en=f"{outcome.en}. First record of: {codes}. Death from another cause competes; leaving the practice censors, and "
            "censoring is weighted.",
        ),
        interfaces=Bilingual(
            fr="HTTP et JSON (POST /score), FHIR R4 ($evaluate) et CDS Hooks (patient-view), décrits par OpenAPI.",
            en="HTTP and JSON (POST /score), FHIR R4 ($evaluate) and CDS Hooks (patient-view), described by OpenAPI.",
        ),
    )


def _inputs(run: Run) -> Inputs:
    required = {concept for condition in run.study.required.values() for concept in condition.concepts}
    return Inputs(
        features=tuple(
            InputFeature(
                name=f.name,
                label=Bilingual(fr=f.fr, en=f.en),
                unit=f.unit,
                definition=", ".join(f"{c.name} ({', '.join(str(code) for code in c.codes)})" for c in f.concepts),
                plausible=f.concepts[0].plausible if len(f.concepts) == 1 and f.unit == f.concepts[0].unit else None,
                required=len(f.concepts) == 1 and f.concepts[0] in required,
            )
            for f in run.study.features.values()
        ),
        sensitive=Bilingual(
            fr="L’âge et le sexe sont des variables d’entrée. La défavorisation, le lieu et la couverture n’en sont pas.",
            en="Age and sex are inputs. Deprivation, place and insurance cover are not.",
        ),
        missing_policy=Bilingual(
            fr="Une mesure exigée absente ou trop ancienne : abstention motivée. Une autre mesure absente : réponse avec la "
            "liste des absences. Une valeur invraisemblable ou sans unité n’est pas utilisée et est signalée.",
            en="A required measurement absent or too old: abstention with its cause. Another one absent: an answer with the "
            "list of what is missing. A value implausible or without unit is not used, and this is said.",
        ),
    )


def _development(run: Run) -> Development:
    events, features = run.evidence.events, len(run.study.features)
    per = f"{events / features:.0f}" if events else "—"
    held = {"practice": ("cabinet", "practice"), "patient": ("patient", "patient")}.get(run.study.splits.by, ("", ""))
    return Development(
        sample_size=Bilingual(
            fr=f"{events} événements pour {features} variables, soit {per} par variable ; la précision atteinte se lit dans "
            "les intervalles. Aucun calcul préalable : les données étaient données.",
            en=f"{events} events for {features} features, {per} a feature; the precision reached is read in the intervals. No "
            "prior calculation: the data were given.",
        ),
        partition=Bilingual(
            fr=f"Validation croisée en {run.study.splits.folds} parts par {held[0]} : aucun patient ni {held[0]} n’est des deux "
            "côtés. Le modèle publié est ensuite ajusté sur toutes les données.",
            en=f"Cross-validation in {run.study.splits.folds} folds by {held[1]}: no patient or {held[1]} is on both sides. The "
            "released model is then fitted on all data.",
        ),
        algorithm=Bilingual(
            fr=f"{run.model.title}, pondéré par l’inverse de la probabilité de suivi ; réglages fixés d’avance, sans recherche ; "
            "monotone dans les variables dont le sens est déclaré (arbres) ; graine fixée.",
            en=f"{run.model.title}, weighted by the inverse probability of being followed; settings fixed beforehand, without "
            "search; monotone in features with a declared direction (trees); fixed seed.",
        ),
        class_imbalance=NotApplicable(
            reason=Bilingual(
                fr="Aucun rééquilibrage : il fausserait les probabilités. Aucune recalibration.",
                en="No rebalancing: it would falsify probabilities. No recalibration.",
            )
        ),
    )


def _performance(run: Run) -> Performance:
    nothing_external = NotApplicable(
        reason=Bilingual(
            fr="Aucune donnée extérieure n’a été utilisée : requis avant tout usage.",
            en="No external data were used: required before any use.",
        )
    )
    return Performance.of(
        run.evidence,
        run.model.name,
        run.run_id,
        external_validation=nothing_external,
        local_validity=NotApplicable(
            reason=Bilingual(fr="À établir par chaque exploitant.", en="To be established by each operator.")
        ),
        robustness=Bilingual(
            fr="Les résultats de chaque part tenue à l’écart sont donnés ci-dessus. La stabilité des réponses individuelles "
            "d’un ajustement à l’autre n’a pas encore été mesurée.",
            en="Results of each held-out fold are given above. The stability of individual answers from fit to fit has not "
            "been measured yet.",
        ),
    )


def _operation() -> Operation:
    return Operation(
        security=Bilingual(
            fr="Le service ne charge qu’un modèle dont la carte est approuvée et signée et dont chaque octet a l’empreinte "
            "attendue ; aucun fichier exécutable (pickle) ; requêtes bornées et vérifiées.",
            en="The service loads only a model whose card is approved and signed and whose every byte has the expected digest; "
            "no executable file (pickle); requests bounded and checked.",
        ),
        logging=Bilingual(fr="Les journaux ne contiennent aucune donnée de santé.", en="Logs hold no health data."),
        resources=Bilingual(
            fr="Un cœur de processeur, moins de 1 Go de mémoire.", en="One processor core, less than 1 GB of memory."
        ),
    )

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
from features.outcome import Silence
from features.purpose import PURPOSES, Mandate
from features.records import Records
from features.typography import Language
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
    hide_small_steps,
    percent,
)
from training.explain import Explanation
from training.models import CensoringWeighted, CompetingCox, Learned, Recalibrated, StackedHazard
from training.monitoring import Reference
from training.published.comparators import SHOWN
from training.scales import Esc2021
from training.studies import Study
from training.validate import Evidence
from training.values import Bilingual

CROSSING: Final[tuple[tuple[Language, str], ...]] = (("fr", "passent de l’autre côté de"), ("en", "move across"))
NOBODY: Final = NotApplicable(
    reason=Bilingual(
        fr="Démonstration : personne ne répond de ce modèle.", en="Demonstration: nobody answers for this model."
    )
)
PACKAGES: Final = ("numpy", "pandas", "scikit-learn", "lightgbm", "skops", "shap", "fairlearn", "mlflow")


@dataclass(frozen=True, eq=False)
class Run:
    """What one run of a study made; the card is written from it.

    Attributes
    ----------
    study, mandate, records, members, X
        The study, for what and by whose opinion, the records it was run on, who was in, and their features.
    model
        The candidate, fitted on all members.
    model_digest
        Of the saved model's folder.
    evidence, audit, explanation
        What validation, the fairness audit and SHAP say.
    monitoring
        Whom the candidate was learned from, as monitoring compares those it is used for with.
    run_id, created_at, demonstration
        MLflow's run, when the card is drawn up, and whether it is a demonstration.
    contact
        Where whoever reads the card may write; of no use to a demonstration, for which nobody answers.
    replaces
        Number and card's digest of the registered version before this one.
    """

    study: Study
    mandate: Mandate
    records: Records
    members: Members
    X: pd.DataFrame
    model: Learned
    model_digest: str
    evidence: Evidence
    audit: Audit
    explanation: Explanation
    monitoring: Reference
    run_id: str
    created_at: datetime
    demonstration: bool
    contact: str | None = None
    replaces: tuple[str, str] | None = None


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
        changes=_changes(run.replaces),
        developer="Vigie contributors",
        contact=NOBODY if run.demonstration else run.contact,
        licence="Apache-2.0",
    )


def _changes(replaces: tuple[str, str] | None) -> Bilingual | NotApplicable:
    if replaces is None:
        return NotApplicable(reason=Bilingual(fr="Première version.", en="First version."))
    number, card = replaces
    return Bilingual(
        fr=f"Remplace la version {number} du registre (carte {card[:12]}). Ce qui change, et pour qui, est montré par la "
        "comparaison des deux cartes.",
        en=f"Replaces version {number} of the registry (card {card[:12]}). What changes, and for whom, is shown by comparing "
        "the two cards.",
    )


def _traceability(run: Run) -> Traceability:
    deliveries = run.records.deliveries
    fr, en = PURPOSES[run.mandate.purpose]
    return Traceability(
        purpose=Bilingual(
            fr=f"{fr} ; avis du comité : {run.mandate.reference}.",
            en=f"{en}; committee’s opinion: {run.mandate.reference}.",
        ),
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
        monitoring_digest=content_digest(run.monitoring),
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
        flow=flow(run.members),
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
            "branche propre, une règle un groupe à part ; les scores publiés refusent de répondre. Le même traitement "
            "s’applique en usage.",
            en="Never replaced in silence. The regression uses the median and an indicator of absence, trees a branch of "
            "their own, a rule a group apart; published scores refuse to answer. Use follows the same rules.",
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


def flow(members: Members) -> tuple[FlowStep, ...]:
    """Return how many were still in after each criterion, as may be shown."""
    return hide_small_steps(
        tuple(
            FlowStep(label=Bilingual(fr=s.fr, en=s.en), people=s.people, landmarks=s.landmarks, events=s.events)
            for s in members.attrition
        )
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


def lowered(text: str) -> str:
    """Return a label as it stands inside a sentence."""
    return text[:1].lower() + text[1:]


def _output(run: Run) -> Output:
    outcome, scale = run.study.outcome, run.study.scale
    beside_fr = beside_en = ""
    if run.study.comparator in SHOWN:
        title = SHOWN[run.study.comparator].title
        beside_fr, beside_en = f", {title.fr} à côté", f", {title.en} beside it"
    codes = ", ".join(str(code) for code in outcome.event.codes)
    if isinstance(outcome.event, Silence):
        event_fr, event_en = f"Aucun enregistrement de : {codes}", f"No record of: {codes}"
    else:
        event_fr, event_en = f"Premier enregistrement de : {codes}", f"First record of: {codes}"
    competing_fr, competing_en = (lowered(text) for text in (outcome.competing.fr, outcome.competing.en))
    category_fr, category_en = (
        ("la catégorie ESC 2021", "the ESC 2021 category")
        if isinstance(scale, Esc2021)
        else ("le niveau où elle se situe", "the level it falls in")
    )
    return Output(
        outputs=Bilingual(
            fr=f"Probabilité ({lowered(outcome.fr)}), avec {category_fr}{beside_fr} et les cinq raisons principales ; ou une "
            "abstention et son motif.",
            en=f"Probability ({lowered(outcome.en)}), with {category_en}{beside_en} and the five main reasons; or an "
            "abstention and its cause.",
        ),
        horizon_years=outcome.horizon,
        thresholds=run.study.thresholds,
        uncertainty=Bilingual(
            fr="Aucun intervalle individuel n’est encore donné ; l’incertitude est celle des groupes ci-dessous.",
            en="No individual interval is given yet; uncertainty is that of the groups below.",
        ),
        outcome=Bilingual(
            fr=f"{outcome.fr}. {event_fr}. Événement concurrent : {competing_fr}. Le départ du cabinet censure, et la censure "
            "est pondérée.",
            en=f"{outcome.en}. {event_en}. Competing event: {competing_en}. Leaving the practice censors, and censoring is "
            "weighted.",
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
        sensitive=_sensitive_inputs(run.study),
        missing_policy=Bilingual(
            fr="Une mesure exigée absente ou trop ancienne : abstention motivée. Une autre mesure absente : réponse avec la "
            "liste des absences. Une valeur invraisemblable ou sans unité n’est pas utilisée et est signalée.",
            en="A required measurement absent or too old: abstention with its cause. Another one absent: an answer with the "
            "list of what is missing. A value implausible or without unit is not used, and this is said.",
        ),
    )


def _sensitive_inputs(study: Study) -> Bilingual:
    """Say which of the audit's groups the model reads, by the concepts its features are made of."""
    read = {concept for feature in study.features.values() for concept in feature.concepts}
    inside: list[Feature] = []
    outside: list[Feature] = []
    for each in study.sensitive.values():
        (inside if set(each.concepts) <= read else outside).append(each)
    fr, en = (
        [", ".join(lowered(getattr(each, language)) for each in part) or none for part in (inside, outside)]
        for language, none in (("fr", "aucun"), ("en", "none"))
    )
    return Bilingual(
        fr=f"Variables d’entrée parmi les critères de l’audit : {fr[0]}. Ne le sont pas : {fr[1]}.",
        en=f"Inputs among the audit’s criteria: {en[0]}. Not inputs: {en[1]}.",
    )


def _development(run: Run) -> Development:
    events, features = run.evidence.events, len(run.study.features)
    per = f"{events / features:.0f}" if events else "—"
    held = {"practice": ("cabinet", "practice"), "patient": ("patient", "patient")}.get(run.study.splits.by, ("", ""))
    needs = run.evidence.development
    enough_fr, enough_en = ("", "")
    if needs is not None:
        needed = max(needs.needed.values())
        verdict = ("atteint", "reached") if needs.enough else ("non atteint", "not reached")
        enough_fr = (
            f" Critères de Riley : {needed} personnes nécessaires ({verdict[0]}), rétrécissement attendu "
            f"{decimal(needs.expected_shrinkage, 2, 'fr')}."
        )
        enough_en = (
            f" Riley’s criteria: {needed} people needed ({verdict[1]}), expected shrinkage "
            f"{decimal(needs.expected_shrinkage, 2, 'en')}."
        )
    return Development(
        sample_size=Bilingual(
            fr=f"{events} événements pour {features} variables, soit {per} par variable.{enough_fr} Les données étaient données : "
            "ce calcul n’a pas décidé de leur nombre.",
            en=f"{events} events for {features} features, {per} a feature.{enough_en} The data were given: this calculation did "
            "not decide how many.",
        ),
        partition=Bilingual(
            fr=f"Validation croisée en {run.study.splits.folds} parts par {held[0]} : aucun patient ni {held[0]} n’est des deux "
            "côtés. Le modèle publié est ensuite ajusté sur toutes les données.",
            en=f"Cross-validation in {run.study.splits.folds} folds by {held[1]}: no patient or {held[1]} is on both sides. The "
            "released model is then fitted on all data.",
        ),
        algorithm=_algorithm(run.model),
        class_imbalance=NotApplicable(
            reason=Bilingual(
                fr="Aucun rééquilibrage : il fausserait les probabilités. Aucune recalibration.",
                en="No rebalancing: it would falsify probabilities. No recalibration.",
            )
        ),
    )


def _algorithm(model: Learned) -> Bilingual:
    """Say how a model learned."""
    match model:
        case CensoringWeighted():
            how = (
                "pondérée par l’inverse de la probabilité de suivi",
                "weighted by the inverse probability of being followed",
            )
        case StackedHazard():
            how = (
                f"risque instantané de chaque cause sur {model.intervals} intervalles, pondéré par l’inverse de la probabilité "
                "de suivi",
                f"hazard of each cause over {model.intervals} intervals, weighted by the inverse probability of being followed",
            )
        case CompetingCox():
            how = ("un modèle de Cox par cause", "one Cox model a cause")
        case Recalibrated():
            inside = _algorithm(model.model_) if isinstance(model.model_, Learned) else None
            how = (inside.fr, inside.en) if inside else ("équation publiée", "published equation")
        case _:
            how = (type(model).__name__, type(model).__name__)
    return Bilingual(
        fr=f"{model.title.fr} : {how[0]} ; réglages fixés d’avance, sans recherche ; monotone dans les variables dont le sens est "
        "déclaré (arbres) ; graine fixée.",
        en=f"{model.title.en}: {how[1]}; settings fixed beforehand, without search; monotone in features with a declared "
        "direction (trees); fixed seed.",
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
        robustness=_robustness(run.evidence, run.model.name),
    )


def _robustness(evidence: Evidence, model: str) -> Bilingual:
    """Say how far answers move between places, periods, and fits."""
    found = next((each for each in evidence.stability if each.model == model), None)
    ways_fr, ways_en = (
        ", ".join(names.get(scheme.splits.get("by", ""), "") for scheme in evidence.schemes)
        for names in ({"region": "par région", "period": "par période"}, {"region": "by region", "period": "by period"})
    )
    also_fr = f" Le modèle est aussi jugé {ways_fr} (page de comparaison)." if ways_fr else ""
    also_en = f" The model is also judged {ways_en} (comparison page)." if ways_en else ""
    if found is None:
        unmeasured_fr = "La stabilité des réponses individuelles d’un ajustement à l’autre n’a pas été mesurée."
        unmeasured_en = "The stability of individual answers from fit to fit has not been measured."
        return Bilingual(
            fr=f"Les résultats de chaque part tenue à l’écart sont donnés ci-dessus. {unmeasured_fr}{also_fr}",
            en=f"Results of each held-out fold are given above. {unmeasured_en}{also_en}",
        )
    moved = found.difference.value
    crossed_fr, crossed_en = (
        " ; ".join(
            f"{percent(each.value, language)} {cross} {percent(each.threshold, language)}"
            for each in found.changed
            if each.threshold is not None
        )
        for language, cross in CROSSING
    )
    return Bilingual(
        fr=f"Les résultats de chaque part tenue à l’écart sont donnés ci-dessus. Ajusté {found.refits} fois sur d’autres cabinets, "
        f"le modèle donne aux mêmes personnes une probabilité différente de {decimal(100 * moved, 1, 'fr')} point en moyenne ; "
        f"{crossed_fr}.{also_fr}",
        en=f"Results of each held-out fold are given above. Fitted {found.refits} times on other practices, the model gives the "
        f"same people a probability that differs by {decimal(100 * moved, 1, 'en')} points on average; {crossed_en}.{also_en}",
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

"""A feature set as a page people can read, in French or English; it needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Final

from features.language import Boolean, Category
from features.styles import DOCUMENT, FOLDER, style
from features.typography import Language, numeral, typeset, unit

if TYPE_CHECKING:
    from features.codes import Concept
    from features.feature_set import Feature, FeatureSet

WORDS: Final[dict[str, tuple[str, str]]] = {
    "kind": ("Vigie · variables", "Vigie · features"),
    "fingerprint": ("empreinte", "fingerprint"),
    "lead": (
        "Chaque variable n’utilise que ce qui s’était produit et que le cabinet savait avant la date de l’estimation.",
        "Each feature uses only what had happened and what the practice knew before the time of the estimate.",
    ),
    "features": ("Variables", "Features"),
    "feature": ("Variable", "Feature"),
    "unit": ("Unité", "Unit"),
    "direction": ("Quand elle monte, le risque", "When it rises, the risk"),
    "absence": ("Sans aucun enregistrement", "Without any record"),
    "definition": ("Définition", "Definition"),
    "concepts": ("Notions lues dans le dossier", "Concepts read from the record"),
    "concept": ("Notion", "Concept"),
    "codes": ("Codes", "Codes"),
    "plausible": ("Valeurs plausibles", "Believable values"),
    "source": ("Source", "Source"),
    "-1": ("diminue", "falls"),
    "0": ("monte ou diminue", "rises or falls"),
    "1": ("monte", "rises"),
    "unknown": ("inconnue : jamais mesurée", "unknown: never measured"),
    "yes": ("oui, par absence", "yes, by absence"),
    "no": ("non, par absence", "no, by absence"),
    "condition": ("oui ou non", "yes or no"),
    "to": ("à", "to"),
}


def page(features: FeatureSet, language: Language) -> str:
    """Return the page: what each feature is, and the concepts they read."""

    def say(key: str) -> str:
        return _word(key, language)

    columns = ("feature", "unit", "direction", "absence", "definition")
    about = ("concept", "unit", "plausible", "codes", "source")
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(features.name)} · {say("kind")}</title>
<style>{style(*DOCUMENT, FOLDER / "feature_set.css")}</style>
</head>
<body>
<header>
<p class="subtitle">{say("kind")}</p>
<h1>{escape(features.name)}</h1>
<p class="subtitle">{say("fingerprint")} <code>{features.fingerprint}</code></p>
</header>
<main>
<p>{say("lead")}</p>
<h2>{say("features")}</h2>
{_table([say(c) for c in columns], (_feature_row(f, language) for f in features.values()))}
<h2>{say("concepts")}</h2>
{_table([say(c) for c in about], (_concept_row(c, language) for c in features.concepts))}
</main>
</body>
</html>
"""


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [f"<tr><th scope='row'>{row[0]}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>" for row in rows]
    titles = "".join(f"<th scope='col'>{title}</th>" for title in head)
    body = "\n".join([f"<thead><tr>{titles}</tr></thead>", "<tbody>", *lines, "</tbody>"])
    return f"<div class='scroll' tabindex='0'><table>\n{body}\n</table></div>"


def _feature_row(feature: Feature, language: Language) -> list[str]:
    label = _text(feature.fr if language == "fr" else feature.en, language)
    direction = _word(str(feature.direction), language)
    measured_in = _word("condition", language) if feature.is_condition else escape(unit(feature.unit, language))
    if isinstance(feature.node.type, Category):
        measured_in = ", ".join(map(escape, feature.node.type.names))
    return [
        f"{label}<small><code>{escape(feature.name)}</code></small>",
        measured_in,
        direction,
        _absence(feature, language),
        f"<code>{escape(feature.definition)}</code>",
    ]


def _absence(feature: Feature, language: Language) -> str:
    value, kind = feature.without_records, feature.node.type
    if value is None:
        return _word("unknown", language)
    if isinstance(kind, Boolean):
        return _word("yes" if value else "no", language)
    if isinstance(kind, Category):
        return escape(kind.names[int(value)])
    return _number(value, language)


def _concept_row(concept: Concept, language: Language) -> list[str]:
    label = concept.fr if language == "fr" else concept.en
    believable = f" {_word('to', language)} ".join(_number(v, language) for v in concept.plausible or ())
    codes = ", ".join(str(code) for code in concept.codes)
    return [
        f"{_text(label, language)}<small><code>{escape(concept.name)}</code></small>",
        escape(unit(concept.unit, language)) or ", ".join(map(escape, concept.category_names)),
        believable,
        f"<code>{escape(codes)}</code>",
        escape(concept.source),
    ]


def _word(key: str, language: Language) -> str:
    return _text(WORDS[key][language == "en"], language)


def _number(value: float, language: Language) -> str:
    return numeral(f"{value:,.15g}", language)


def _text(words: str, language: Language) -> str:
    return escape(typeset(words, language))

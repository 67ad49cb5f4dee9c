"""Writes ``docs/language.md`` from the examples: ``python -m tests.spec.document``."""

from __future__ import annotations

import math
from pathlib import Path

from features.language import Boolean, Category
from tests.spec.examples import AS_OF, CHAPTERS, Chapter, Example

PAGE = Path(__file__).resolve().parents[2] / "docs" / "language.md"

INTRODUCTION = f"""# The feature language

<!-- Written by `python -m tests.spec.document` from tests/spec/examples.py; a test fails when it is out of date. -->

A feature says in one line what to take from a patient's record. It is computed the same way for one patient in a
consultation and for millions in a study: everything on this page is an example that the tests run on every engine.

```python
from features.catalogue.concepts import HDL, SYSTOLIC_BP, TOTAL_CHOLESTEROL
from features.feature_set import FeatureSet
from features.language import latest, mean, years

CARDIO = FeatureSet(
    "cardio",
    systolic=mean(SYSTOLIC_BP, within=years(2)).described("Pression systolique moyenne", "Mean systolic pressure", +1),
    non_hdl=(latest(TOTAL_CHOLESTEROL, within=years(5)) - latest(HDL, within=years(5))).described(
        "Cholestérol non-HDL", "Non-HDL cholesterol", +1
    ),
)
```

A *verb* (`latest`, `count`, `exists` …) reads the records of a *concept* (`SYSTOLIC_BP`, with its codes, unit
and believable range) in a *window* before a moment, `as_of`, which here is always {AS_OF.day} March
{AS_OF.year} at midnight. Operators combine what verbs give. A value that cannot be known is *missing*, and
stays so until somebody says what to do about it.
"""

END = """
## Features: labels, unit, direction, absence

`described(fr, en, direction, absence)` makes an expression a feature people can read. The unit and type follow
from the expression. The direction is how the risk moves when the value rises: +1, −1, or 0 for either; trees
are made monotone by it. The absence says what it means that a patient has no record: *never measured* (the
value is missing), *negative by absence* (the answer is no, or zero) or *assumed* (a default). It follows from
the expression; stated, it is checked, and a feature set refuses a statement that the expression belies.

`FeatureSet.describe()` is a table of all this, `to_html("fr")` and `to_html("en")` a page; `to_json()` and
`from_json()` carry a set from one place to another, and `fingerprint` says whether two compute the same.
`of_patient(history, as_of)` gives one row, `of_shard(...)` and `features.store.compute(...)` many.

## What is never in doubt

- **Row order means nothing.** Records are ordered by when they happened, when they were known, and their value.
- **Numbers are exact.** Sums add up in that order, and lengths of time are whole microseconds until they are
  divided, so that every engine gives the same bits.
- **The future is not there.** No verb can reach a record that happened, or became known, at `as_of` or later.
- **Missing is not zero.** Only `exists`, `all_of`, `count`, `count_days`, `followed_by`, `years_covered` and, in a
  window, `share_covered` take absence for an answer; everything else is missing until `.default(...)`.
"""


def document() -> str:
    """Return the page."""
    return "\n".join([INTRODUCTION, *map(_chapter, CHAPTERS), END.lstrip("\n")])


def _chapter(chapter: Chapter) -> str:
    parts = [f"## {chapter.title}\n", chapter.prose.strip() + "\n"]
    if chapter.table:
        head = ["patient", "happened", "record", "value", "known", "taken back"]
        width = max(len(line) for line in chapter.lines)
        rows = [[*line, *[""] * (width - len(line))] for line in chapter.lines]
        shown = [c for c in range(width) if c < 3 or any(row[c] for row in rows)]
        parts.append(_table([head[c] for c in shown], [[row[c].replace("T", " ") for c in shown] for row in rows]))
    if chapter.examples:
        notes = any(example.note for example in chapter.examples)
        head = ["expression", *chapter.patients, *[""] * notes]
        rows = [[f"`{e.code}`".replace("|", "\\|"), *_values(e), *[e.note] * notes] for e in chapter.examples]
        parts.append(_table(head, rows))
    for refused in chapter.refused:
        parts.append(f"`{refused.code}` is refused:\n\n> {refused.message}\n")
    return "\n".join(parts)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _values(example: Example) -> list[str]:
    kind = example.expression.type
    shown = []
    for value in example.values:
        if isinstance(value, float) and math.isnan(value):
            shown.append("*missing*")
        elif isinstance(kind, Boolean):
            shown.append("yes" if value else "no")
        elif isinstance(kind, Category):
            shown.append(str(value))
        else:
            shown.append(f"{value:.5g}".replace("-", "−"))
    return shown


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(document(), encoding="utf-8")

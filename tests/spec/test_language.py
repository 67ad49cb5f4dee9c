"""Every example of the language, on every engine; the page made of them is up to date and shows every verb."""

from __future__ import annotations

from datetime import datetime

import pytest

from features.codes import Concept
from features.language import Category, Expression, ExpressionError, verbs
from features.patient import years_between
from tests.spec.document import PAGE, document
from tests.spec.engines import ENGINES
from tests.spec.examples import CHAPTERS, NAMES, Chapter, Example, Refused


def number(expression: Expression, value: float | bool | str) -> float:
    if isinstance(value, str):
        assert isinstance(expression.type, Category)
        return float(expression.type.names.index(value))
    return float(value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.title)
def test_examples(chapter: Chapter, engine: str):
    expressions = [example.expression for example in chapter.examples]
    columns = ENGINES[engine](expressions, chapter)
    for example, expression, column in zip(chapter.examples, expressions, columns, strict=True):
        expected = [number(expression, value) for value in example.values]
        assert column == pytest.approx(expected, rel=1e-12, nan_ok=True), example.code


@pytest.mark.parametrize("refused", [r for chapter in CHAPTERS for r in chapter.refused], ids=lambda r: r.code)
def test_what_is_refused(refused: Refused):
    with pytest.raises(ExpressionError) as error:
        eval(refused.code, dict(NAMES))
    assert str(error.value) == refused.message


@pytest.mark.parametrize("example", [e for chapter in CHAPTERS for e in chapter.examples], ids=lambda e: e.code)
def test_an_expression_reads_as_it_was_written(example: Example):
    """Its text, with concepts by name, is the code: written back and evaluated, it is the same expression."""
    by_name = {concept.name: concept for concept in NAMES.values() if isinstance(concept, Concept)}
    written = str(example.expression)
    for name, constant in (("only(major_cardiovascular_event, CIM10:I21)", 'only(MAJOR_CV_EVENT, CIM10("I21"))'),):
        written = written.replace(name, constant)
    assert eval(written, {**NAMES, **by_name}).node == example.expression.node


def test_every_verb_is_shown():
    shown = " ".join(example.code for chapter in CHAPTERS for example in chapter.examples)
    taught = {name for name, value in vars(verbs).items() if callable(value) and value.__module__ == verbs.__name__}
    taught = {name for name in taught if name[0].islower()} | {"any_of", "only", "band", "smallest", "largest", "when"}
    missing = {name for name in taught - {"smallest"} if f"{name}(" not in shown}
    assert not missing


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == document(), "run: python -m tests.spec.document"


def test_somebody_born_on_29_february_has_a_birthday_on_1_march_in_other_years():
    born = datetime(1964, 2, 29)
    assert years_between(born, datetime(2023, 3, 1)) == 59
    assert years_between(born, datetime(2023, 2, 28)) == 58 + 364 / 365
    assert years_between(born, datetime(2024, 2, 29)) == 60

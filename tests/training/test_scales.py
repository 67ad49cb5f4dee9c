"""What a probability is called does not depend on how it is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.published.categories import esc_2021
from training.scales import ESC_2021, Bands, Level, scale_from_dict
from training.studies import STUDIES
from training.values import Bilingual


def levels(*codes: str) -> tuple[Level, ...]:
    return tuple(Level(code, Bilingual.same(code)) for code in codes)


def test_a_bound_is_in_the_level_above() -> None:
    scale = Bands((0.2, 0.5), levels("low", "middle", "high"))
    found = [scale.level(p, None) for p in (0.0, 0.1999, 0.2, 0.4999, 0.5, 1.0)]
    assert [level.code for level in found if level] == ["low", "low", "middle", "middle", "high", "high"]
    assert scale.name == "Vigie 20-50"


@given(st.floats(0, 1), st.floats(40, 90))
def test_esc_categories_are_the_guidelines(risk: float, age: float) -> None:
    level = ESC_2021.level(risk, age)
    assert level is not None
    assert level.code == esc_2021(risk, age)
    assert ESC_2021.level(risk, None) is None


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_a_study_s_scale_comes_back_from_its_bundle(study) -> None:
    again = scale_from_dict(study.scale.to_dict())
    assert again == study.scale
    if isinstance(study.scale, Bands):
        assert study.thresholds == study.scale.bounds  # what is decided on is what is shown


def test_impossible_scales_are_refused() -> None:
    with pytest.raises(ValueError, match=r"not increasing.*make 3 levels, not 2"):
        Bands((0.5, 0.2), levels("low", "high"))
    with pytest.raises(ValueError, match="no scale of the kind 'other'"):
        scale_from_dict({"kind": "other"})

"""What the studies on the synthetic population share: where the data come from, and how places are grouped."""

from __future__ import annotations

from typing import Final

from training.values import Bilingual

SYNTHETIC: Final = Bilingual(
    fr="Population synthétique de cabinets français de médecine générale, 2009 à 2026, aux risques connus.",
    en="Synthetic population of French general practices, 2009 to 2026, whose hazards are known.",
)

#: INSEE's seven levels of density: 1 and 2 are the large and middle towns, 5 to 7 the countryside.
RURALITY: Final = (1, 3, 5, 8)

#: Numbers of practices that a learning curve learns from.
LEARNED_FROM: Final = (5, 10, 20, 40, 80, 160)

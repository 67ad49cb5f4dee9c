"""What authored parts share: studies of synthetic data have the same legal basis, funding, …"""

from __future__ import annotations

from typing import Final

from training.card import NotApplicable
from training.values import Bilingual


def not_applicable(fr: str, en: str) -> NotApplicable:
    """Return a field that does not apply, and why."""
    return NotApplicable(reason=Bilingual(fr=fr, en=en))


LEGAL_BASIS: Final = not_applicable(
    "Données synthétiques : aucune personne n’est concernée. Un usage réel demande une base légale et l’avis "
    "préalable du comité scientifique et éthique.",
    "Synthetic data: nobody is concerned. Real use needs a legal basis and the prior opinion of the scientific and "
    "ethics committee.",
)
FUNDING: Final = not_applicable("Aucun financement dédié.", "No dedicated funding.")
CONFLICTS_OF_INTEREST: Final = Bilingual(fr="Aucun lien d’intérêts déclaré.", en="No conflict of interest declared.")
INVOLVEMENT: Final = not_applicable(
    "Démonstration sur données synthétiques : ni patients ni médecins n’ont encore été associés ; c’est requis avant "
    "toute étude réelle.",
    "Demonstration on synthetic data: neither patients nor practitioners have been involved yet; this is required "
    "before any real study.",
)
OPENNESS: Final = Bilingual(
    fr="Code ouvert (Apache-2.0) ; données synthétiques reproductibles par leur graine ; définitions de l’étude dans "
    "training/studies/.",
    en="Open code (Apache-2.0); synthetic data reproducible from their seed; the study’s definitions are in "
    "training/studies/.",
)

"""All desks of a service: several studies, several versions of each, and candidates scored beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from serving import settings
from serving.desk import Desk
from serving.gate import Admitted
from serving.refusals import BundleMissing, KeysUnusable, LedgerMissing, Refused
from serving.shadow import Shadow
from training.card import ModelCard
from training.committee import Watch

#: The study that is asked where an address names none, if it is served.
FIRST: Final = "cardiovascular"
#: Bundles that are opened at once.
AT_ONCE: Final = 2


class NoSuchStudy(LookupError):
    """A study of which no model is served here."""


class Desks:
    """The desks of a service.

    Parameters
    ----------
    desks
        One a bundle. Of several of one study the newest that may be used now answers.
    shadows
        Candidates, each compared with what answers for its study.
    without
        Why some candidates are not compared.
    """

    def __init__(self, desks: Sequence[Desk], shadows: Sequence[Shadow] = (), without: Sequence[Refused] = ()) -> None:
        self.desks = tuple(sorted(desks, key=_age))
        self.shadows = {shadow.study: shadow for shadow in shadows}
        self.without = tuple(without)

    @classmethod
    def open(cls, bundles: Sequence[Path], environment: Mapping[str, str], data: Path | None = None) -> Desks:
        """Return the desks of some bundles, and of the candidates that the environment names.

        Whatever is wrong with one bundle keeps none of the others from being served.

        Parameters
        ----------
        bundles
            Folders.
        environment
            Settings (`serving.settings`).
        data
            Folder in which comparisons with candidates are kept, None where they are not.
        """
        if not bundles:
            missing = f"no bundle is named: set {settings.BUNDLES}, or serve a Bento made with `serving release`"
            return cls((Desk(None, BundleMissing(missing)),))
        try:
            watch = watched(environment)
        except Refused as refusal:
            return cls((Desk(None, refusal),))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            desks = list(pool.map(lambda bundle: Desk.open(bundle, environment, watch), bundles))
        shadows, without = [], []
        for bundle in settings.folders(environment, settings.SHADOWS):
            try:
                shadows.append(Shadow.open(bundle, data))
            except Refused as refusal:
                without.append(refusal)
        return cls(desks, shadows, without)

    @cached_property
    def studies(self) -> tuple[str, ...]:
        """The studies there are, that which is asked where none is named before the others."""
        found = dict.fromkeys(desk.study for desk in self.desks if desk.study is not None)
        return tuple(sorted(found, key=lambda study: (study != FIRST, study)))

    def of(self, study: str | None = None, moment: datetime | None = None) -> Desk:
        """Return the desk that answers for a study, or for the first where none is named.

        Of several versions it is that of the newest card which may be used at a moment (now by default); of none that
        may, the newest, which says why.

        Raises
        ------
        NoSuchStudy
            If no model of the study is served here.
        Refused
            If nothing at all is served.
        """
        if not self.studies:
            raise self.desks[0].refusal or Refused("no model is served here")
        study = study or self.studies[0]
        versions = [desk for desk in self.desks if desk.study == study]
        if not versions:
            raise NoSuchStudy(study)
        if len(versions) == 1:
            return versions[0]
        return next((desk for desk in versions if _may_answer(desk, moment)), versions[0])

    def served(self) -> tuple[Admitted, ...]:
        """Return the models that answer, one a study, the first of `studies` first."""
        return tuple(desk.model() for study in self.studies if (desk := self.of(study)).ready())

    def known(self) -> tuple[Admitted, ...]:
        """Return the models there are, one a study, whether they may be used now or not."""
        found = [self.of(study).admitted for study in self.studies]
        return tuple(admitted for admitted in found if admitted is not None)

    def ready(self) -> bool:
        """Return whether some model may be used now."""
        return any(desk.ready() for desk in self.desks)

    def withheld(self) -> tuple[tuple[Desk, Refused], ...]:
        """Return the desks that may not answer now, each with why."""
        return tuple((desk, why) for desk in self.desks if (why := desk.why_not()) is not None)

    def close(self) -> None:
        """Let candidates end what they are comparing."""
        for shadow in self.shadows.values():
            shadow.close()


def watched(environment: Mapping[str, str]) -> Watch | None:
    """Return the watch over the committee's ledger, None where none is named; raise `Refused` if none can be kept."""
    try:
        path = settings.ledger(environment)
    except settings.InvalidSetting as wrong:
        raise LedgerMissing(str(wrong)) from wrong
    if path is None:
        return None
    try:
        return Watch(path, settings.trusted_keys(environment), environment.get(settings.LEDGER_HEAD))
    except (OSError, ValueError) as error:
        raise KeysUnusable(f"{settings.TRUSTED_KEYS}: {error}") from error


def _may_answer(desk: Desk, moment: datetime | None) -> bool:
    try:
        desk.model(moment)
    except Refused:
        return False
    return True


def _age(desk: Desk) -> tuple[bool, float, str]:
    """Return what desks are ordered by: the newest card first, those without one last."""
    card: ModelCard | None = desk.card
    return (True, 0.0, "") if card is None else (False, -card.identity.created_at.timestamp(), card.digest)

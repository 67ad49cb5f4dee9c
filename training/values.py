"""Values that models, decisions and cards are made of: texts for readers, moments, digests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints


def utc(moment: datetime) -> datetime:
    """Return the moment in UTC; one without a time zone is taken to be in UTC already, as records are."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(utc)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class Frozen(BaseModel):
    """A value that cannot be changed and takes no field it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Bilingual(Frozen):
    """A text for readers, in French and in English."""

    fr: Text
    en: Text

    @classmethod
    def same(cls, text: str) -> Self:
        """Return a name that is the same in both languages."""
        return cls(fr=text, en=text)

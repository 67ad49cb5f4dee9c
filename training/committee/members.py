"""Who sits on the committee, by which rules it decides, and both as the ledger holds them: the roll."""

from __future__ import annotations

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, PositiveInt, StringConstraints, model_validator

from training.committee.keys import key_id
from training.values import Bilingual, Frozen, Moment, Text

Role = Literal["doctor", "researcher", "lawyer", "patients_representative", "chair", "author"]

ROLES: Final[dict[Role, Bilingual]] = {
    "doctor": Bilingual(fr="médecin", en="doctor"),
    "researcher": Bilingual(fr="chercheur ou chercheuse", en="researcher"),
    "lawyer": Bilingual(fr="juriste", en="lawyer"),
    "patients_representative": Bilingual(
        fr="représentant ou représentante des patients", en="patients’ representative"
    ),
    "chair": Bilingual(fr="présidence", en="chair"),
    "author": Bilingual(fr="auteur ou autrice de l’étude (ne vote pas)", en="study author (does not vote)"),
}

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,39}$")]
"""By which a member signs in, such as ``a.martin``."""


class Member(Frozen):
    """Somebody who takes part in the committee's work.

    Parameters
    ----------
    id
        By which the member signs in.
    name
        As it is shown and written into decisions.
    roles
        What the member is. An author answers questions and does not vote.
    public_key
        Raw Ed25519 public key, in hexadecimal.
    """

    id: Name
    name: Text
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if "author" in self.roles and len(self.roles) > 1:
            raise ValueError(f"{self.id} is an author, who judges nothing, and has another role as well")
        return self

    @cached_property
    def key(self) -> Ed25519PublicKey:
        """The public key."""
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key))

    @property
    def key_id(self) -> str:
        """Id of the public key."""
        return key_id(self.key)

    @property
    def votes(self) -> bool:
        """Whether the member votes."""
        return "author" not in self.roles


def _both_sides() -> dict[Role, int]:
    return {"doctor": 1, "patients_representative": 1}


class Rules(Frozen):
    """How the committee decides.

    Parameters
    ----------
    quorum
        Members who must have taken part in a vote. Who has declared an interest does not count.
    roles
        How many of them must have each of these roles.
    majority
        Share of the votes for and against that the votes for must exceed; abstentions count for the quorum only.
    longest_approval_days
        Days after its date on which an approval ends at the latest.
    suspending_members
        Members who together suspend a model at once, without a vote.
    chair_suspends
        Whether the chair alone does.
    """

    quorum: PositiveInt = 5
    roles: dict[Role, PositiveInt] = Field(default_factory=_both_sides)
    majority: Annotated[float, Field(ge=0.5, lt=1)] = 0.5
    longest_approval_days: PositiveInt = 365
    suspending_members: PositiveInt = 2
    chair_suspends: bool = True

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Return the rules of a TOML file, whose keys are the parameters; those left out have their defaults."""
        return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


class Roll(Frozen):
    """The committee's composition and rules from a moment on, until the next roll.

    Parameters
    ----------
    committee
        Its name.
    contact
        Where anybody may write to it, to ask or to object.
    rules
        How it decides.
    members
        Who takes part.
    declared_at
        When, in UTC.
    demonstration
        Whether nothing it decides is real.
    """

    committee: Bilingual | Text
    contact: Text
    rules: Rules
    members: tuple[Member, ...]
    declared_at: Moment
    demonstration: bool = False

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        """Refuse, with all faults at once, a committee that could decide nothing or whose members are mixed up."""
        if faults := [*self._twins(), *self._short()]:
            raise ValueError("; ".join(faults))
        return self

    def _twins(self) -> list[str]:
        faults = []
        for what in ("id", "name", "public_key"):
            values = [getattr(member, what) for member in self.members]
            if len(set(values)) != len(values):
                faults.append(f"two members have the same {what}")
        return faults

    def _short(self) -> list[str]:
        voters = [member for member in self.members if member.votes]
        faults = []
        if len(voters) < self.rules.quorum:
            faults.append(f"{len(voters)} members who vote are fewer than the quorum of {self.rules.quorum}")
        for role, needed in {**self.rules.roles, "chair": max(1, self.rules.roles.get("chair", 0))}.items():
            if sum(role in member.roles for member in voters) < needed:
                faults.append(f"the role {role} is held by fewer members than the {needed} that a vote needs")
        return faults

    def member(self, name: str) -> Member | None:
        """Return the member with that id, None if there is none."""
        return next((member for member in self.members if member.id == name), None)

    def signer(self, key: str) -> Member | None:
        """Return the member with that key id, None if there is none."""
        return next((member for member in self.members if member.key_id == key), None)

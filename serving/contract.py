"""What may be asked and what is answered: the JSON of ``POST /score``, typed, bounded and closed at every level.

A request is one patient's records and nothing that identifies them: `serving.reading` makes a history of it. An answer
is a `Risk` or an `Abstention`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    RootModel,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from features.codes import SYSTEMS, InvalidCode
from training.values import Bilingual

MOST_RECORDS: Final = 2000
MOST_REQUESTS: Final = 100
LONGEST_CODE: Final = 64
LARGEST_VALUE: Final = 1e9
YEARS: Final = (1880, 2200)
A_DAY: Final = timedelta(days=1)
UNIT: Final = r"[!-~]{1,24}"
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d))?", re.ASCII)


class Closed(BaseModel):
    """A value that takes no field it does not know, converts no type, and cannot be changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


# --- Request ----------------------------------------------------------------------------------------------


def moment_of(text: object) -> datetime:
    """Return the naive UTC datetime that a text stands for; raise PydanticCustomError for what is no such text."""
    if not isinstance(text, str):
        raise _no_moment()
    try:
        if text[4::3] == "--T::Z" and len(text) == len("2026-03-02T10:00:00Z"):  # as nearly all software writes it
            found = datetime.fromisoformat(text[:-1])
        elif MOMENT.fullmatch(text):
            found = datetime.fromisoformat(text)
            found = found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
        else:
            raise _no_moment()
    except (ValueError, OverflowError) as error:
        raise _no_moment() from error
    if not YEARS[0] <= found.year < YEARS[1]:
        raise PydanticCustomError("moment", f"a date in the years {YEARS[0]} to {YEARS[1] - 1}")
    return found


def _no_moment() -> PydanticCustomError:
    return PydanticCustomError("moment", "a date (2026-03-02) or an ISO 8601 date-time with its offset from UTC")


def not_far_ahead(moment: datetime | None) -> datetime | None:
    """Return a moment, or raise PydanticCustomError where it is more than a day ahead."""
    if moment is not None and moment > now() + A_DAY:
        raise PydanticCustomError("as_of", "a moment that is at most a day ahead: nothing is known after it")
    return moment


def _system(name: str) -> str:
    if name not in SYSTEMS:
        raise PydanticCustomError("system", f"one of {', '.join(SYSTEMS)}")
    return name


@lru_cache(maxsize=1 << 16)
def spelled(system: str, code: str) -> str:
    """Return a code as its system writes it; codes repeat, so it is worked out once for each that is one."""
    return SYSTEMS[system](code).value


def now() -> datetime:
    """Return the present moment as records have theirs: UTC, without a time zone attached."""
    return datetime.now(UTC).replace(tzinfo=None)


Moment = Annotated[
    datetime,
    PlainValidator(moment_of),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}),
]


class ClinicalRecord(Closed):
    """One thing that happened to the patient: a code, when it happened, when it became known, and its value if any."""

    system: Annotated[
        str,
        AfterValidator(_system),
        Field(description="Coding system of the code.", json_schema_extra={"enum": list(SYSTEMS)}),
    ]
    code: Annotated[
        str,
        Field(min_length=1, max_length=LONGEST_CODE, description="Code, in the form its system prescribes."),
    ]
    happened_at: Annotated[
        Moment,
        Field(description="When it happened: a date-time with its offset, or a date (midnight UTC)."),
    ]
    known_at: Annotated[
        Moment | None,
        Field(description="When it reached the practice's file, if later than it happened: a letter, a laboratory."),
    ] = None
    value: Annotated[
        float | None,
        Field(ge=-LARGEST_VALUE, le=LARGEST_VALUE, description="Measured value, where the code has one."),
    ] = None
    unit: Annotated[
        str | None,
        Field(pattern=f"^{UNIT}$", description="UCUM unit of the value. Without it a measurement is not used."),
    ] = None

    @field_validator("code")
    @classmethod
    def _of_its_system(cls, code: str, info: ValidationInfo) -> str:
        name = info.data.get("system")
        try:
            return code if name is None else spelled(name, code)
        except InvalidCode:
            assert name is not None
            form = f"a {SYSTEMS[name].title} code, which should {SYSTEMS[name].form}"
            raise PydanticCustomError("code", "{form}", {"form": form}) from None

    @field_validator("known_at")
    @classmethod
    def _not_before_it_happened(cls, known_at: datetime | None, info: ValidationInfo) -> datetime | None:
        if known_at is not None and known_at < info.data.get("happened_at", known_at):
            raise PydanticCustomError("known_at", "a moment not before happened_at")
        return known_at


AsOf = Annotated[
    Moment | None,
    AfterValidator(not_far_ahead),
    Field(description="The risk is estimated from what was known strictly before this moment; now, if left out."),
]


class ScoreRequest(Closed):
    """One patient's records, and the moment at which the risk is asked for. No name, no number, no address."""

    as_of: AsOf = None
    records: Annotated[
        list[ClinicalRecord],
        Field(min_length=1, max_length=MOST_RECORDS, description="The patient's records, in any order."),
    ]


class BatchRequest(Closed):
    """Several patients, each a request of its own."""

    requests: Annotated[list[ScoreRequest], Field(min_length=1, max_length=MOST_REQUESTS)]


# --- Answer -----------------------------------------------------------------------------------------------

UtcMoment = Annotated[
    datetime,
    PlainSerializer(lambda moment: moment.isoformat() + "Z", return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Note(Closed):
    """Something to know, as a stable code for software and a sentence for people."""

    code: str
    fr: str
    en: str


class Omission(Note):
    """Records that were sent and not used."""

    count: Annotated[int, Field(ge=1, description="How many records.")]


class ModelIdentity(Closed):
    """The model that answered; the digest is over all its files."""

    study: str
    name: str
    title: Bilingual
    digest: str


class CardIdentity(Closed):
    """The model card under which the committee approved it."""

    version: str
    digest: str


class Category(Closed):
    """A risk category and the scheme it belongs to."""

    scheme: str
    code: str
    fr: str
    en: str


class Comparator(Closed):
    """What a published score gives for the same patient, or why it gives nothing."""

    name: str
    title: Bilingual
    risk: Annotated[float | None, Field(ge=0, le=1)]
    category: Category | None
    refusal: Note | None


Direction = Literal["raises", "lowers", "none"]


class Reason(Closed):
    """What one feature does to this patient's risk, in the model's own terms: an association, not a cause."""

    feature: str
    direction: Annotated[Direction, Field(description="What it does to the risk.")]
    contribution: Annotated[float, Field(description="What it adds to the log-odds of the event (Shapley value).")]
    fr: str
    en: str


class Input(Closed):
    """A value the model used, as it was understood: in the definition's own unit, with the date of its measurement."""

    feature: str
    fr: str
    en: str
    value: float | bool
    unit: Annotated[str | None, Field(description="UCUM unit; null for a condition.")]
    measured_at: Annotated[UtcMoment | None, Field(description="Date of the measurement, where there is one.")]


class Unmet(Note):
    """A condition for an answer that does not hold."""

    because: Annotated[
        Literal["false", "missing"],
        Field(description="'false': the records say so. 'missing': they do not say either."),
    ]


class Missing(Closed):
    """A value the model would have used."""

    feature: str
    fr: str
    en: str


class Answered(Closed):
    """What every answer says about itself."""

    kind: str
    as_of: UtcMoment
    model: ModelIdentity
    card: CardIdentity
    decision: Annotated[str, Field(description="SHA-256 of the committee's decision under which it is served.")]
    approved_until: Annotated[date, Field(description="Last day of the committee's approval.")]
    conditions: Annotated[
        tuple[Bilingual, ...], Field(description="Under which the committee approved the model.")
    ] = ()
    quantity: Annotated[Bilingual, Field(description="What the probability is called in a sentence, with its article.")]
    demonstration: Annotated[bool, Field(description="True where the approval is a demonstration and binds nobody.")]
    notice: Bilingual
    warnings: tuple[Omission, ...] = ()


class Risk(Answered):
    """An estimate of the probability of the event within the horizon."""

    kind: Literal["risk"] = "risk"
    risk: Annotated[float, Field(ge=0, le=1, description="Probability, six decimals: see `quantity`.")]
    horizon_years: float
    category: Category | None
    comparator: Comparator | None
    reasons: Annotated[tuple[Reason, ...], Field(description="The five features that move the risk most.")]
    inputs: tuple[Input, ...]
    missing: tuple[Missing, ...]


class Abstention(Answered):
    """No estimate, and why: all the reasons at once."""

    kind: Literal["abstention"] = "abstention"
    reasons: Annotated[tuple[Unmet, ...], Field(min_length=1)]


Answer = Annotated[Risk | Abstention, Field(discriminator="kind")]


class AnswerBody(RootModel[Answer]):
    """The body of an answer."""


class Answers(Closed):
    """The answers to several requests, in their order."""

    answers: tuple[Answer, ...]


class Served(Closed):
    """A model that is served, and under which approval."""

    model: ModelIdentity
    card: CardIdentity
    decision: Annotated[str, Field(description="SHA-256 of the committee's decision under which it is served.")]
    horizon_years: float
    approved_until: date
    conditions: Annotated[
        tuple[Bilingual, ...], Field(description="Under which the committee approved the model.")
    ] = ()
    demonstration: bool
    notice: Bilingual
    ready: Annotated[bool, Field(description="False while the committee's decision does not let it answer.")]
    pages: Annotated[dict[str, str], Field(description="Addresses of the model card, by language.")]


class Withheld(Closed):
    """A bundle that should be served and may not be now."""

    study: Annotated[str | None, Field(description="Null where its card cannot be trusted to say so.")]
    code: Annotated[str, Field(description="Which rule of the gate refuses it.")]


class Models(Closed):
    """All models served here, the newest of each study that may be used now, and what is withheld."""

    models: tuple[Served, ...]
    withheld: tuple[Withheld, ...] = ()


# --- Problems ---------------------------------------------------------------------------------------------


class Fault(Closed):
    """One thing wrong with a request: where it is and what is expected there. What was sent is never repeated."""

    where: str
    expected: str
    code: str


class Problem(Closed):
    """Why a request was not answered."""

    code: str
    message: str
    faults: tuple[Fault, ...] = ()


EXPECTED: Final[dict[str, str]] = {
    "missing": "this field, which is required",
    "string_type": "a string",
    "float_type": "a number",
    "finite_number": "a finite number",
    "less_than_equal": f"a number from -{LARGEST_VALUE:g} to {LARGEST_VALUE:g}",
    "greater_than_equal": f"a number from -{LARGEST_VALUE:g} to {LARGEST_VALUE:g}",
    "list_type": "a list",
    "model_type": "an object",
    "string_pattern_mismatch": "from 1 to 24 printable ASCII characters, such as mm[Hg]",
}


def faults_of(error: ValidationError, model: type[BaseModel]) -> tuple[Fault, ...]:
    """Return all that is wrong with a request that should be of a model, without a word of what was sent."""
    found = []
    for each in error.errors(include_input=False, include_url=False):
        kind, where = each["type"], [str(part) for part in each["loc"]]
        if kind == "extra_forbidden":
            where[-1] = "(unknown field)"  # its name was sent too
            expected = f"one of {', '.join(_at(model, where[:-1]).model_fields)}"
        elif kind.endswith(("too_short", "too_long")):
            expected = _size(_at(model, where[:-1]), where[-1])
        else:
            expected = EXPECTED.get(kind, each["msg"])
        found.append(Fault(where=".".join(where) or "(body)", expected=expected, code=kind))
    return tuple(found)


def _at(model: type[BaseModel], where: Iterable[str]) -> type[BaseModel]:
    """Return the model of what is at a place in a request."""
    for name in where:
        if name in model.model_fields:
            model = next(_models(model.model_fields[name].annotation), model)
    return model


def _size(model: type[BaseModel], name: str) -> str:
    """Return how many characters, or elements, a field may have."""
    field = model.model_fields[name]
    least, most = (
        next(getattr(bound, which) for bound in field.metadata if hasattr(bound, which))
        for which in ("min_length", "max_length")
    )
    return f"from {least} to {most} {'characters' if field.annotation is str else name}"


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation names, such as that of the elements of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)

"""The service's documentation: an OpenAPI description with examples that run as they are, and the page that shows it.

What a request may hold is described from the definitions of the model that is served: which codes it reads, in which
units, within which limits.
"""

from __future__ import annotations


from typing import Any, Final





from serving.contract import ScoreRequest



TITLE: Final = "Vigie"
SUMMARY: Final = "Decision support for primary care: a patient's records in, a risk or an abstention out."
VERSION: Final = "1"

AS_OF: Final = "2025-03-03T09:00:00+01:00"


def _record(code: str, happened_at: str, value: float | None = None, unit: str | None = None, **more: Any) -> Any:
    system, _, value_of_code = code.partition(":")
    measured = {} if value is None else {"value": value, "unit": unit}
    return {"system": system, "code": value_of_code, "happened_at": happened_at, **measured, **more}


_WOMAN_OF_62: Final = [
    _record("PRACTICE:birth", "1962-06-14"),
    _record("PRACTICE:female", "1962-06-14"),
    _record("PRACTICE:registered", "2011-09-05"),
    _record("LOINC:8480-6", "2023-11-20T10:10:00+01:00", 148, "mm[Hg]"),
    _record("LOINC:8480-6", "2024-06-11T09:20:00+02:00", 156, "mm[Hg]"),
    _record("LOINC:8480-6", "2025-02-10T09:40:00+01:00", 162, "mm[Hg]"),
    _record("LOINC:14647-2", "2024-10-02T07:50:00+02:00", 6.2, "mmol/L", known_at="2024-10-04T18:00:00+02:00"),
    _record("LOINC:14646-4", "2024-10-02T07:50:00+02:00", 0.46, "g/L", known_at="2024-10-04T18:00:00+02:00"),
    _record("LOINC:39156-5", "2025-02-10T09:40:00+01:00", 27.4, "kg/m2"),
    _record("LOINC:LA18976-3", "2024-06-11T09:20:00+02:00"),
    _record("ATC:C09AA05", "2025-02-10T09:55:00+01:00"),
    _record("CISP2:K86", "2023-11-20T10:10:00+01:00"),
    _record("PRACTICE:consultation", "2024-06-11T09:20:00+02:00"),
    _record("PRACTICE:consultation", "2025-02-10T09:40:00+01:00"),
]

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "risk": {
        "summary": "A woman of 62 who smokes, with a raised blood pressure: a risk",
        "description": "HDL cholesterol came in g/L, two days after the blood was taken.",
        "value": {"as_of": AS_OF, "records": _WOMAN_OF_62},
    },
    "abstention": {
        "summary": "The same woman without a blood pressure: an abstention",
        "description": "Blood pressure was last measured more than two years ago.",
        "value": {
            "as_of": AS_OF,
            "records": [
                *(record for record in _WOMAN_OF_62 if record["code"] != "8480-6"),
                _record("LOINC:8480-6", "2022-05-03T11:00:00+02:00", 141, "mm[Hg]"),
            ],
        },
    },
}


def request_of(example: str) -> ScoreRequest:
    """Return the request of an example, validated as one that came over the network."""
    import json

    return ScoreRequest.model_validate_json(json.dumps(EXAMPLES[example]["value"]))

"""Why a request was not answered, as FHIR says it: an OperationOutcome, without a word of what was sent."""

from __future__ import annotations

import json
from typing import Any, Final

from serving.contract import Problem

FHIR_JSON: Final = "application/fhir+json"
CODES: Final = "urn:vigie:fhir:problem"
#: FHIR's issue types by our codes; what has none here is a rule of ours that does not allow an answer.
ISSUES: Final = {
    **dict.fromkeys(("malformed", "duplicate_field"), "structure"),
    **dict.fromkeys(("media_type_refused", "encoding_refused", "query_refused", "method_refused"), "not-supported"),
    **dict.fromkeys(("not_acceptable", "bundle_type"), "not-supported"),
    **dict.fromkeys(("invalid", "unknown_field", "unknown_parameter", "twice"), "invalid"),
    **dict.fromkeys(("not_a_number", "moment", "as_of", "language", "type"), "value"),
    **dict.fromkeys(("missing", "no_patient"), "required"),
    **dict.fromkeys(("too_large", "too_many"), "too-long"),
    "several_patients": "multiple-matches",
    "incomplete": "incomplete",
    "not_found": "not-found",
    "internal_error": "exception",
}


def operation_outcome(problem: Problem) -> bytes:
    """Return the OperationOutcome that tells a problem: one issue a fault, or one for the whole."""
    issues = [_issue(fault.code, f"{fault.where}: expected {fault.expected}", fault.where) for fault in problem.faults]
    issues = issues or [_issue(problem.code, problem.message)]
    return json.dumps({"resourceType": "OperationOutcome", "issue": issues}, ensure_ascii=False).encode()


def _issue(code: str, text: str, where: str | None = None) -> dict[str, Any]:
    return {
        "severity": "error",
        "code": ISSUES.get(code, "business-rule"),
        "details": {"coding": [{"system": CODES, "code": code}], "text": text},
        **({"expression": [where]} if where else {}),
    }

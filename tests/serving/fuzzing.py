"""A check for schemathesis (``SCHEMATHESIS_HOOKS``): what the OpenAPI description allows is refused only for what no
schema can say. Every other refusal of it is a gap in the description.
"""

from __future__ import annotations

import schemathesis

BEYOND_A_SCHEMA = {
    "as_of": "at most a day ahead, whatever day it is",
    "moment": "years from 1880 to 2199",
    "known_at": "not before happened_at",
    "code": "of the form that its system prescribes, its check digit included",
    "fhir_server": "wherever there is fhirAuthorization",
    "prefetch": "what the discovery of this service asks for",
    "patient": "the patient of the context",
    "twice": "each parameter once",
    "no_patient": "one Patient with an id among the resources",
}


@schemathesis.check
def refused_only_for_what_no_schema_can_say(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Fail where a request that keeps to the description is refused for anything else."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (412, 422):
        return
    told = response.json()
    codes = {fault["code"] for fault in told["faults"]} if "faults" in told else set()
    codes |= {issue["details"]["coding"][0]["code"] for issue in told.get("issue", ())}
    assert codes, "a refusal says why"
    assert codes <= BEYOND_A_SCHEMA.keys(), f"refused for {sorted(codes - BEYOND_A_SCHEMA.keys())}"

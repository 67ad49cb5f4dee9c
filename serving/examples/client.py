"""Ask Vigie from Python, with nothing but the standard library. Usage: ``client.py [address]``."""

from __future__ import annotations

import json
import re
import sys
import uuid
from datetime import date
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

HERE = Path(__file__).parent


def ask(address: str, body: Any = None, kind: str = "application/json") -> Any:
    """Return what is answered; print why where nothing is, all faults at once."""
    sent = None if body is None else json.dumps(body).encode()
    request = Request(address, sent, {"Content-Type": kind, "Accept-Language": "en"})
    try:
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except HTTPError as error:
        for issue in json.load(error).get("issue", []):
            print(f"refused: {issue['details']['text']}", file=sys.stderr)
        raise SystemExit(1) from None


def evaluate(vigie: str, parameters: Any) -> None:
    """Print a patient's risk, or why there is none."""
    found = ask(f"{vigie}/fhir/RiskAssessment/$evaluate", parameters, "application/fhir+json")
    if found["status"] == "cancelled":
        reasons = [each for each in found["extension"] if each["url"] == "urn:vigie:fhir:abstention"]
        print("no risk is given:", *(each["valueCodeableConcept"]["text"] for each in reasons), sep="\n  ")
        return
    (prediction,) = found["prediction"]
    print(f"risk: {prediction['probabilityDecimal']:.1f}%, {prediction['qualitativeRisk']['text']}")
    print(prediction["rationale"])
    print(f"from {len(found['basis'])} resources, such as {found['basis'][0]['display']}")


def as_if_today(parameters: Any) -> Any:
    """Return the example's Bundle with all its dates moved alike, so that the day it was asked about is today."""
    given = {each["name"]: each for each in parameters["parameter"]}
    by = date.today() - date.fromisoformat(given["as_of"]["valueDateTime"][:10])
    text = json.dumps(given["bundle"]["resource"])
    return json.loads(re.sub(r'"(\d{4}-\d\d-\d\d)', lambda day: f'"{date.fromisoformat(day[1]) + by}', text))


def open_file(vigie: str, bundle: Any) -> None:
    """Print the cards that are shown when a patient's file is opened."""
    resources = [entry["resource"] for entry in bundle["entry"]]
    (patient,) = (each for each in resources if each["resourceType"] == "Patient")
    for service in ask(f"{vigie}/cds-services")["services"]:
        prefetch: dict[str, Any] = {}
        for key, template in service["prefetch"].items():  # a real client puts these to its FHIR server
            kind = template.partition("?")[0].partition("/")[0]
            entries = [{"resource": each} for each in resources if each["resourceType"] == kind]
            whole = {"resourceType": "Bundle", "type": "searchset", "entry": entries} if entries else None
            prefetch[key] = patient if kind == "Patient" else whole
        call = {
            "hook": service["hook"],
            "hookInstance": str(uuid.uuid4()),
            "context": {"userId": "Practitioner/example", "patientId": patient["id"]},
            "prefetch": prefetch,
        }
        for card in ask(f"{vigie}/cds-services/{service['id']}", call)["cards"]:
            print(f"[{card['indicator']}] {card['summary']}")


def main() -> None:
    """Ask about one patient at two doors."""
    vigie = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:3000"
    parameters = json.loads((HERE / "parameters.json").read_text(encoding="utf-8"))
    evaluate(vigie, parameters)
    open_file(vigie, as_if_today(parameters))


if __name__ == "__main__":
    main()

#!/bin/sh
# Ask Vigie with curl. Usage: client.sh [address]
set -eu
vigie="${1:-http://127.0.0.1:3000}"
here="$(cd "$(dirname "$0")" && pwd)"

echo "The service's own JSON:"
curl --silent --show-error --fail-with-body "$vigie/score" \
    --header 'Content-Type: application/json' --data-binary "@$here/request.json"

printf '\n\nFHIR R4:\n'
curl --silent --show-error --fail-with-body "$vigie/fhir/RiskAssessment/\$evaluate" \
    --header 'Content-Type: application/fhir+json' --data-binary "@$here/parameters.json"

printf '\n\nCDS Hooks, what there is and what is to be sent along:\n'
curl --silent --show-error --fail-with-body "$vigie/cds-services"
echo

"""The service's documentation: an OpenAPI description whose examples run as they are."""

from serving.openapi.examples import AS_OF, EXAMPLES, patients, request_of
from serving.openapi.specification import TITLE, specification

__all__ = ["AS_OF", "EXAMPLES", "TITLE", "patients", "request_of", "specification"]

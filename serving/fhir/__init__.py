"""The FHIR R4 door: a patient's Bundle in, a RiskAssessment out.

`asking` says what may be asked, `reading` makes records of a Bundle by the reader that ingests deliveries, so that the
same Bundle gives the same records here and in a store; `assessment` and `outcome` write what is answered, `metadata`
what the door can do.
"""

from serving.fhir.asking import LARGEST, MEDIA, Evaluation, asked, study_of
from serving.fhir.assessment import assessment
from serving.fhir.metadata import capability_statement, operation_definition
from serving.fhir.outcome import FHIR_JSON, operation_outcome
from serving.fhir.reading import FileReading, read

__all__ = [
    "FHIR_JSON",
    "LARGEST",
    "MEDIA",
    "Evaluation",
    "FileReading",
    "asked",
    "assessment",
    "capability_statement",
    "operation_definition",
    "operation_outcome",
    "read",
    "study_of",
]

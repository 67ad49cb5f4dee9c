"""HL7 FHIR R4 (and its French profiles): bundles and bulk exports.

A delivery is a JSON file (a bundle, or one resource) or an NDJSON file of a bulk export, gzipped or not, or a folder or
a zip of such files. Bundles are searchsets, transactions, batches, documents, messages and collections, one inside
another too. Files of other kinds are not opened.

Read, one record a fact:

- Patient: birth, sex and death; and the practice of everything that is the patient's.
- Encounter: a consultation if its class is ambulatory, at home or virtual (AMB, HH, VR); a hospital stay if inpatient
  (IMP, ACUTE, NONAC, OBSENC, SS); otherwise another contact.
- EpisodeOfCare: the registration and, once it has ended, the departure.
- Condition: the diagnosis, when it began or, that unsaid, when it was recorded.
- Observation: each measurement; a panel, such as blood pressure, gives one record a component.
- MedicationRequest, MedicationStatement, MedicationAdministration: the drug; a Medication that is referred to is
  looked up in the delivery.
- Procedure, Immunization: the act, the vaccine.
- DiagnosticReport: the report, its coded conclusions, and Observations that it contains. The results that it only
  refers to are resources of their own.
- AllergyIntolerance: the allergy; one that is named by the drug is a ``SOURCE:`` code, never a treatment.
- Coverage: its type, such as complementary health cover, if the source codes it. The long-term disease scheme (ALD)
  has no agreed code in FHIR: it is read only where it is the type.

Not read, and no fault: resources of all other types, among them FamilyMemberHistory (its diseases are a relative's),
Claim, ExplanationOfBenefit, MedicationDispense, ServiceRequest, CarePlan, Goal, ImagingStudy,
QuestionnaireResponse and Provenance; the manifest counts them by type. Of what is read: free text and identifiers;
when a condition ended; why somebody came; what a test found in words or codes (that it was done is a record), unless
the question is about the patient's own state or diagnosis, when the answer is the record's code; the value that an
observation had before it was corrected.

Who: a patient is the id of their Patient, however it is referred to. What refers to a Patient that is not in the
delivery is set aside, so that an export of what has changed must come with the Patients concerned. The practice is the
patient's managing organisation, else their first general practitioner, else ``"unstated"``.

Taken back: what was entered in error, a refuted diagnosis, a prescription cancelled before it was taken, a cancelled
coverage. The fact is sent again as it was, ``retracted_at`` the resource's last update, else the day of delivery; it
takes back what was sent under the same practice.

Where: a file is told by its name only if that is a type of resource (with numbers) and no other file has the name; any
other name may be a person's, and the file is told by its position among the files in the order of their paths.
"""

from features.sources.fhir.bundles import NOWHERE, Surroundings, each_resource
from features.sources.fhir.frames import Row
from features.sources.fhir.reader import FHIR
from features.sources.fhir.resources import rows

__all__ = ["FHIR", "NOWHERE", "Row", "Surroundings", "each_resource", "rows"]

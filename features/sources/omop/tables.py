"""The tables of OMOP CDM 5.4 that are written: their columns, their types, and what must not be null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

#: Columns of the tables by the specification, in its order: ``!`` is required; what is no date, no text by its name or
#: by ``:text``, and no ``:number`` is an integer.
COLUMNS: Final[Mapping[str, str]] = {
    "person": """
        person_id! gender_concept_id! year_of_birth! month_of_birth day_of_birth birth_datetime race_concept_id!
        ethnicity_concept_id! location_id provider_id care_site_id person_source_value gender_source_value
        gender_source_concept_id race_source_value race_source_concept_id ethnicity_source_value
        ethnicity_source_concept_id
    """,
    "observation_period": """
        observation_period_id! person_id! observation_period_start_date! observation_period_end_date!
        period_type_concept_id!
    """,
    "visit_occurrence": """
        visit_occurrence_id! person_id! visit_concept_id! visit_start_date! visit_start_datetime visit_end_date!
        visit_end_datetime visit_type_concept_id! provider_id care_site_id visit_source_value visit_source_concept_id
        admitted_from_concept_id admitted_from_source_value discharged_to_concept_id discharged_to_source_value
        preceding_visit_occurrence_id
    """,
    "condition_occurrence": """
        condition_occurrence_id! person_id! condition_concept_id! condition_start_date! condition_start_datetime
        condition_end_date condition_end_datetime condition_type_concept_id! condition_status_concept_id
        stop_reason:text provider_id visit_occurrence_id visit_detail_id condition_source_value
        condition_source_concept_id condition_status_source_value
    """,
    "drug_exposure": """
        drug_exposure_id! person_id! drug_concept_id! drug_exposure_start_date! drug_exposure_start_datetime
        drug_exposure_end_date! drug_exposure_end_datetime verbatim_end_date drug_type_concept_id! stop_reason:text
        refills quantity:number days_supply sig:text route_concept_id lot_number:text provider_id visit_occurrence_id
        visit_detail_id drug_source_value drug_source_concept_id route_source_value dose_unit_source_value
    """,
    "procedure_occurrence": """
        procedure_occurrence_id! person_id! procedure_concept_id! procedure_date! procedure_datetime procedure_end_date
        procedure_end_datetime procedure_type_concept_id! modifier_concept_id quantity provider_id visit_occurrence_id
        visit_detail_id procedure_source_value procedure_source_concept_id modifier_source_value
    """,
    "measurement": """
        measurement_id! person_id! measurement_concept_id! measurement_date! measurement_datetime measurement_time:text
        measurement_type_concept_id! operator_concept_id value_as_number:number value_as_concept_id unit_concept_id
        range_low:number range_high:number provider_id visit_occurrence_id visit_detail_id measurement_source_value
        measurement_source_concept_id unit_source_value unit_source_concept_id value_source_value measurement_event_id
        meas_event_field_concept_id
    """,
    "observation": """
        observation_id! person_id! observation_concept_id! observation_date! observation_datetime
        observation_type_concept_id! value_as_number:number value_as_string:text value_as_concept_id
        qualifier_concept_id unit_concept_id provider_id visit_occurrence_id visit_detail_id observation_source_value
        observation_source_concept_id unit_source_value qualifier_source_value value_source_value observation_event_id
        obs_event_field_concept_id
    """,
    "death": """
        person_id! death_date! death_datetime death_type_concept_id cause_concept_id cause_source_value
        cause_source_concept_id
    """,
    "location": """
        location_id! address_1:text address_2:text city:text state:text zip:text county:text location_source_value
        country_concept_id country_source_value latitude:number longitude:number
    """,
    "care_site": """
        care_site_id! care_site_name:text place_of_service_concept_id location_id care_site_source_value
        place_of_service_source_value
    """,
    "cdm_source": """
        cdm_source_name!:text cdm_source_abbreviation!:text cdm_holder!:text source_description:text
        source_documentation_reference:text cdm_etl_reference:text source_release_date! cdm_release_date!
        cdm_version:text cdm_version_concept_id! vocabulary_version!:text
    """,
    "concept": """
        concept_id! concept_name!:text domain_id!:text vocabulary_id!:text concept_class_id!:text standard_concept:text
        concept_code!:text valid_start_date! valid_end_date! invalid_reason:text
    """,
    "vocabulary": """
        vocabulary_id!:text vocabulary_name!:text vocabulary_reference:text vocabulary_version:text
        vocabulary_concept_id!
    """,
}


def _field(written: str) -> pa.Field:
    name, _, kind = written.replace("!", "").partition(":")
    if name.endswith("_date"):
        form = pa.date32()
    elif name.endswith("_datetime"):
        form = pa.timestamp("us")
    elif kind == "text" or name.endswith("_source_value"):
        form = pa.string()
    else:
        # NUMERIC is written as the 64 bits that records have: DuckDB's own would keep three decimals.
        form = pa.float64() if kind == "number" else pa.int32()
    return pa.field(name, form, nullable="!" not in written)


#: The tables as Arrow: names, types and what must not be null.
TABLES: Final = {table: pa.schema([_field(name) for name in names.split()]) for table, names in COLUMNS.items()}

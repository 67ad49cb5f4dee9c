"""A MEDS data set → records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.catalogue.concepts import CONCEPTS
from features.codes import measured
from features.intake import InvalidRecords
from features.sources.columns import each
from features.sources.meds.codes import RETRACTED, Codes
from features.sources.meds.dataset import Dataset, File
from features.sources.meds.subjects import positions
from features.sources.retractions import said_and_taken_back
from features.sources.source import Batch, Source
from features.sources.times import held
from features.sources.units import in_ucum, known_unit

CAUSE: Final = r"^[a-z_]+(\.[a-z_]+)*$"
NOT_A_NUMBER: Final = r"^\s*([<>≤≥~]|\d+([.,]\d+)?\s*(-|–|à|to)\s*\d)"


def _batches(origin: str, delivered_at: datetime) -> Iterator[Batch]:
    dataset = Dataset.open(Path(origin))
    rows, done = max(sum(file.rows for file in dataset.files), 1), 0
    for file in dataset.files:
        before = done
        for table in file.batches(file.columns):
            try:
                records = _records(table, dataset, file, done - before)
            except (pa.ArrowException, UnicodeDecodeError) as error:
                raise InvalidRecords([f"{file.name} holds what is neither text nor a date: export it again"]) from error
            done += len(table)
            yield Batch(records, done / rows)


def _records(rows: pa.Table, dataset: Dataset, file: File, skipped: int) -> pa.Table:
    """Return the records of some rows of a file."""

    def column(name: str) -> pa.ChunkedArray:
        return rows.column(name) if name in file.columns else pa.chunked_array([pa.nulls(len(rows))])

    def text_of(name: str) -> pa.ChunkedArray:
        return column(name).cast(pa.string())

    def number_of(name: str) -> pa.ChunkedArray:
        return column(name).cast(pa.float64(), safe=False)

    subject = rows.column("subject_id").cast(pa.int64())
    patient = subject.cast(pa.string()) if dataset.subjects is None else dataset.subjects.patient(subject)
    site = "practice" if "practice" in file.columns else dataset.site
    practice = rows.column(site).cast(pa.string()) if site in file.columns else _repeated(dataset.practice, len(rows))

    time, time_outside = held(column("time"))
    known, known_outside = held(column("known_at"))
    retracted, retracted_outside = held(column("retracted_at"))
    code, unit_in_code = _coded(text_of("code"), pc.is_valid(retracted), dataset.codes)
    happened = time
    if time.null_count:
        needs_date = pc.or_(pc.is_in(code, value_set=pa.array(["PRACTICE:birth", "PRACTICE:death"])), time_outside)
        happened = pc.coalesce(time, pc.if_else(needs_date, None, _first(subject, file)))
    cause = text_of("cause")
    caused = pc.and_(pc.equal(code, "PRACTICE:death"), pc.fill_null(pc.match_substring_regex(cause, CAUSE), False))
    code = pc.if_else(caused, pc.binary_join_element_wise(code, cause, "."), code)

    value = pc.coalesce(number_of("exact_value"), number_of("numeric_value"))
    value = pc.if_else(pc.is_nan(value), None, value)
    text, is_measured = text_of("text_value"), _is_measured(code)
    if "unit" in file.columns:
        unit = text_of("unit")
        unit = pc.if_else(pc.and_(is_measured, pc.is_valid(value)), in_ucum(unit), unit)
    else:
        unit = pc.if_else(pc.is_valid(value), pc.coalesce(unit_in_code, each(text, known_unit)), None)

    compares = pc.fill_null(pc.match_substring_regex(text, NOT_A_NUMBER), False)
    faults = {
        "date out of range": pc.or_(pc.or_(time_outside, known_outside), retracted_outside),
        "unknown subject": pc.and_(pc.is_null(patient), pc.is_valid(subject)),
        "value is not a number": pc.and_(pc.and_(pc.is_null(value), pc.is_valid(text)), pc.or_(compares, is_measured)),
    }
    fault = pa.nulls(len(rows), pa.string())
    for reason, found in faults.items():
        fault = pc.if_else(found, reason, fault)
    numbers = pa.array(np.arange(skipped + 1, skipped + len(rows) + 1)).cast(pa.string())
    return said_and_taken_back(
        pa.table(
            {
                "patient": patient,
                "practice": practice,
                "happened_at": happened,
                "known_at": pc.coalesce(known, happened),
                "code": code,
                "value": value,
                "unit": unit,
                "retracted_at": retracted,
                "where": pc.binary_join_element_wise(f"{file.place}, row ", numbers, ""),
                "fault": fault,
            }
        )
    )


def _repeated(text: str, times: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), times)


def _coded(meds: pa.ChunkedArray, retracted: pa.ChunkedArray, codes: Codes) -> tuple[pa.Array, pa.Array]:
    """Return our codes of a column of MEDS codes, and the units these name."""
    marked = pc.and_(retracted, pc.fill_null(pc.starts_with(meds, RETRACTED), False))
    meds = pc.if_else(marked, pc.utf8_slice_codeunits(meds, len(RETRACTED)), meds)
    encoded = pc.dictionary_encode(meds).combine_chunks()
    chosen = [codes.chosen(code) if code.strip() else ("", None) for code in encoded.dictionary.to_pylist()]
    ours, units = (pa.array([pair[part] for pair in chosen], pa.string()) for part in (0, 1))
    return ours.take(encoded.indices), units.take(encoded.indices)


def _first(subject: pa.ChunkedArray, file: File) -> pa.Array:
    """Return the moment of each subject's first event in the file."""
    subjects, moments = file.first_events
    return pa.array(moments, pa.int64()).cast(pa.timestamp("us")).take(positions(subjects, subject))


def _is_measured(code: pa.ChunkedArray) -> pa.Array:
    encoded = pc.dictionary_encode(code).combine_chunks()
    known = [measured(CONCEPTS, text) is not None for text in encoded.dictionary.to_pylist()]
    return pc.fill_null(pa.array(known, pa.bool_()).take(encoded.indices), False)


MEDS: Final = Source(
    "meds",
    "As the data set's column known_at says; where it has none, when the event happened, and for static measurements "
    "when the subject's first event did.",
    _batches,
)

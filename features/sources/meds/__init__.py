"""The Medical Event Data Standard (MEDS 0.4): a data set read as a source, and records written as a data set.

What is read: ``data/**/*.parquet`` (or every Parquet file, where there is no such folder), ``metadata/codes.parquet``
for parent codes, ``metadata/dataset.json`` for the data set's name and its column of sites.

How a measurement becomes a record:

- its code is ``VOCABULARY//CODE`` or anything else: see `features.sources.meds.codes`. ``MEDS_BIRTH`` and
  ``MEDS_DEATH`` are the practice file's birth and death, ``SEX//…`` and ``GENDER//…`` its sex;
- a static measurement (no time) is dated, and known from, the first dated event of its subject in the same file that
  is not the birth; without one, or if it is a birth or a death, it is refused for want of a date;
- its unit is the column ``unit``, else the last part of the code, else the text value, where these are a unit's name.
  The number is the column ``exact_value``, else ``numeric_value``, as it is (32 bits hold about seven digits);
- a measured notion with a text instead of a number, or any text that is a comparison or a range, is a fault;
- ``known_at``, ``retracted_at``, ``practice`` and ``cause`` (of death) are read where the data set has them, as those
  that `write_meds` writes do. A row that was taken back becomes two: what was said, and that it was taken back.

Where: a file is told by its position among the data set's files in the order of their paths.

What is deliberately not read: other text values (they may be letters), other extension columns, descriptions of codes,
``subject_splits.parquet`` (splits are made here, by practice and period) and label files.
"""

from features.sources.meds.reading import MEDS
from features.sources.meds.subjects import subjects_file
from features.sources.meds.writing import write_meds

__all__ = ["MEDS", "subjects_file", "write_meds"]

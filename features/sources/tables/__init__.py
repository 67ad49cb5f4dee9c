"""Tables of any software, as CSV or Parquet, read by a mapping: which column is what, file by file.

A mapping is written in Python with the classes below, or in TOML with the same names (`read_mapping`), of which
``features/sources/examples/logiciel_metier.toml`` is the documentation. One row of a file gives one record for each
`Fact` of the file.

Rules:

- a cell is its text without the blanks around it; nothing is an empty cell, and 0 is a number;
- a number is written with the declared decimal sign and may have blanks between thousands (``1 234,5``); anything else,
  such as ``<5``, ``120/80`` or a point where commas are declared, is a fault, never a guess;
- a date without a time of day is its midnight, as it is. A date with one is local time, turned into UTC: an hour that
  the end of summer time repeats is taken for its second pass, one that its beginning skips for the moment after it;
- a fact recorded on the day on which it happened, where one of the two is a date alone, was known when it happened;
- of several codings of a fact, one that a concept of the catalogue covers comes first, then the first of a known
  system, then the software's own code;
- a row that was cancelled gives two records: what was said, and that it was taken back. Without a day of cancellation
  it was taken back by the delivery;
- a column named like a name, an address, a telephone number or an e-mail address can only be the patient's identifier,
  and one named like a social-security number (NIR, INS) not even that.

Where: a file is called by its name in the mapping and, if several have that name, by its position among them in the
order of their paths. What stands for the ``*`` of a name, or a folder's name, may be a person's.

What is deliberately not read: columns that the mapping does not name, rows that its conditions leave out, empty cells
of facts it calls optional, hidden files and those it lists as ignored. Any other file in the folder is a fault.
"""

from features.sources.tables.mapping import (
    Coding,
    Condition,
    Fact,
    File,
    Format,
    KnownAt,
    Mapping,
    Retraction,
    Text,
    Unit,
)
from features.sources.tables.reader import tables
from features.sources.tables.toml import read_mapping

__all__ = [
    "Coding",
    "Condition",
    "Fact",
    "File",
    "Format",
    "KnownAt",
    "Mapping",
    "Retraction",
    "Text",
    "Unit",
    "read_mapping",
    "tables",
]

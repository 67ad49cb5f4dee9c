"""What OMOP's tables are kept in, seen from the reader: tables by name, columns by what they are to be."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import duckdb

#: SQL of a column as something, from the SQL of the column and its type.
Cast = Callable[[str, str], str]
#: What is asked of a table: for each name, the column it comes from and what it is to be.
Wanted = Mapping[str, tuple[str, Cast]]

#: Believed to be dates of patients: years before 1800 and from 2200 on stand for something else.
FIRST_DATE: Final = "TIMESTAMP '1800-01-01'"
LAST_DATE: Final = "TIMESTAMP '2200-01-01'"


def whole(column: str, kind: str) -> str:
    """Return SQL of a column as a whole number, null where it is none."""
    return f"TRY_CAST({_plain(column, kind)} AS BIGINT)"


def number(column: str, kind: str) -> str:
    """Return SQL of a column as a number, null where it is none."""
    cast = f"TRY_CAST({_plain(column, kind)} AS DOUBLE)"
    return f"CASE WHEN NOT isnan({cast}) THEN {cast} END"


def text(column: str, kind: str) -> str:
    """Return SQL of a column as text, null where it is blank."""
    return f"nullif(trim(CAST({column} AS VARCHAR)), '')"


def given(column: str, kind: str) -> str:
    """Return SQL of whether a column holds anything."""
    if kind in ("FLOAT", "DOUBLE"):
        return f"NOT isnan(coalesce({column}, 'NaN'))"
    return f"{column} IS NOT NULL" if _is_number(kind) or _is_date(kind) else f"{text(column, kind)} IS NOT NULL"


def moment(column: str, kind: str) -> str:
    """Return SQL of a column as a naive UTC timestamp, null where it is no date or none to be believed.

    A date is its midnight; a time without an offset is taken for UTC. Text may also be eight digits.
    """
    if kind == "TIMESTAMP WITH TIME ZONE":
        cast = f"make_timestamp(epoch_us({column}))"
    elif _is_date(kind):
        cast = f"CAST({column} AS TIMESTAMP)"
    else:
        written = text(column, kind)
        offset = f"make_timestamp(epoch_us(TRY_CAST({written} AS TIMESTAMPTZ)))"
        digits = f"CASE WHEN regexp_full_match({written}, '[0-9]{{8}}') THEN try_strptime({written}, '%Y%m%d') END"
        cast = f"coalesce({offset}, {digits})"
    return f"CASE WHEN {cast} >= {FIRST_DATE} AND {cast} < {LAST_DATE} THEN {cast} END"


#: SQL of a column that is not there.
ABSENT: Final[Mapping[Cast, str]] = {
    whole: "NULL::BIGINT",
    number: "NULL::DOUBLE",
    text: "NULL::VARCHAR",
    given: "false",
    moment: "NULL::TIMESTAMP",
}


def _plain(column: str, kind: str) -> str:
    return column if _is_number(kind) or kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"


def _is_number(kind: str) -> bool:
    return bool(re.fullmatch(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*", kind))


def _is_date(kind: str) -> bool:
    return kind == "DATE" or kind.startswith("TIMESTAMP")


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


class Container(ABC):
    """Tables of a source, whatever the case of their names.

    Attributes
    ----------
    columns
        For each table that is there, its columns by their names in lower case.
    unreadable, places
        For each table, how many of its lines could not be read when it last was, and where the first of them are.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.columns: dict[str, dict[str, str]] = {}
        self.unreadable: Counter[str] = Counter()
        self.places: dict[str, list[str]] = {}
        self._headers: dict[str, str] = {}

    @abstractmethod
    def rows(self, table: str) -> int:
        """Return about how many rows a table has."""

    @abstractmethod
    def _relation(self, table: str, columns: Sequence[str], distinct: bool) -> str:
        """Return what to write after FROM to read columns of a table; good for one query."""

    def scan(self, table: str, wanted: Wanted, *, distinct: bool = False) -> str:
        """Return a query, in brackets, of what is wanted of a table; it can be run once. What is not there is null."""
        if table not in self.columns:
            nulls = ", ".join(f"{ABSENT[cast]} AS {quoted(name)}" for name, (_, cast) in wanted.items())
            return f"(SELECT {nulls} LIMIT 0)"
        there = self.columns[table]
        columns = sorted({there[column] for column, _ in wanted.values() if column in there})
        relation = self._relation(table, columns, distinct)
        found = self.connection.sql(f"FROM {relation}")
        kinds = dict(zip(found.columns, map(str, found.types), strict=True))
        items = []
        for name, (column, cast) in wanted.items():
            real = there.get(column)
            sql = ABSENT[cast] if real is None else cast(quoted(real), kinds[real])
            items.append(f"{sql} AS {quoted(name)}")
        rows = f"FROM {relation} {self._headers.get(table, '')}"
        return f"(SELECT {'DISTINCT ' if distinct else ''}{', '.join(items)} {rows})"

    def recognise(self, required: Mapping[str, Sequence[str]]) -> None:
        """Take the first row of a table for its header where it has none of the columns required and that row does."""
        for table, needed in required.items():
            reals = list(self.columns.get(table, {}).values())
            if not reals or not set(needed).isdisjoint(self.columns[table]):
                continue
            items = ", ".join(f"CAST({quoted(real)} AS VARCHAR)" for real in reals)
            rows = self.connection.execute(
                f"SELECT {items} FROM {self._relation(table, reals, False)} LIMIT 1"
            ).fetchall()
            for row in rows:
                names = {name.strip().lower(): real for name, real in zip(row, reals, strict=True) if name}
                if set(needed) <= set(names):
                    written = names[needed[0]]
                    value = literal(row[reals.index(written)])
                    self.columns[table] = names
                    self._headers[table] = f"WHERE CAST({quoted(written)} AS VARCHAR) IS DISTINCT FROM {value}"

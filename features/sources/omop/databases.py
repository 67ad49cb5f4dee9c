"""OMOP's tables in a database: a DuckDB file, or a PostgreSQL server through ADBC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import duckdb

from features.intake import InvalidRecords
from features.sources.omop.containers import Container, literal, quoted

#: A schema, a table, a column.
Column = tuple[str, str, str]


class DuckDBFile(Container):
    """A DuckDB file, opened for reading only.

    Raises
    ------
    InvalidRecords
        If it cannot be opened, or it holds a table in several schemas.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, file: Path, known: Sequence[str]) -> None:
        super().__init__(connection)
        try:
            connection.execute(f"ATTACH {literal(str(file))} AS cdm (READ_ONLY)")
        except duckdb.Error as error:
            raise InvalidRecords(
                [f"{file.name} cannot be opened: it is damaged, or in use by another program"]
            ) from error
        found = connection.execute("""
            SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE database_name = 'cdm' ORDER BY ALL
        """).fetchall()
        schemas, self.columns = _choose(found, known, [], "keep one of them")
        self._names = {table: f"cdm.{quoted(schema)}.{quoted(name)}" for table, (schema, name) in schemas.items()}

    def rows(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self.connection.execute(f"SELECT count(*) FROM {self._names[table]}").fetchall()[0][0])

    def _relation(self, table: str, columns: Sequence[str], distinct: bool) -> str:
        return self._names[table]


class PostgreSQL(Container):
    """A PostgreSQL database, seen as of one moment, each table streamed in the order of its ids.

    Raises
    ------
    InvalidRecords
        If the address holds a password, the driver is not installed, or no connection can be made.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, address: str, known: Sequence[str]) -> None:
        super().__init__(connection)
        _refuse_passwords(address)
        try:
            dbapi = import_module("adbc_driver_postgresql.dbapi")
        except ImportError as error:
            raise InvalidRecords(["PostgreSQL needs its driver: pip install vigie[postgres]"]) from error
        self._error: type[Exception] = dbapi.Error
        try:
            self._server = dbapi.connect(address)
        except dbapi.Error as error:
            raise InvalidRecords([f"PostgreSQL refuses the connection: {_first_line(error)}"]) from error
        self._cursor: Any = self._server.cursor()
        try:
            self._execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            names = ", ".join(map(literal, known))
            found = self._rows(f"""
                SELECT table_schema::text, table_name::text, column_name::text FROM information_schema.columns
                WHERE lower(table_name) IN ({names}) AND table_schema NOT IN ('pg_catalog', 'information_schema')
                ORDER BY 1, 2, ordinal_position
            """)
            path = [schema for (schema,) in self._rows("SELECT unnest(current_schemas(false))::text")]
            advice = "name one at the end of the address: ?options=-csearch_path%3DSCHEMA"
            self._schemas, self.columns = _choose(found, known, path, advice)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the server."""
        self._cursor.close()
        self._server.close()

    def rows(self, table: str) -> int:
        """Return how many rows the server thinks a table has."""
        schema, name = self._schemas[table]
        # A table that was never analysed has no count: about a hundred bytes a row.
        ((rows,),) = self._rows(f"""
            SELECT coalesce(max(CASE WHEN reltuples < 0 THEN pg_table_size(c.oid) / 100 ELSE reltuples END), 0)::bigint
            FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
            WHERE nspname = {literal(schema)} AND relname = {literal(name)}
        """)
        return int(rows)

    def _relation(self, table: str, columns: Sequence[str], distinct: bool) -> str:
        schema, name = self._schemas[table]
        items = ", ".join(map(quoted, columns)) or "NULL AS nothing"
        query = f"SELECT {'DISTINCT ' if distinct else ''}{items} FROM {quoted(schema)}.{quoted(name)}"
        ids = [self.columns[table][column] for column in (f"{table}_id", "person_id") if column in self.columns[table]]
        order = [quoted(real) for real in ids if real in columns]
        if order and not distinct:
            query += f" ORDER BY {', '.join(order)}"
        self._execute(query)
        self.connection.register(table, self._cursor.fetch_record_batch())
        return quoted(table)

    def _execute(self, query: str) -> None:
        # A cursor of its own ends the query before, wherever that one was.
        self._cursor.close()
        self._cursor = self._server.cursor()
        try:
            self._cursor.execute(query)
        except self._error as error:
            raise InvalidRecords([f"PostgreSQL refuses a query: {_first_line(error)}"]) from error

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        self._execute(query)
        rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        return rows


def _choose(
    found: Iterable[Column], known: Sequence[str], path: Sequence[str], advice: str
) -> tuple[dict[str, tuple[str, str]], dict[str, dict[str, str]]]:
    """Return each known table's schema and name, and its columns by their names in lower case.

    A table of the schema that holds ``person`` goes before one of the same name elsewhere; of several such schemas the
    first on the server's search path counts, as it does for a table that is only elsewhere.
    """
    tables: dict[str, dict[tuple[str, str], dict[str, str]]] = {}
    for schema, name, column in found:
        if name.lower() in known:
            tables.setdefault(name.lower(), {}).setdefault((schema, name), {})[column.lower()] = column
    homes = {schema for schema, _ in tables.get("person", {})}
    home = next((schema for schema in path if schema in homes), min(homes) if len(homes) == 1 else None)
    chosen: dict[str, tuple[str, str]] = {}
    faults = []
    for table, places in tables.items():
        schemas = {schema for schema, _ in places}
        first = next((schema for schema in (home, *path) if schema in schemas), None)
        candidates = [place for place in places if first in (None, place[0])]
        if len(candidates) > 1:
            where = ", ".join(f"{schema}.{name}" for schema, name in candidates)
            faults.append(f"table {table} is there several times ({where}): {advice}")
        chosen[table] = candidates[0]
    if faults:
        raise InvalidRecords(faults)
    return chosen, {table: tables[table][place] for table, place in chosen.items()}


def _refuse_passwords(address: str) -> None:
    try:
        parts = urlsplit(address)
        secret = parts.password is not None or any("password" in name for name, _ in parse_qsl(parts.query))
    except ValueError as error:
        raise InvalidRecords(["this is not an address: write postgresql://user@host/database"]) from error
    if secret:
        raise InvalidRecords(
            ["the address holds a password: put it in PGPASSWORD or ~/.pgpass, command lines can be read by others"]
        )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

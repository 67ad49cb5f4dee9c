"""A scan of everything a run leaves: small counts, extremes of the training data, rows of people.

It knows how our artefacts are written and reads the rest as text; what it cannot read it says so. It is the last lock,
not the first: counts are masked as they are made. A finding never quotes the number it found.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, Literal

from features.privacy.counts import SMALLEST_COUNT

Kind = Literal["small count", "training extreme", "rows of people", "not read"]

COUNTED: Final = frozenset(
    {
        "n",
        "events",
        "scored",
        "refused",
        "people",
        "patients",
        "landmarks",
        "competing",
        "censored",
        "followed",
        "missing",
        "count",
        "cases",
        "controls",
    }
)
"""Names, in JSON and in tables, under which people or events are counted."""
COUNTERS: Final = frozenset({"reasons", "counts"})
"""Names under which a JSON object or list holds nothing but counts."""
EXTREMES: Final = frozenset({"min", "max", "minimum", "maximum", "data_min", "data_max", "data_min_", "data_max_"})
PEOPLE: Final = frozenset({"patient", "patient_id", "person_id", "subject_id"})
MARKS: Final = 400
"""Equal marks in one group of a drawing above which each may be a person."""
UNBOUNDED: Final = 1e300
OPAQUE: Final = frozenset({".png", ".jpg", ".woff2", ".npy", ".npz"})
"""Pictures are drawn from what is scanned beside them; arrays are the numbers of models, whose text is."""
ROWS: Final = frozenset({".parquet", ".arrow", ".feather", ".ipc"})


@dataclass(frozen=True)
class Leak:
    """Something that must not leave.

    Parameters
    ----------
    file
        Path below the folder, and within an archive after ``!``.
    where
        Place in it.
    kind
        What it is.
    """

    file: str
    where: str
    kind: Kind


def scan(folder: Path, extremes: Mapping[str, tuple[float, float]] | None = None) -> list[Leak]:
    """Return what must not leave in any file below a folder, in the order of their names.

    Parameters
    ----------
    folder
        A bundle, or a run's artefacts.
    extremes
        Smallest and largest value of each feature in the training data: files are searched for these very
        numbers, with four significant digits or more. Without, only what is declared an extreme is found.

    Raises
    ------
    NotADirectoryError
        If there is no such folder: nothing scanned is not nothing found.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder.name} is not a folder: nothing was scanned")
    wanted = _numbers(extremes or {})
    return [
        leak
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for leak in _of_file(path.relative_to(folder).as_posix(), path.read_bytes(), wanted)
    ]


def _of_file(name: str, data: bytes, wanted: Mapping[str, str]) -> Iterator[Leak]:
    suffix = Path(name).suffix.lower()
    if suffix in ROWS:
        yield Leak(name, "the whole file", "rows of people")
        return
    if suffix in OPAQUE:
        return
    if suffix in {".skops", ".zip"}:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for inner in sorted(archive.namelist()):
                yield from _of_file(f"{name}!{inner}", archive.read(inner), wanted)
        return
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        yield Leak(name, "the whole file", "not read")
        return
    reader = READERS.get(suffix)
    if reader is not None and not name.endswith(".schema.json"):  # the form of a document, not one
        for where, kind in reader(text):
            yield Leak(name, where, kind)
    read = DRAWN.sub(" ", text) if suffix in (".html", ".svg") else text
    for where, kind in (*_booster(text), *_quoted(read, wanted)):
        yield Leak(name, where, kind)


#: What a page does not say but draws: styles, and where in a picture a line goes.
DRAWN: Final = re.compile(r"<style.*?</style>|<[^<>]*>", re.DOTALL)

Found = tuple[str, Kind]


def _small(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < SMALLEST_COUNT


def _json(text: str) -> Iterator[Found]:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        trees = [json.loads(text)]
    except ValueError:
        try:
            trees = [json.loads(line) for line in lines]
        except ValueError:
            yield "the whole file", "not read"
            return
    for number, tree in enumerate(trees, start=1):
        yield from _tree(tree, "$" if len(trees) == 1 else f"line {number}")


def _tree(value: Any, where: str) -> Iterator[Found]:
    if isinstance(value, list):
        for place, each in enumerate(value):
            yield from _tree(each, f"{where}[{place}]")
    elif isinstance(value, dict):
        for key, each in value.items():
            here = f"{where}.{key}"
            if key in COUNTED:
                many = each if isinstance(each, list) else [each]
                if any(map(_small, many)):
                    yield here, "small count"
            if key in COUNTERS:
                yield from ((place, "small count") for place in _counters(each, here))
            if key.lower() in EXTREMES and isinstance(each, int | float | list) and not isinstance(each, bool):
                yield here, "training extreme"
            if key in PEOPLE:
                yield here, "rows of people"
            yield from _tree(each, here)


def _counters(value: Any, where: str) -> Iterator[str]:
    if _small(value):
        yield where
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _counters(each, f"{where}.{key}")


class _Cells(HTMLParser):
    """The text of a page, and that of its cells of counts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.counts: list[str] = []
        self._within = 0
        self._silent = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = self._silent or tag in {"style", "script"}
        if tag == "td" and "count" in (dict(attrs).get("class") or "").split():
            self._within += 1
            self.counts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script"}:
            self._silent = False
        if tag == "td" and self._within:
            self._within -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.said.append(data)
            if self._within:
                self.counts[-1] += data


NUMBER: Final = re.compile(r"\d[\d\u202f\u00a0,]*(?:\.\d+)?")
SAID: Final = re.compile(
    r"(?:\bn\s*=\s*|(?:events|évènements|événements|people|personnes|patients)\s*[:=]\s*)(\d[\d\u202f\u00a0,]*)(?![\d.,]*\d)"
)


def _count_of(text: str) -> int:
    return int(re.sub(r"[^\d]", "", text))


def _html(text: str) -> Iterator[Found]:
    page = _Cells(text)
    for place, cell in enumerate(page.counts, start=1):
        plain = re.sub(r"(?:moins de|fewer than|<)\s*\d+", "", cell)
        if any(_small(_count_of(each)) for each in NUMBER.findall(plain)):
            yield f"cell of counts {place}", "small count"
    yield from _prose("".join(page.said))


def _prose(text: str) -> Iterator[Found]:
    for found in SAID.finditer(text):
        if _small(_count_of(found[1])):
            yield f"character {found.start()}", "small count"


def _svg(text: str) -> Iterator[Found]:
    yield from _prose(re.sub(r"<[^>]*>", " ", text))
    for place, group in enumerate(re.findall(r"<g\b[^>]*>(?:(?!<g\b|</g>).)*", text, flags=re.DOTALL), start=1):
        if max(group.count(mark) for mark in ("<use", "<circle", "<rect")) >= MARKS:
            yield f"group {place}", "rows of people"


def _csv(text: str) -> Iterator[Found]:
    rows = list(csv.DictReader(io.StringIO(text)))
    for name in rows[0] if rows else ():
        plain = str(name).strip().lower()
        if plain in PEOPLE:
            yield f"column {name}", "rows of people"
        if plain in EXTREMES:
            yield f"column {name}", "training extreme"
        if plain in COUNTED:
            for number, row in enumerate(rows, start=2):
                if re.fullmatch(r"\s*\d+\s*", row[name] or "") and _small(int(row[name])):
                    yield f"line {number}, column {name}", "small count"


def _xml(text: str) -> Iterator[Found]:
    """Yield what is found in the JSON that elements hold, and in their prose."""
    for place, held in enumerate(re.findall(r">\s*(\{[^<]*\})\s*<", text), start=1):
        yield from _tree(json.loads(html.unescape(held)), f"JSON {place}")
    yield from _prose(re.sub(r"<[^>]*>", " ", text))


READERS: Final[Mapping[str, Callable[[str], Iterator[Found]]]] = {
    ".json": _json,
    ".jsonl": _json,
    ".html": _html,
    ".svg": _svg,
    ".xml": _xml,
    ".csv": _csv,
}


def _booster(text: str) -> Iterator[Found]:
    """Yield what LightGBM's text tells of the training data: extremes of features, and leaves with few people."""
    for found in re.finditer(r"feature_infos=([^\n\\]*)", text):
        for place, (low, high) in enumerate(re.findall(r"\[(-?[\d.e+-]+):(-?[\d.e+-]+)\]", found[1])):
            if min(abs(float(low)), abs(float(high))) < UNBOUNDED:
                yield f"feature_infos, feature {place}", "training extreme"
    for name in ("leaf_count", "internal_count"):
        for place, found in enumerate(re.finditer(rf"{name}=([\d ]+)", text)):
            if any(_small(int(each)) for each in found[1].split()):
                yield f"{name}, tree {place}", "small count"


def _numbers(extremes: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    """Return how each extreme is written, and of which feature; round numbers tell nothing and are left out."""
    found = {}
    for name, bounds in extremes.items():
        for side, value in zip(("smallest", "largest"), bounds, strict=True):
            written = repr(float(value)).removesuffix(".0")
            if len(re.sub(r"[^\d]", "", written).strip("0")) >= 4:
                found[written] = f"{side} {name}"
    return found


def _quoted(text: str, wanted: Mapping[str, str]) -> Iterator[Found]:
    """Find numbers that stand by themselves: a part of a digest is none."""
    for written, what in wanted.items():
        if re.search(rf"(?<![\w.]){re.escape(written)}(?!\w)", text):
            yield what, "training extreme"

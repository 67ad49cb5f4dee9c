"""How fast the service answers, beside ``mlflow models serve`` with the same model, and what an empty BentoML leaves.

``python -m benchmarks.serving`` (under five minutes) starts the real servers, one worker each, and asks them in turn
from a process of its own: 1, 8 and 32 clients, each with one connection, each answer looked at. Ours is sent the
records of a file, 150 give or take, and answers with risk, category, comparator and reasons; the peer is sent the sixty
features, computed already, and answers with a number. Ours is asked in development mode, in production (tokens, limits,
audit trail) and at its FHIR and CDS Hooks doors. Then a list for outreach is written of a whole store.

Processor's time a request is that of all processes of the server: a machine that others use changes it less than the
time that passed. ``--soak SECONDS`` asks production twice as much as it can answer, for so long: nothing but answers
and declared refusals may come back.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks import serving_servers
from benchmarks.serving_load import Load
from benchmarks.serving_servers import Server
from benchmarks.serving_task import Approved, Patient, approved, patients
from features.records import Records
from features.synthetic import DELIVERED_AT
from serving.fhir.assessment import as_percent
from serving.outreach import Wanted, write_list
from tests.conftest import REPOSITORY

CLIENTS: Final = (1, 8, 32)
SCORE: Final = "/score/cardiovascular"
#: A token holds for five minutes.
A_SPELL: Final = 120.0
#: By how much memory may grow in a soak, in megabytes.
FLAT: Final = 40.0


@dataclass(frozen=True)
class Asked:
    """One row of the table: whom, what, and by how many at once."""

    name: str
    server: Server
    requests: Sequence[tuple[bytes, bytes]]
    clients: int


@dataclass
class Measured:
    """What came of it, over all rounds."""

    rates: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests answered rightly in a second, the median of the rounds."""
        return float(np.median(self.rates))

    @property
    def a_request(self) -> float:
        """Milliseconds of the processors a request, the median of the rounds."""
        return float(np.median(self.work))


def request(path: str, body: bytes, media: str = "application/json", **headers: str) -> bytes:
    """Return a whole request, as it is sent."""
    told = {"host": "127.0.0.1", "content-type": media, "content-length": str(len(body)), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def ask(load: Load) -> dict[str, Any]:
    """Return what came of a load, asked by a process of its own."""
    with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
        file.write(pickle.dumps(load))
        file.flush()
        command = [sys.executable, "-m", "benchmarks.serving_load", file.name]
        came: dict[str, Any] = json.loads(subprocess.check_output(command, cwd=REPOSITORY))
    return came


def measure(asked: Asked, seconds: float, into: Measured) -> None:
    """Ask for some seconds, and note what came of it."""
    into.memory.append(asked.server.megabytes())
    worked = asked.server.work()
    came = ask(Load(asked.server.port, asked.requests, seconds, asked.clients))
    worked = asked.server.work() - worked
    answered = len(came["milliseconds"])
    into.rates.append(answered / came["seconds"])
    into.work.append(1000 * worked / max(answered, 1))
    into.milliseconds += came["milliseconds"]
    into.faults.update({**came["wrong"], **came["refused"], **came["lost"]})
    into.memory.append(asked.server.megabytes())


def table(found: Sequence[tuple[Asked, Measured]], peer: str, empty: str) -> str:
    """Return the measurements as a table.

    Parameters
    ----------
    found
        Rows.
    peer, empty
        Names of the rows that others are compared with, at as many clients: how often ours answers while the peer
        answers once, and how many times the processors' time of an empty endpoint an answer takes.
    """
    by = {(asked.name, asked.clients): measured for asked, measured in found}
    heads = ("clients", "req/s", "p50 ms", "p95 ms", "p99 ms", "not right", "CPU ms", "× peer", "× empty", "MB")
    lines = [f"{'':52}" + "".join(f"{head:>11}" for head in heads)]
    for asked, measured in found:
        other, nothing = by.get((peer, asked.clients)), by.get((empty, asked.clients))
        cells = (
            f"{asked.clients}",
            f"{measured.rate:,.0f}",
            *(f"{np.percentile(measured.milliseconds or [np.nan], share):.1f}" for share in (50, 95, 99)),
            f"{measured.faults.total()}",
            f"{measured.a_request:.2f}",
            f"{measured.rate / other.rate:.1f}" if other and other.rate else "",
            f"{measured.a_request / nothing.a_request:.1f}" if nothing else "",
            f"{measured.memory[0]:.0f}→{measured.memory[-1]:.0f}",
        )
        lines.append(f"{asked.name:52}" + "".join(f"{cell:>11}" for cell in cells))
    return "\n".join(lines)


def doors(
    people: Sequence[Patient], development: Server, production: Server, empty: Server, mlflow: Server | None
) -> list[Asked]:
    """Return the rows of the table."""
    bearer = f"Bearer {serving_servers.token(production)}"
    scored = [(request(SCORE, each.json), _risk(each)) for each in people]
    known = [(request(SCORE, each.json, authorization=bearer), _risk(each)) for each in people]
    fhir = [
        (
            request("/fhir/RiskAssessment/$evaluate", each.fhir, "application/fhir+json"),
            b'"probabilityDecimal": ' + json.dumps(as_percent(each.risk)).encode() + b",",  # in percent
        )
        for each in people
    ]
    hook = [(request("/cds-services/vigie-cardiovascular", each.hook), b'"summary"') for each in people]
    kinds = [
        (OURS, development, scored),
        (f"{OURS}, in production", production, known),
        (EMPTY, empty, [(request("/score", b"{}"), b"{}")]),
        *([(PEER, mlflow, [(_of_peer(each), b"predictions") for each in people])] if mlflow else []),
    ]
    rows = [Asked(name, server, requests, clients) for name, server, requests in kinds for clients in CLIENTS]
    rows += [Asked("FHIR, Bundle to RiskAssessment", development, fhir, clients) for clients in CLIENTS[:2]]
    return rows + [Asked("CDS Hooks, patient-view", development, hook, clients) for clients in CLIENTS[:2]]


def _risk(patient: Patient) -> bytes:
    """Return what an answer must hold: the number that this process itself gave."""
    return b'"risk":' + json.dumps(patient.risk).encode() + b","


OURS: Final = "Vigie, records to risk with reasons"
EMPTY: Final = "BentoML, an empty endpoint"
PEER: Final = "mlflow models serve, features to a number"


def _of_peer(patient: Patient) -> bytes:
    split = {"columns": list(patient.features), "data": [list(patient.features.values())]}
    return request("/invocations", json.dumps({"dataframe_split": split}).encode())


def agree(mlflow: Server, people: Sequence[Patient]) -> None:
    """Raise AssertionError unless the peer gives our numbers."""
    with mlflow.client() as client:
        for each in people:
            body = _of_peer(each).partition(b"\r\n\r\n")[2]
            answer = client.post("/invocations", content=body, headers={"content-type": "application/json"})
            (given,) = answer.json()["predictions"]
            assert abs(given - each.risk) < 1e-6, "the peer gives another number: it does not serve this model"


# --- Lists for outreach -----------------------------------------------------------------------------------


def store(folder: Path, many: int) -> Records:
    """Return a store of so many people: those of the synthetic population, again and again under other names."""
    records = Records.create(folder / "store", shards=max(2, many // 10_000))
    table = Records.open(folder / "people").table(0)
    theirs = len(set(table.column("patient").to_pylist()))
    patient = table.column_names.index("patient")
    with records.delivery(name="all", delivered_at=DELIVERED_AT, concepts=()) as delivery:
        for number in range(max(1, many // theirs)):
            names = pa.array([f"{name}-{number}" for name in table.column("patient").to_pylist()])
            delivery.add(table.set_column(patient, "patient", names))
    return records


def lists(made: Approved, records: Records, folder: Path) -> str:
    """Return how fast lists of a whole store are written, without reasons and with them."""
    told = []
    for reasons in (False, True):
        write = partial(
            write_list, lambda: made.admitted, records, Wanted(DELIVERED_AT, reasons=reasons), folder / "list.parquet"
        )
        write()  # what is done once is done
        began, worked = time.perf_counter(), time.process_time()
        listed = write()
        took, work = time.perf_counter() - began, time.process_time() - worked
        told.append(
            f"  {'with' if reasons else 'without'} reasons: {listed.patients / took:,.0f} patients/s, "
            f"{1e6 * work / listed.patients:,.0f} µs of the processors each ({listed.patients:,} patients, "
            f"{listed.people:,} listed: {listed.people / took:,.0f} a second)"
        )
    return "\n".join(told)


# --- A soak -----------------------------------------------------------------------------------------------


def soak(server: Server, people: Sequence[Patient], rate: float, seconds: float, say: Callable[[str], None]) -> bool:
    """Ask for a long time more than can be answered; return whether all that came is right or a declared refusal."""
    is_well, memory, passed = True, [server.megabytes()], 0.0
    while passed < seconds:
        spell = min(A_SPELL, seconds - passed)
        bearer = f"Bearer {serving_servers.token(server)}"
        requests = [(request(SCORE, each.json, authorization=bearer), _risk(each)) for each in people]
        came = ask(Load(server.port, requests, spell, rate=rate))
        passed += spell
        memory.append(server.megabytes())
        times = came["milliseconds"] or [np.nan]
        say(
            f"  {passed:6.0f} s: {len(came['milliseconds']):,} answered rightly (p50 {np.median(times):.0f} ms, "
            f"p99 {np.percentile(times, 99):.0f} ms), refused {came['refused']}, other answers {came['wrong']}, "
            f"lost {came['lost']}, {came['late']} never asked, {memory[-1]:.0f} MB"
        )
        is_well &= bool(came["milliseconds"]) and not came["wrong"] and not came["lost"]
    # The first spell fills caches; what is held after it is what should stay.
    is_flat = len(memory) < 3 or memory[-1] - memory[1] < FLAT
    say(f"  {'well' if is_well and is_flat else 'NOT WELL'}: memory {' → '.join(f'{each:.0f}' for each in memory)} MB")
    return is_well and is_flat


# --- All of it --------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each row is asked in a round (3)")
    parser.add_argument("--rounds", type=int, default=2, help="how often all rows take their turn (2)")
    parser.add_argument(
        "--patients", type=int, default=100_000, help="in the store of which lists are written (100,000)"
    )
    parser.add_argument("--without-peer", action="store_true", help="leave mlflow models serve out")
    parser.add_argument("--soak", type=float, nargs="?", const=600.0, metavar="SECONDS", help="a soak (600)")
    options = parser.parse_args()
    os.environ["BENTOML_DO_NOT_TRACK"] = os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    say = _said
    with tempfile.TemporaryDirectory(prefix="vigie-serving-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        made = approved(folder)
        people = patients(made.admitted, folder)
        size = np.mean([len(each.json) for each in people])
        say(f"{len(people)} files of {size:,.0f} bytes; {len(made.admitted.artefact.features)} features")
        places = [folder / name for name in ("development", "production", "empty", "mlflow")]
        for place in places:
            place.mkdir()
        development = stack.enter_context(serving_servers.development(made, places[0]))
        production = stack.enter_context(serving_servers.production(made, places[1]))
        empty = stack.enter_context(serving_servers.empty(places[2]))
        mlflow = None if options.without_peer else stack.enter_context(serving_servers.mlflow(made, places[3]))
        say("all servers answer")
        if mlflow is not None:
            agree(mlflow, people)
        found = [(asked, Measured()) for asked in doors(people, development, production, empty, mlflow)]
        for asked, _ in found:
            measure(asked, 1.0, Measured())  # what is done once is done
        for number in range(options.rounds):
            for asked, measured in found:
                measure(asked, options.seconds, measured)
            say(f"round {number + 1} of {options.rounds}")
        say(table(found, PEER, EMPTY))
        is_well = True
        if options.soak:
            rate = 2 * max(m.rate for asked, m in found if asked.server is production)
            say(f"soak in production, {rate:,.0f} requests a second for {options.soak:,.0f} seconds")
            is_well = soak(production, people, rate, options.soak, say)
        stack.close()
        say("lists for outreach, on all processors")
        say(lists(made, store(folder, options.patients), folder))
    return 0 if is_well else 1


def _said(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""The audit trail: a chain that shows what was changed, survives being killed, and holds no health data."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.digests import canonical, digest
from serving import audit_trail
from serving.__main__ import main
from serving.access import Guard, guard
from serving.audit_trail import START, AuditKeyUnusable, AuditTrail, AuditTrailUnusable, load_key, own_key, verify
from tests.conftest import REPOSITORY

KEY = b"k" * 32
FACTS = {"door": "/score", "client": "software-a", "outcome": "answered"}


def written(folder: Path, lines: int = 5) -> Path:
    """A trail of some lines; its file."""
    trail = AuditTrail(folder, KEY)
    for number in range(lines):
        trail.append(FACTS | {"number": number})
    (file,) = folder.glob("*.jsonl")
    return file


def test_a_trail_is_a_chain(tmp_path):
    file = written(tmp_path)
    lines = file.read_bytes().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["index"] for entry in entries] == [0, 1, 2, 3, 4]
    assert [entry["previous"] for entry in entries] == [START, *(digest(line) for line in lines[:-1])]
    assert all(canonical(entry) == line for entry, line in zip(entries, lines, strict=True))
    found = verify(tmp_path, KEY)
    assert (found.lines, found.head, found.faults, found.remarks) == (5, digest(lines[-1]), (), ())
    assert oct(file.stat().st_mode)[-3:] == "600"


def test_it_is_continued_after_a_restart_and_by_several_writers(tmp_path):
    written(tmp_path)
    one, two = AuditTrail(tmp_path, KEY), AuditTrail(tmp_path, KEY)
    for number in range(10):
        (one, two)[number % 2].append(FACTS)
    found = verify(tmp_path, KEY)
    assert (found.lines, found.faults) == (15, ())


def test_processes_write_one_chain(tmp_path):
    code = (
        "import sys; from pathlib import Path; from serving.audit_trail import AuditTrail\n"
        "trail = AuditTrail(Path(sys.argv[1]), b'k' * 32)\n"
        "for number in range(200): trail.append({'number': number})"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    found = verify(tmp_path, KEY)
    assert (found.lines, found.faults, found.remarks) == (600, (), ())


CHANGES = {
    "altered": lambda lines: [*lines[:2], lines[2].replace(b"answered", b"abstained"), *lines[3:]],
    "removed": lambda lines: [*lines[:2], *lines[3:]],
    "inserted": lambda lines: [*lines[:2], lines[1], *lines[2:]],
    "moved": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "nonsense": lambda lines: [*lines[:2], b"nonsense", *lines[3:]],
    "another form": lambda lines: [*lines[:2], lines[2].replace(b",", b", "), *lines[3:]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_shows_with_its_place(tmp_path, change):
    file = written(tmp_path)
    file.write_bytes(b"\n".join(CHANGES[change](file.read_bytes().splitlines())) + b"\n")
    faults = verify(tmp_path, KEY).faults
    assert faults
    assert f"{file.name}, line 3" in faults[0]


@given(st.data())
def test_any_byte_that_is_changed_shows(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("trail")
    file = written(folder, 3)
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 2))
    content[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    found = verify(folder, KEY)
    assert found.faults or any("torn" in remark for remark in found.remarks)
    assert found.faults or found.lines < 3


def test_without_the_key_nobody_writes_lines_that_hold(tmp_path):
    file = written(tmp_path)
    kept = file.read_bytes().splitlines()[:2]
    file.write_bytes(b"\n".join(kept) + b"\n")
    AuditTrail(tmp_path, b"another key, thirty-two bytes long").append(FACTS)
    assert any("another key" in fault for fault in verify(tmp_path, KEY).faults)


def test_an_end_that_was_cut_off_shows_by_a_head_noted_elsewhere(tmp_path):
    file = written(tmp_path)
    head = verify(tmp_path, KEY).head
    AuditTrail(tmp_path, KEY).append(FACTS)
    assert verify(tmp_path, KEY, head).faults == ()
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:3]))
    assert verify(tmp_path, KEY).faults == ()
    assert head[:16] in verify(tmp_path, KEY, head).faults[0]


def test_a_last_line_that_only_lacks_its_end_is_whole(tmp_path):
    file = written(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    assert (verify(tmp_path, KEY).lines, verify(tmp_path, KEY).remarks) == (5, ())
    AuditTrail(tmp_path, KEY).append(FACTS)
    found = verify(tmp_path, KEY)
    assert (found.lines, found.faults, found.remarks) == (6, (), ())


@pytest.mark.parametrize("left", [1, 40, -2])
def test_a_torn_line_is_said_and_continued_after(tmp_path, left):
    file = written(tmp_path)
    *whole, last = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(whole) + last[:left])
    found = verify(tmp_path, KEY)
    assert (found.lines, found.faults) == (4, ())
    assert f"{file.name}, line 5 is torn" in found.remarks[0]
    trail = AuditTrail(tmp_path, KEY)
    trail.append(FACTS)
    trail.append(FACTS)
    found = verify(tmp_path, KEY)
    assert (found.lines, found.faults) == (7, ())
    assert "the process was killed" in found.remarks[0]
    torn = json.loads(file.read_bytes().splitlines()[5])["torn"]
    assert torn == {"bytes": len(last[:left]), "digest": digest(last[:left])}


def test_a_line_torn_twice_is_continued_too(tmp_path):
    file = written(tmp_path, 1)
    file.write_bytes(file.read_bytes() + b'{"index":1\n{"index":1,"prev')
    AuditTrail(tmp_path, KEY).append(FACTS)
    found = verify(tmp_path, KEY)
    assert (found.lines, found.faults, len(found.remarks)) == (3, (), 1)


def test_a_first_line_that_is_torn_is_continued(tmp_path):
    file = written(tmp_path, 1)
    file.write_bytes(file.read_bytes()[:30])
    assert verify(tmp_path, KEY).lines == 0
    AuditTrail(tmp_path, KEY).append(FACTS)
    assert (verify(tmp_path, KEY).lines, verify(tmp_path, KEY).faults) == (2, ())


def test_a_torn_line_that_nobody_told_of_is_a_fault(tmp_path):
    file = written(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2]) + lines[2][:50] + b"\n" + b"".join(lines[3:]))
    assert any("line 3 is none of this service" in fault for fault in verify(tmp_path, KEY).faults)


def test_a_trail_that_ends_with_something_else_is_not_continued(tmp_path):
    file = written(tmp_path)
    file.write_bytes(file.read_bytes() + b"x" * 100_000)
    with pytest.raises(AuditTrailUnusable, match=file.name):
        AuditTrail(tmp_path, KEY)


def test_a_month_is_a_file_and_the_chain_goes_on(tmp_path):
    file = written(tmp_path)
    file.rename(tmp_path / "audit-2020-01.jsonl")
    AuditTrail(tmp_path, KEY).append(FACTS)
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert (verify(tmp_path, KEY).lines, verify(tmp_path, KEY).faults) == (6, ())
    (tmp_path / "audit-2020-01.jsonl").unlink()
    found = verify(tmp_path, KEY)
    assert (found.lines, found.faults) == (1, ())
    assert "what is older was deleted" in found.remarks[0]


def test_a_clock_that_was_set_back_shows_and_breaks_nothing(tmp_path):
    file = written(tmp_path)
    file.rename(tmp_path / "audit-2199-01.jsonl")
    trail = AuditTrail(tmp_path, KEY)
    trail.append(FACTS)
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["audit-2199-01.jsonl"]
    assert verify(tmp_path, KEY).faults == ()


def test_what_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    trail = AuditTrail(tmp_path, KEY)
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, content: write(file, content[:20]))
    with pytest.raises(OSError, match="not be written whole"):
        trail.append(FACTS)
    monkeypatch.undo()
    trail.append(FACTS)
    found = verify(tmp_path, KEY)
    assert (found.faults, len(found.remarks)) == ((), 1), "the half that was written is told of"


@pytest.mark.slow
def test_a_disk_that_may_not_keep_what_was_written_is_told_and_tried_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(guard, "SYNC_AFTER", 0.01)
    monkeypatch.setattr(logging.getLogger("bentoml"), "propagate", True)
    trail, tried = AuditTrail(tmp_path, KEY), []

    def fails_once() -> None:
        tried.append(1)
        if len(tried) == 1:
            raise OSError(errno.EIO, "the text of the system is not told")

    async def write_twice() -> None:
        wall = Guard(trail=trail)
        for number in (1, 2):
            wall.write(trail, FACTS, is_rationed=False)
            while len(tried) < number:
                await asyncio.sleep(0.01)

    monkeypatch.setattr(trail, "sync", fails_once)
    asyncio.run(asyncio.wait_for(write_twice(), timeout=10))
    assert [record.getMessage() for record in caplog.records] == ["the audit trail may not be on the disk: OSError"]
    assert verify(tmp_path, KEY).lines == 2


@pytest.mark.slow
def test_a_process_that_is_killed_loses_no_line_that_it_finished(tmp_path):
    code = (
        "import sys; from pathlib import Path; from serving.audit_trail import AuditTrail\n"
        "trail = AuditTrail(Path(sys.argv[1]), b'k' * 32)\n"
        "for number in range(10**9):\n"
        "    trail.append({'number': number, 'filled': 'x' * 9000}); print(number, flush=True)"
    )
    finished = 0
    for _ in range(5):
        command = [sys.executable, "-c", code, str(tmp_path)]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            time.sleep(0.3)
            os.kill(process.pid, signal.SIGKILL)
            finished += 1 + process.stdout.read().count(b"\n")
    found = verify(tmp_path, KEY)
    assert found.faults == ()
    assert finished <= found.lines


def test_keys_are_long_enough_and_never_told(tmp_path):
    (tmp_path / "short").write_text("Zebulon7391")
    for name in ("short", "nowhere"):
        with pytest.raises(AuditKeyUnusable, match=name) as refused:
            load_key(tmp_path / name)
        assert "Zebulon" not in str(refused.value)
    assert own_key(tmp_path / "new") == own_key(tmp_path / "new")


def test_digests_are_keyed_and_differ_by_purpose(tmp_path):
    one, two = AuditTrail(tmp_path / "1", KEY), AuditTrail(tmp_path / "2", b"2" * 32)
    assert one.keyed("request", b"body") == one.keyed("request", b"body")
    assert len({one.keyed("request", b"a"), one.keyed("user", b"a"), two.keyed("request", b"a"), digest(b"a")}) == 4


def test_the_command_line_verifies(tmp_path, capsys):
    data = tmp_path / "data"
    written(data / audit_trail.FOLDER)
    (tmp_path / "key").write_bytes(KEY)
    arguments = ["audit", "verify", "--data", str(data), "--audit-key", str(tmp_path / "key")]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "5 lines" in told
    head = told.split()[3]
    (file,) = (data / audit_trail.FOLDER).glob("*.jsonl")
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:3]))
    assert main(arguments) == 0
    assert main([*arguments, "--head", head]) == 6
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["as_it_was_written"], told["lines"], told["faults"]) == (True, 3, [])
    file.write_text(file.read_text().replace("software-a", "software-b"))
    assert main(arguments) == 6
    assert f"{file.name}, line 1 was altered" in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 6
    told = json.loads(capsys.readouterr().out)
    assert told["as_it_was_written"] is False
    assert f"{file.name}, line 1 was altered" in told["faults"][0]
    assert main(["audit", "verify", "--data", str(tmp_path), "--audit-key", str(tmp_path / "key")]) == 4
    assert main(["audit", "verify", "--data", str(data), "--audit-key", str(tmp_path / "nowhere")]) == 4

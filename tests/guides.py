"""What a guide says, done: its fences read from the page and run one after another, on a copy of the checkout.

What a fence says it is decides what is done with it:

- ``sh``: run by bash line by line, from the copy's root; ``sh server`` is one line that is left running to the end;
- ``python``: executed in one interpreter a guide, so that names stay; begun anew after a file was changed;
- ``output``: what the fence before it printed; ``…`` stands for anything in a line, alone on a line for any lines;
- ``diff``: a change to the file named after ``+++``, found by its unchanged lines;
- any language with ``file=PATH``: written to that file, which the text before it must name as well;
- ``text``: for reading; no page needs many.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import REPOSITORY

PAGES = REPOSITORY / "docs" / "guides"
COPIED = (
    *("features", "training", "serving", "tests", "docs", "deploy"),
    *("pyproject.toml", "requirements.lock", "requirements-serve.lock", "Makefile", "MLproject"),
    *("README.md", "LICENSE", "NOTICE"),
)
#: Everything guides share is made by this line, once.
DEMONSTRATION = "python -m training train --patients 1500 --resamples 5 --demonstration"
MADE = ("demo", "mlflow.db")
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = ("3000", "3001", "5000")
STARTS_WITHIN = 120.0
INTERPRETER = """
import contextlib, io, json, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    asked, printed, failed = json.loads(line), io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(asked["text"], asked["where"], "exec"), names)
    except BaseException:
        failed = traceback.format_exc()
    print(json.dumps([printed.getvalue(), failed]), flush=True)
"""


@dataclass(frozen=True)
class Fence:
    """A fence of a page: what it is, what is in it, where, and all of the page before it."""

    info: tuple[str, ...]
    text: str
    where: str
    before: str

    @property
    def file(self) -> str | None:
        """Return the file it is written to."""
        return next((word.removeprefix("file=") for word in self.info if word.startswith("file=")), None)


def fences(page: Path) -> list[Fence]:
    """Return the fences of a page, in order."""
    text, found = page.read_text(encoding="utf-8"), []
    for match in FENCE.finditer(text):
        where = f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}"
        found.append(Fence(tuple(match["info"].split()), match["text"], where, text[: match.start()]))
    return found


def is_like(printed: str, expected: str) -> bool:
    """Return whether something printed is what a page shows, where ``…`` stands for anything."""
    lines = [re.escape(line.rstrip()).replace("…", "[^\n]*") + "\n" for line in expected.strip().splitlines()]
    pattern = "".join("(?:[^\n]*\n)*?" if line == "[^\n]*\n" else line for line in lines)
    told = "".join(f"{line.rstrip()}\n" for line in printed.strip().splitlines())
    return re.fullmatch(pattern, told) is not None


def environment() -> dict[str, str]:
    """Return the settings of a machine on which `make` has set up the environment and nothing else is set."""
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR", "LANG", "VIGIE_SHARED") if name in os.environ}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "BENTOML_DO_NOT_TRACK": "true",
        "OMP_NUM_THREADS": "1",
    }


def make_demonstration(folder: Path) -> Path:
    """Make what guides that speak of `demo/` begin with, in a folder of its own, and return the folder."""
    subprocess.run(
        DEMONSTRATION.split(), cwd=folder, env=environment(), check=True, capture_output=True, text=True, timeout=600
    )
    return folder


@dataclass
class Reader:
    """Somebody who does what a guide says, in a folder."""

    folder: Path
    settings: dict[str, str] = field(default_factory=environment)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    interpreter: subprocess.Popen[str] | None = None
    ports: dict[str, str] = field(default_factory=dict)

    @classmethod
    def with_a_copy(cls, folder: Path, demonstration: Path | None) -> Reader:
        """Return a reader with a copy of the checkout and, if given, of the demonstration."""
        for name in COPIED:
            _copy(REPOSITORY / name, folder / name)
        if demonstration is not None:
            for name in MADE:
                _copy(demonstration / name, folder / name)
        taken = [socket.socket() for _ in PORTS]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        ports = {port: str(each.getsockname()[1]) for port, each in zip(PORTS, taken, strict=True)}
        for each in taken:
            each.close()
        return cls(folder, ports=ports)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        for server in reversed(self.servers):
            with suppress(ProcessLookupError):  # the session that this reader began, and no other
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(timeout=20)

    def follow(self, page: Path) -> Iterator[str]:
        """Do what each fence says and yield where it stood; AssertionError where it is not as the page says."""
        printed = ""
        for fence in fences(page):
            assert fence.info, f"{fence.where}: a fence says what it is"
            kind = fence.info[0]
            if kind == "output":
                assert is_like(printed, fence.text), (
                    f"{fence.where}: the page shows\n{fence.text}\nbut it is\n{printed}"
                )
            elif fence.file is not None:
                assert fence.file in fence.before, f"{fence.where}: say in the text that this is {fence.file}"
                self._write(fence.file, fence.text)
            elif kind == "diff":
                self._change(fence)
            elif kind == "python":
                printed = self._python(fence)
            elif kind == "sh":
                printed = self._serve(fence) if "server" in fence.info else self._shell(fence)
            else:
                assert kind == "text", f"{fence.where}: no reader knows what to do with {kind}"
            yield fence.where

    def _write(self, file: str, text: str) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self._forget()

    def _change(self, fence: Fence) -> None:
        head, *lines = fence.text.splitlines(keepends=True)
        file = head.removeprefix("+++ ").strip()
        assert head.startswith("+++ "), f"{fence.where}: name the file after +++"
        assert file in fence.before, f"{fence.where}: name {file} in the text"
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        old, new = ("".join(line[1:] or "\n" for line in lines if line[0] in f" {sign}\n") for sign in "-+")
        assert text.count(old) == 1, f"{fence.where}: {file} has these lines {text.count(old)} times:\n{old}"
        path.write_text(text.replace(old, new), encoding="utf-8")
        self._forget()

    def _python(self, fence: Fence) -> str:
        if self.interpreter is None:
            self.interpreter = subprocess.Popen(
                [sys.executable, "-c", INTERPRETER],
                cwd=self.folder,
                env=self.settings,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self.interpreter.stdin is not None
        assert self.interpreter.stdout is not None
        print(
            json.dumps({"text": self._here(fence.text), "where": fence.where}),
            file=self.interpreter.stdin,
            flush=True,
        )
        printed, failed = json.loads(self.interpreter.stdout.readline())
        assert not failed, f"{fence.where}: {failed}"
        return str(printed)

    def _forget(self) -> None:
        """End the interpreter: files it may have read have changed."""
        if self.interpreter is not None:
            self.interpreter.communicate(timeout=60)
            self.interpreter = None

    def _shell(self, fence: Fence) -> str:
        if fence.text.strip() == DEMONSTRATION and (self.folder / "demo").exists():
            return ""  # it was run already, for all guides
        script = f"trap 'echo \"{fence.where}: failed: $BASH_COMMAND\" >&2' ERR\n{self._here(fence.text)}"
        kept = self.folder / "environment"
        done = subprocess.run(
            ["bash", "-eEuo", "pipefail", "-c", f"{script}\nenv -0 > '{kept}'"],
            cwd=self.folder,
            env=self.settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{fence.where}: {done.stdout[-4000:]}"
        exported = kept.read_text(encoding="utf-8").split("\0")
        self.settings = dict(each.split("=", 1) for each in exported if "=" in each)
        return done.stdout

    def _serve(self, fence: Fence) -> str:
        """Start a server on a free port and wait until it answers."""
        usual = max(PORTS, key=f"{fence.before}{fence.text}".rfind)
        command, port = self._here(fence.text.strip()), self.ports[usual]
        if port not in command:
            command = f"{command} --port {port}"
        log = self.folder / f"server-{usual}.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.servers.append(server)
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline and server.poll() is None:
            if _answers(f"http://127.0.0.1:{port}/livez"):
                return ""
            time.sleep(0.2)
        raise AssertionError(f"{fence.where}: the server did not start:\n{log.read_text()[-4000:]}")

    def _here(self, text: str) -> str:
        """Return a text whose ports are free on this machine."""
        for usual, port in self.ports.items():
            text = text.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{port}").replace(f"--port {usual}", f"--port {port}")
        return text


def _answers(address: str) -> bool:
    """Return whether somebody answers there, whatever it is."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(address, timeout=2).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


def _copy(origin: Path, to: Path) -> None:
    if origin.is_dir():
        shutil.copytree(origin, to, ignore=shutil.ignore_patterns(".hypothesis", ".pytest_cache"))
    else:
        shutil.copy2(origin, to)

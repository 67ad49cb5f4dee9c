"""Digests: one canonical form of JSON, and SHA-256 over it, over bytes and over folders."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Any) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8; raise ValueError on NaN or infinity."""
    return CANONICAL.encode(value).encode()


def digest(value: Any) -> str:
    """Return the SHA-256, in hexadecimal, of bytes, or of a JSON value's canonical form."""
    return hashlib.sha256(value if isinstance(value, bytes) else canonical(value)).hexdigest()


def digest_folder(folder: Path) -> str:
    """Return one SHA-256 over the names and contents of all files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest({path.relative_to(folder).as_posix(): digest(path.read_bytes()) for path in files})

"""Settings of the service, from the environment: which bundle, and whose decisions count."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from serving.refusals import KeysUnusable
from training.committee import DEMONSTRATION_KEY_ID, InvalidKey, demonstration_keys, load_trusted_keys

BUNDLE: Final = "VIGIE_BUNDLE"
"""Folder of the bundle, where the service does not run from a Bento."""

TRUSTED_KEYS: Final = "VIGIE_TRUSTED_KEYS"
"""Folder of the public keys whose decisions count, as an absolute path."""

ALLOW_DEMONSTRATION: Final = "VIGIE_ALLOW_DEMONSTRATION"
"""``1`` where a demonstration's approval counts as well; every answer and page then says that it is one."""

LEDGER_HEAD: Final = "VIGIE_LEDGER_HEAD"
"""Head of the ledger as it was noted elsewhere: a ledger that was cut short is then noticed."""


MODEL_ALIAS: Final = "bundle"
"""What the released bundle is called inside a Bento."""


def trusted_keys(environment: Mapping[str, str]) -> dict[str, Ed25519PublicKey]:
    """Return the keys whose decisions count; the demonstration key only where it is allowed by name.

    Raises
    ------
    KeysUnusable
        If no key is given, or one cannot be read.
    """
    folder, demonstration = environment.get(TRUSTED_KEYS), environment.get(ALLOW_DEMONSTRATION) == "1"
    if not folder and not demonstration:
        raise KeysUnusable(f"nobody's decisions count: set {TRUSTED_KEYS} to the folder of the committee's public keys")
    try:
        keys = load_trusted_keys(Path(folder)) if folder else {}
    except (OSError, InvalidKey) as error:
        raise KeysUnusable(f"{TRUSTED_KEYS}: {error}. Give a folder of Ed25519 keys, as an absolute path.") from error
    keys.pop(DEMONSTRATION_KEY_ID, None)
    return keys | (demonstration_keys() if demonstration else {})

"""Ed25519 keys: who may sign for the committee, and the public one that signs demonstrations."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TrustedKeys = Mapping[str, Ed25519PublicKey] | Path
"""Public keys by key id, or a folder of public keys in PEM files (``*.pem``)."""


class InvalidKey(ValueError):
    """A file that is not the Ed25519 key it should be, or a key under another key's id."""


def key_id(key: Ed25519PublicKey | Ed25519PrivateKey) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the raw public key."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def generate_key() -> Ed25519PrivateKey:
    """Return a new private key."""
    return Ed25519PrivateKey.generate()


DEMONSTRATION_SEED: Final = "Vigie demonstration key: public, proves nothing, binds nobody"
"""What the demonstration key is derived from. Anybody can derive it: that is the point."""


def demonstration_key() -> Ed25519PrivateKey:
    """Return the well-known key that signs demonstrations; whatever it signs is reported as a demonstration."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(DEMONSTRATION_SEED.encode()).digest())


DEMONSTRATION_KEY_ID: Final = key_id(demonstration_key())


def demonstration_keys() -> dict[str, Ed25519PublicKey]:
    """Return the trusted keys of a demonstration: the demonstration key alone."""
    return {DEMONSTRATION_KEY_ID: demonstration_key().public_key()}


def save_private_key(key: Ed25519PrivateKey, path: Path) -> None:
    """Write a new PEM file (PKCS#8, not encrypted) that only its owner may read.

    Raises
    ------
    FileExistsError
        If there is a file already: a key is not overwritten.
    """
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def save_public_key(key: Ed25519PublicKey | Ed25519PrivateKey, path: Path) -> None:
    """Write the public key to a PEM file, to be put in the folder of trusted keys."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    path.write_bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key; raise `InvalidKey` if the file does not hold an Ed25519 private key in PEM."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidKey(f"{path.name} is not an unencrypted private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidKey(f"{path.name} is not an Ed25519 key: make one with generate_key")
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key; raise `InvalidKey` if the file does not hold an Ed25519 public key in PEM."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidKey(f"{path.name} is not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidKey(f"{path.name} is not an Ed25519 key")
    return key


def load_trusted_keys(keys: TrustedKeys) -> dict[str, Ed25519PublicKey]:
    """Return public keys by id, from a folder of PEM files or from such a mapping, checked.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    InvalidKey
        If a file holds no Ed25519 public key, or a mapping names a key by an id that is not its own.
    """
    if isinstance(keys, Path):
        if not keys.is_dir():
            raise FileNotFoundError(f"there is no folder of trusted keys at {keys}")
        return {key_id(key): key for key in map(load_public_key, sorted(keys.glob("*.pem")))}
    for name, key in keys.items():
        if key_id(key) != name:
            raise InvalidKey(f"the key named {name} has the id {key_id(key)}")
    return dict(keys)

"""Public keys of clients, and the key with which this service signs its own tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm

from features.digests import digest

ES384: Final = "ES384"
RS384: Final = "RS384"
ALGORITHMS: Final = (ES384, RS384)
SMALLEST_RSA: Final = 2048
LARGEST_FILE: Final = 64 * 1024
#: Fields of a JWK that belong to nobody but its owner.
PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeysUnusable(ValueError):
    """Keys that are none, or not such as are taken: all that is wrong with a file."""


def public_keys(path: Path) -> dict[str, jwt.PyJWK]:
    """Return the keys of a JWK Set (RFC 7517) by their id.

    Raises
    ------
    KeysUnusable
        If the file cannot be read, or a key has no id of its own, is private, or is neither an elliptic-curve key on
        P-384 (for ES384) nor an RSA key of 2048 bits or more (for RS384).
    """
    try:
        text = path.read_bytes()
        listed = json.loads(text)["keys"] if len(text) <= LARGEST_FILE else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeysUnusable(f"{path.name}: no JWK Set can be read ({type(error).__name__})") from error
    if not isinstance(listed, list) or not listed:
        raise KeysUnusable(f"{path.name}: a JWK Set holds a list of keys, one at least, in {LARGEST_FILE:,} bytes")
    found: dict[str, jwt.PyJWK] = {}
    faults = []
    for number, each in enumerate(listed, 1):
        key, fault = _public_key(each)
        if key is not None and key.key_id in found:
            fault = "another key has the same kid"
        if fault:
            faults.append(f"{path.name}: key {number}: {fault}")
        elif key is not None and key.key_id is not None:
            found[key.key_id] = key
    if faults:
        raise KeysUnusable("; ".join(faults))
    return found


def _public_key(given: Any) -> tuple[jwt.PyJWK | None, str | None]:
    """Return a key, or what is wrong with it."""
    if not isinstance(given, Mapping) or not isinstance(given.get("kid"), str) or not given["kid"]:
        return None, "it has no kid"
    if PRIVATE & given.keys():
        return None, "it is private: whoever holds this file could sign as the client; publish the public half only"
    algorithm = {"EC": ES384, "RSA": RS384}.get(str(given.get("kty")))
    if algorithm is None or given.get("alg", algorithm) != algorithm or given.get("use", "sig") != "sig":
        return None, f"it is not for signatures by {' or '.join(ALGORITHMS)}"
    try:
        key = jwt.PyJWK(dict(given), algorithm)
    except (jwt.PyJWTError, ValueError) as error:
        return None, f"it cannot be read ({type(error).__name__})"
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < SMALLEST_RSA:
        return None, f"an RSA key has {SMALLEST_RSA} bits at least"
    if algorithm == ES384 and not isinstance(getattr(key.key, "curve", None), SECP384R1):
        return None, f"for {ES384} it lies on the curve P-384"
    return key, None


class TokenKey:
    """The key with which this service signs its tokens.

    Attributes
    ----------
    key
        Private, on P-384.
    id
        By which its public half is found.
    public
        Its public half, as a JWK.
    """

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self.key = key
        public: dict[str, Any] = dict(ECAlgorithm.to_jwk(key.public_key(), as_dict=True))
        self.id = digest(public)[:16]
        self.public = {**public, "kid": self.id, "alg": ES384, "use": "sig"}

    @classmethod
    def load(cls, path: Path) -> TokenKey:
        """Return the key in a PEM file, such as ``openssl ecparam -name secp384r1 -genkey -noout`` makes.

        Raises
        ------
        KeysUnusable
            If there is none, or another.
        """
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise KeysUnusable(f"{path.name}: no private key can be read ({type(error).__name__})") from error
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP384R1):
            raise KeysUnusable(f"{path.name}: make it with openssl ecparam -name secp384r1 -genkey -noout")
        return cls(key)

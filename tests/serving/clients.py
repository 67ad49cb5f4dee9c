"""Software that may ask, with its keys, for tests."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from serving import settings

HOME = "https://vigie.example"
TOKEN_ADDRESS = f"{HOME}/oauth/token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALL = ("score:cardiovascular", "fhir", "cds-hooks", "feedback", "documentation", "metrics")
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Software:
    """A client: its id, and its private key with the key's id."""

    id: str
    key: Key
    kid: str = "key-1"

    @property
    def algorithm(self) -> str:
        return "RS384" if isinstance(self.key, rsa.RSAPrivateKey) else "ES384"

    @property
    def jwk(self) -> dict[str, Any]:
        kind: Any = RSAAlgorithm if self.algorithm == "RS384" else ECAlgorithm
        return {**kind.to_jwk(self.key.public_key(), as_dict=True), "kid": self.kid, "alg": self.algorithm}

    def claims(self, audience: str = TOKEN_ADDRESS, **changes: Any) -> dict[str, Any]:
        """Claims of an assertion; None leaves one out."""
        now = int(time.time())
        told = {"iss": self.id, "sub": self.id, "aud": audience, "iat": now, "exp": now + 240, "jti": str(uuid.uuid4())}
        return {name: value for name, value in (told | changes).items() if value is not None}

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        told = {"kid": self.kid} | headers
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers=told)

    def form(self, assertion: str | None = None, **more: str) -> dict[str, str]:
        """What is sent to the token endpoint."""
        told = assertion or self.sign(self.claims())
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION,
            "client_assertion": told,
        } | more


def elliptic(identity: str) -> Software:
    return Software(identity, ec.generate_private_key(ec.SECP384R1()))


def private_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def register(folder: Path, *clients: tuple[Software, dict[str, Any]]) -> Path:
    """Write a register of clients, each with its own settings, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for software, given in clients:
        (folder / f"{software.id}.json").write_text(json.dumps({"keys": [software.jwk]}))
        told = {"keys": f"{software.id}.json", "scopes": list(ALL), "practices": ["north"]} | given
        lines += [f"[clients.{software.id}]", *(f"{name} = {json.dumps(value)}" for name, value in told.items())]
    path = folder / "clients.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def configured(folder: Path, *clients: tuple[Software, dict[str, Any]], home: str = HOME) -> dict[str, str]:
    """Return the settings of production, with the files they name."""
    path = register(folder / "clients", *clients)
    (folder / "token.pem").write_bytes(private_pem(ec.generate_private_key(ec.SECP384R1())))
    (folder / "audit.key").write_text("5ea1" * 16)
    return {
        settings.CLIENTS: str(path),
        settings.TOKEN_KEY: str(folder / "token.pem"),
        settings.AUDIT_KEY: str(folder / "audit.key"),
        settings.DATA: str(folder / "data"),
        settings.PUBLIC_ADDRESS: home,
    }

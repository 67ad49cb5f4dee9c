"""Get a token and ask Vigie with it. Needs PyJWT and cryptography.

Usage: ``client_with_token.py address client-id key.pem [practice]``; the key is the private half of one that is
registered (P-384 or RSA). ``client_with_token.py --jwks key.pem`` prints the public half, to be registered.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

HERE = Path(__file__).parent
KEY_ID = "key-1"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def load(path: str) -> tuple[Any, str]:
    """Return a private key and the algorithm it signs with."""
    key = load_pem_private_key(Path(path).read_bytes(), password=None)
    return key, "RS384" if isinstance(key, RSAPrivateKey) else "ES384"


def jwks(path: str) -> dict[str, Any]:
    """Return the public half of a key, as it is registered."""
    key, algorithm = load(path)
    kind: Any = RSAAlgorithm if algorithm == "RS384" else ECAlgorithm
    public = kind.to_jwk(key.public_key(), as_dict=True)
    return {"keys": [{**public, "kid": KEY_ID, "alg": algorithm, "use": "sig"}]}


def signed(path: str, **claims: Any) -> str:
    """Return a JWT that lives for a minute and counts once."""
    key, algorithm = load(path)
    now = int(time.time())
    told = {"iat": now, "exp": now + 60, "jti": str(uuid.uuid4()), **claims}
    return jwt.encode(told, key, algorithm=algorithm, headers={"kid": KEY_ID})


def ask(address: str, body: bytes | None = None, **headers: str) -> Any:
    """Return what is answered; say why where nothing is, and when to ask again."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urlopen(Request(address, body, sent), timeout=10) as answer:
            return json.load(answer)
    except HTTPError as error:
        again = error.headers.get("Retry-After")
        raise SystemExit(f"{error.code} {error.read().decode()}{f' (again in {again} s)' if again else ''}") from None


def token(vigie: str, client: str, key: str, practice: str | None) -> str:
    """Return a token: it lasts five minutes, so keep it and ask for the next one a little before."""
    endpoint = ask(f"{vigie}/.well-known/smart-configuration")["token_endpoint"]
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION,
        "client_assertion": signed(key, iss=client, sub=client, aud=endpoint),
        **({"practice": practice} if practice else {}),
    }
    kind = "application/x-www-form-urlencoded"
    given = ask(f"{vigie}/oauth/token", urlencode(form).encode(), Content_Type=kind)
    print(f"a token for {given['expires_in']} s: {given['scope']}")
    return str(given["access_token"])


def main() -> None:
    """Ask about one patient at two doors."""
    if sys.argv[1:2] == ["--jwks"]:
        print(json.dumps(jwks(sys.argv[2]), indent=2))
        return
    vigie, client, key, *practice = sys.argv[1:]
    bearer = f"Bearer {token(vigie, client, key, practice[0] if practice else None)}"
    record = (HERE / "request.json").read_bytes()
    answer = ask(f"{vigie}/score", record, Content_Type="application/json", Authorization=bearer)
    print(f"risk: {answer['risk']:.1%}")
    for service in ask(f"{vigie}/cds-services", Authorization=bearer)["services"]:
        print(f"service: {service['id']}")


if __name__ == "__main__":
    main()

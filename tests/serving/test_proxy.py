"""The example of a proxy, run by nginx itself where it is installed; `test_security` reads it everywhere."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from serving.contract import now
from tests.conftest import REPOSITORY
from tests.serving.clients import private_pem

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: test_security reads its configuration instead"),
]


class Authority:
    """Makes certificates."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self.certificate = self._signed(self.name, self.key, is_authority=True)

    def _signed(self, who: x509.Name, key: Any, is_authority: bool = False) -> x509.Certificate:
        made = x509.CertificateBuilder(self.name, who, key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now() - timedelta(days=1)).not_valid_after(now() + timedelta(days=1))
        made = made.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        return made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False).sign(
            self.key, hashes.SHA256()
        )

    def issue(self, folder: Path, name: str) -> tuple[str, str]:
        """Write a certificate and its key, and return their paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        (folder / f"{name}.pem").write_bytes(self._signed(who, key).public_bytes(Encoding.PEM))
        (folder / f"{name}.key").write_bytes(private_pem(key))
        return str(folder / f"{name}.pem"), str(folder / f"{name}.key")

    def revoked(self) -> bytes:
        """Its list of revoked certificates, with none on it."""
        made = x509.CertificateRevocationListBuilder(self.name, now() - timedelta(days=1), now() + timedelta(days=1))
        return made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


class Behind(BaseHTTPRequestHandler):
    """Answers with the certificate that the proxy says the client came with."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        told = unquote(self.headers.get("vigie-client-certificate", "none")).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, Authority]]:
    folder = tmp_path_factory.mktemp("proxy")
    authority = Authority()
    authority.issue(folder, "server")
    (folder / "clients-ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (folder / "clients-ca.crl").write_bytes(authority.revoked())
    behind = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    port = _free_port()
    text = (REPOSITORY / "deploy" / "nginx.conf").read_text()
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{_free_port()};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("http://vigie:3000", f"http://127.0.0.1:{behind.server_port}"),
        ("/etc/nginx/tls", str(folder)),
        ("/run/nginx/nginx.pid", str(folder / "nginx.pid")),
        ("/dev/stdout", str(folder / "access.log")),
    ):
        assert old in text
        text = text.replace(old, new)
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {", f"http {{ {places}", 1)
    if os.geteuid() == 0:
        text = f"user root;\n{text}"
    (folder / "nginx.conf").write_text(text)
    assert NGINX is not None
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    running = subprocess.Popen([*command, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"https://localhost:{port}", folder, authority
    running.terminate()
    running.wait(timeout=10)
    behind.shutdown()
    behind.server_close()


def client(address: str, folder: Path, came_with: tuple[str, str] | None = None) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(folder / "clients-ca.pem"))
    if came_with:
        context.load_cert_chain(*came_with)
    return httpx.Client(base_url=address, verify=context, trust_env=False)


def test_only_clients_with_a_certificate_of_ours_come_through(proxy):
    address, folder, authority = proxy
    own, foreign = authority.issue(folder, "software-a"), Authority().issue(folder, "stranger")
    with client(address, folder) as nobody:
        assert nobody.get("/models").status_code == 403
        assert nobody.post("/oauth/token").status_code == 403
    with client(address, folder, foreign) as stranger:
        assert stranger.get("/models").status_code == 400
    with client(address, folder, own) as known:
        forged = {"vigie-client-certificate": "forged"}
        assert known.get("/models", headers=forged).text == Path(own[0]).read_text()
        assert known.post("/oauth/token").status_code == 200
        assert known.post("/score", content=b" " * (4 << 20)).status_code == 200
        assert known.post("/score", content=b" " * ((4 << 20) + 1)).status_code == 413
        assert "max-age" in known.get("/models").headers["strict-transport-security"]
        for path in ("/metrics", "/livez", "/readyz"):
            assert known.get(path).status_code == 404
    log = (folder / "access.log").read_text()
    assert "CN=software-a" in log
    assert "/models" not in log


def test_anybody_reads_a_model_card_and_says_nothing_of_a_certificate(proxy):
    address, folder, _ = proxy
    with client(address, folder) as nobody:
        told = nobody.get("/models/cardiovascular/card.fr.html", headers={"vigie-client-certificate": "forged"})
        assert (told.status_code, told.text) == (200, "none")
        assert nobody.post("/models/cardiovascular/card").status_code == 403


def test_old_versions_of_tls_are_not_spoken(proxy):
    address, folder, _ = proxy
    context = ssl.create_default_context(cafile=str(folder / "clients-ca.pem"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with httpx.Client(base_url=address, verify=context, trust_env=False) as old, pytest.raises(httpx.ConnectError):
        old.get("/models")

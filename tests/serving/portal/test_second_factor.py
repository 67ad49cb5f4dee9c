"""Codes are those of RFC 6238: any application makes them from what was enrolled."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from serving.portal.second_factor import SECONDS, Codes, code, enrolment

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def shown(address: str, at: int) -> str:
    """Return what a telephone shows: RFC 4226 and 6238, written out."""
    (secret,) = parse_qs(urlsplit(address).query)["secret"]
    digest = hmac.digest(base64.b32decode(secret), (at // 30).to_bytes(8), hashlib.sha1)
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF) % 1_000_000:06d}"


@given(st.integers(0, 1 << 35))
def test_a_telephone_shows_the_same_codes(at: int) -> None:
    assert shown(enrolment("a.martin", KEY), at) == code(KEY, at)


def test_what_is_enrolled_is_neither_the_key_nor_another_members() -> None:
    address = enrolment("a.martin", KEY)
    assert address.startswith("otpauth://totp/Vigie:a.martin?")
    (secret,) = parse_qs(urlsplit(address).query)["secret"]
    assert base64.b32decode(secret) not in KEY.private_bytes_raw()
    assert secret not in enrolment("a.martin", Ed25519PrivateKey.from_private_bytes(b"l" * 32))


@given(st.integers(-3, 3), st.integers(0, SECONDS - 1))
def test_clocks_may_differ_by_one_code(apart: int, within: int) -> None:
    now = 1_800_000_000 + within
    given = code(KEY, now + apart * SECONDS)
    assert Codes(lambda: now).accept("a", KEY, given) is (abs(apart) <= 1)
    assert Codes(lambda: now).accept("a", KEY, f"{given[:3]} {given[3:]}") is (abs(apart) <= 1)


def test_a_code_is_taken_once_and_none_before_it() -> None:
    now = 1_800_000_000
    codes = Codes(lambda: now)
    assert codes.accept("a", KEY, code(KEY, now))
    assert not codes.accept("a", KEY, code(KEY, now))
    assert not codes.accept("a", KEY, code(KEY, now - SECONDS))
    assert codes.accept("b", KEY, code(KEY, now)), "another member's is another"
    assert codes.accept("a", KEY, code(KEY, now + SECONDS))

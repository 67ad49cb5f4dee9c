"""Keyed pseudonyms: the name a person bears in one domain, and nowhere else."""

from __future__ import annotations

import hmac
import re
from typing import Any, Final

import numpy as np
import pandas as pd

SMALLEST_KEY: Final = 32
"""Bytes a key must have at least: as many as the hash gives."""

PSEUDONYM: Final = re.compile(r"[0-9a-f]{32}")


def pseudonym(identifier: str, key: bytes, domain: str) -> str:
    """Return the name a person bears in one domain, which nobody can turn back, or derive, without the key.

    Parameters
    ----------
    identifier
        Identifier of a person or a practice at the source.
    key
        Secret of at least 32 bytes, kept outside the data it serves: whoever has it can try every identifier.
    domain
        Project or purpose. The same person has unrelated pseudonyms in two domains, and a practice another one
        than a patient with the same number when they are given domains of their own.

    Returns
    -------
    str
        32 hexadecimal digits: the first half of HMAC-SHA-256 (RFC 2104) over domain and identifier, the domain
        preceded by its length so that no two pairs give the same text.

    Raises
    ------
    ValueError
        If the key is too short, or the identifier or the domain is empty; all faults at once.
    """
    faults = [
        f"{what} is empty: give one" for what, text in (("identifier", identifier), ("domain", domain)) if not text
    ]
    if len(key) < SMALLEST_KEY:
        faults.insert(0, f"the key has {len(key)} bytes: draw at least {SMALLEST_KEY} at random (secrets.token_bytes)")
    if faults:
        raise ValueError("; ".join(faults))
    purpose = domain.encode()
    message = len(purpose).to_bytes(8, "big") + purpose + identifier.encode()
    return hmac.digest(key, message, "sha256").hex()[:32]


def pseudonymise(column: pd.Series[Any], key: bytes, domain: str) -> pd.Series[str]:
    """Return the pseudonyms of a column of identifiers; each distinct one is computed once.

    Parameters
    ----------
    column
        Identifiers as text. Numbers are refused, because 7, 7.0 and "007" may be one person.
    key, domain
        As for `pseudonym`.

    Returns
    -------
    Series of str
        With the index and name of ``column``.

    Raises
    ------
    ValueError
        If an identifier is missing or is not text, or as `pseudonym`; no identifier is ever quoted.
    """
    codes, distinct = pd.factorize(column)
    missing, other = int((codes < 0).sum()), sum(not isinstance(value, str) for value in distinct)
    faults = [f"{missing} of {len(column)} rows have no identifier: drop or complete them first"] if missing else []
    if other:
        faults.append(f"{other} distinct identifiers are not text: convert them as the source writes them")
    if faults:
        raise ValueError("; ".join(faults))
    names = np.array([pseudonym(value, key, domain) for value in distinct], dtype=object)
    return pd.Series(names[codes], index=column.index, name=column.name, dtype="str")

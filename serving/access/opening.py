"""From the settings of the service to its guard: production, with everything it needs, or development by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from serving import audit_trail, settings
from serving.access.clients import ClientsUnusable, Register
from serving.access.gatekeeper import Gatekeeper
from serving.access.guard import Guard
from serving.access.keys import KeysUnusable, TokenKey
from serving.access.proofs import Proofs
from serving.access.replay import Used
from serving.access.tokens import Tokens
from serving.audit_trail import AuditKeyUnusable, AuditTrail, load_key, own_key

LOUD: Final = (
    "DEVELOPMENT MODE: anybody who reaches this address may ask, nobody is identified, nothing is limited by client. "
    "Not for patients."
)
#: What production needs, and what it is for.
NEEDED: Final = {
    settings.CLIENTS: "the register of clients (TOML)",
    settings.TOKEN_KEY: "the key that signs tokens (PEM, P-384)",
    settings.AUDIT_KEY: "the key that seals the audit trail (32 bytes or more)",
    settings.DATA: "the folder of the audit trail and of what must not be used twice",
    settings.PUBLIC_ADDRESS: "the address by which clients reach the service, for whom tokens are",
}


def open_guard(environment: Mapping[str, str], served: Callable[[], Sequence[str]] = tuple) -> Guard:
    """Return the guard that the settings describe.

    Parameters
    ----------
    environment
        Settings (`serving.settings`).
    served
        Returns the studies that are served, that which is asked where none is named before the others.

    Raises
    ------
    serving.settings.InvalidSetting
        With all that is missing or wrong.
    """
    if settings.is_development(environment):
        folder = settings.data_folder(environment)
        if folder is None:
            return Guard(served=served)
        try:
            return Guard(trail=AuditTrail(folder / audit_trail.FOLDER, own_key(folder)), served=served)
        except (AuditKeyUnusable, OSError) as error:
            raise settings.InvalidSetting(f"{settings.DATA}: {error}") from error
    faults = [f"{name} is not set: {what}" for name, what in NEEDED.items() if not environment.get(name)]
    register = _opened(faults, environment, settings.CLIENTS, Register)
    key = _opened(faults, environment, settings.TOKEN_KEY, TokenKey.load)
    sealing = _opened(faults, environment, settings.AUDIT_KEY, load_key)
    home, folder = None, settings.data_folder(environment)
    try:
        home = settings.public_address(environment)
    except settings.InvalidSetting as wrong:
        faults.append(str(wrong))
    if faults or not (register and key and sealing and home and folder):
        told = "\n".join(f"  {fault}" for fault in faults)
        raise settings.InvalidSetting(
            f"production mode is not configured; nothing is served until it is:\n{told}\n"
            f"See docs/security.md, or try it out with --development ({settings.DEVELOPMENT}=1)."
        )
    try:
        trail = AuditTrail(folder / audit_trail.FOLDER, sealing)
        gatekeeper = Gatekeeper(home, register, Proofs(register, Used(folder)), Tokens(key, home))
    except OSError as error:
        raise settings.InvalidSetting(f"{settings.DATA}: {error}") from error
    return Guard(gatekeeper, trail, served)


Opened = TypeVar("Opened")


def _opened(
    faults: list[str], environment: Mapping[str, str], name: str, load: Callable[[Path], Opened]
) -> Opened | None:
    """Return what a setting names a file of; None, and add what is wrong, if it cannot be."""
    if not environment.get(name):
        return None
    try:
        return load(Path(environment[name]))
    except (ClientsUnusable, KeysUnusable, AuditKeyUnusable) as error:
        faults += [f"{name}: {line}" for line in str(error).splitlines()]
        return None

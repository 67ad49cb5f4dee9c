"""Who may ask, how much, and what is kept of it.

`clients` is the register of software that may ask, `keys` their keys and ours; `proofs` verifies what clients sign and
`replay` that it counts once; `tokens` are those of this service, `gatekeeper` says by them who asks, `limits` how much;
`guard` stands at the wall with all of it, `opening` makes it from the settings, `endpoints` are where tokens are had.
"""

from serving.access.endpoints import DOORS, ROUTES
from serving.access.guard import Guard
from serving.access.opening import LOUD, open_guard

__all__ = ["DOORS", "LOUD", "ROUTES", "Guard", "open_guard"]

"""The committee: who sits on it, how it votes, and its decisions in a ledger that only grows.

Every line of the ledger is chained to the one before and signed.
"""

from training.committee.ballots import Ballot, Choice, carried, may_suspend, quorum_faults
from training.committee.chain import START, AlteredLedger, Cause, Chain, Link
from training.committee.decisions import (
    APPROVALS,
    CONDITIONS,
    Condition,
    Decision,
    Motion,
    Status,
    StatusKind,
    Verdict,
    Votes,
)
from training.committee.keys import (
    DEMONSTRATION_KEY_ID,
    DEMONSTRATION_SEED,
    InvalidKey,
    TrustedKeys,
    demonstration_key,
    demonstration_keys,
    generate_key,
    key_id,
    load_private_key,
    load_public_key,
    load_trusted_keys,
    save_private_key,
    save_public_key,
)
from training.committee.ledger import Entry, Ledger, RefusedDecision, decisions, latest, roll_in
from training.committee.members import ROLES, Member, Name, Role, Roll, Rules
from training.committee.watch import Watch

__all__ = [
    "APPROVALS",
    "CONDITIONS",
    "DEMONSTRATION_KEY_ID",
    "DEMONSTRATION_SEED",
    "ROLES",
    "START",
    "AlteredLedger",
    "Ballot",
    "Cause",
    "Chain",
    "Choice",
    "Condition",
    "Decision",
    "Entry",
    "InvalidKey",
    "Ledger",
    "Link",
    "Member",
    "Motion",
    "Name",
    "RefusedDecision",
    "Role",
    "Roll",
    "Rules",
    "Status",
    "StatusKind",
    "TrustedKeys",
    "Verdict",
    "Votes",
    "Watch",
    "carried",
    "decisions",
    "demonstration_key",
    "demonstration_keys",
    "generate_key",
    "key_id",
    "latest",
    "load_private_key",
    "load_public_key",
    "load_trusted_keys",
    "may_suspend",
    "quorum_faults",
    "roll_in",
    "save_private_key",
    "save_public_key",
]

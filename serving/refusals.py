"""Why a bundle may not be served: one exception a cause, each with a code that does not change."""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """A bundle that may not be served. ``code`` says which rule, the message says what is wrong and what to do."""

    code: ClassVar[str] = "refused"


class BundleMissing(Refused):
    """There is no bundle where one should be."""

    code = "bundle_missing"


class BundleTooLarge(Refused):
    """A bundle larger than any model of ours."""

    code = "bundle_too_large"


class CardMissing(Refused):
    """No model card."""

    code = "card_missing"


class CardAltered(Refused):
    """The card is not the one that was written."""

    code = "card_altered"


class CardUnfinished(Refused):
    """The card has holes."""

    code = "card_unfinished"


class ModelMissing(Refused):
    """No model folder, or a file of it is absent."""

    code = "model_missing"


class PickleFound(Refused):
    """A file that would run code when read."""

    code = "pickle_found"


class UnexpectedFile(Refused):
    """A file the model has no use for."""

    code = "unexpected_file"


class ModelAltered(Refused):
    """The model's bytes are not those the card describes."""

    code = "model_altered"


class DocumentMissing(Refused):
    """Evidence, audit or explanation is absent."""

    code = "document_missing"


class DocumentAltered(Refused):
    """Evidence, audit or explanation is not the one the card describes."""

    code = "document_altered"


class LedgerMissing(Refused):
    """No decision of the committee."""

    code = "ledger_missing"


class LedgerAltered(Refused):
    """The decisions are not those that were signed."""

    code = "ledger_altered"


class KeyUntrusted(Refused):
    """A decision is signed by somebody whose key is not trusted here."""

    code = "key_untrusted"


class KeysUnusable(Refused):
    """The trusted keys cannot be read."""

    code = "keys_unusable"


class NotApproved(Refused):
    """The committee has not decided about this card."""

    code = "not_approved"


class RefusedByCommittee(Refused):
    """The committee refused this card."""

    code = "refused_by_committee"


class Suspended(Refused):
    """The committee suspended this card."""

    code = "suspended"


class Withdrawn(Refused):
    """The committee withdrew this card for good."""

    code = "withdrawn"


class Expired(Refused):
    """The approval is over."""

    code = "expired"


class ModelUnusable(Refused):
    """The model does not load, or does not give the answers it gave when it was saved."""

    code = "model_unusable"


class FeaturesDiffer(Refused):
    """The model computes other features than the card describes."""

    code = "features_differ"

"""The CDS Hooks 2.0 door: when a patient's file is opened, a card with the risk, or with why there is none.

`asking` says what may be asked, `discovery` which services there are and what they want to be sent along, `cards` what
is shown, `feedback` what clinicians did with it. Requests of version 3.0 are understood: what they add is let through.
"""

from serving.cds_hooks.asking import Call, file_of
from serving.cds_hooks.cards import card, is_no_news
from serving.cds_hooks.discovery import services
from serving.cds_hooks.feedback import Feedback, keep, kept, tally

__all__ = ["Call", "Feedback", "card", "file_of", "is_no_news", "keep", "kept", "services", "tally"]

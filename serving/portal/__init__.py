"""The committee's portal: read a card, ask, vote, suspend; and what everybody may know.

Pages are made here and need no script. What the committee does is written into two files that only grow: the record
(questions, answers, interests, motions, votes; confidential) and the ledger (decisions, with the ballots that make
them; public, and what the gate believes).
"""

"""What can be claimed, and with what certainty: models, resampling, measures, audits, cards and decisions."""

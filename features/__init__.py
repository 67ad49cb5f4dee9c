"""What was known, and when: records, the feature language, its two evaluators, cohorts and outcomes."""

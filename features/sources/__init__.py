"""One reader a format; each turns what a practice or a cohort sends into `features.records.Records`."""

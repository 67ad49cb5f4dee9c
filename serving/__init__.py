"""What may be said about this patient: the gate, the scoring and the service."""

"""Definitions only: concepts and the feature sets built from them."""

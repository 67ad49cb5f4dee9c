"""All models of a study on one page: how well each does, how sure that is, and which is best by the declared rule."""

from training.comparison.rendering import comparison_page

__all__ = ["comparison_page"]

"""A BentoML service that does nothing, set up as ours: what is left when there is nothing to say about anybody."""

from __future__ import annotations

import os

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")

import bentoml


@bentoml.service(metrics={"enabled": False}, logging={"access": {"enabled": False}}, traffic={"timeout": 10})
class Empty:
    @bentoml.api(route="/score")  # type: ignore[untyped-decorator]
    def score(self) -> dict[str, str]:
        return {}

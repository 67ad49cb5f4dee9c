"""What commands of ``python -m serving`` import when they run, but for BentoML, which looks where its folder is."""

from __future__ import annotations

import os

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import mlflow.artifacts
import mlflow.tracking._model_registry.client
import skops.io

import serving.commands.answers
import serving.commands.approval
import serving.release
import training.models.portable
import training.tracking

__all__ = ["mlflow", "serving", "skops", "training"]

"""A model's source (local folder, ``hf://``, ``s3://``) becomes a verified local folder."""

from deployments.model_store.fetch import fetch_model
from deployments.model_store.local import find_local
from deployments.model_store.progress import DownloadProgress, OnProgress
from deployments.model_store.source import ModelSource, hub_source, parse_source

__all__ = [
    "DownloadProgress",
    "ModelSource",
    "OnProgress",
    "fetch_model",
    "find_local",
    "hub_source",
    "parse_source",
]

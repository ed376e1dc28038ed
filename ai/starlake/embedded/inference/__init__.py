"""Inference of the metadata of a table from a sample file."""

from ai.starlake.embedded.inference.infer import Inference, Request, infer_schema

__all__ = ["Inference", "Request", "infer_schema"]

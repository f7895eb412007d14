"""The REST API below /api/v1: JSON, authenticated by API keys, described by its own OpenAPI document."""

from sealtone.web.api.app import PREFIX, described, make_api

__all__ = ["PREFIX", "described", "make_api"]

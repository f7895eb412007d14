"""Whom a request is for: request URI, caller and snapshot in, a target or a refusal out."""

from sealtone.routing.route import Forbidden, NotFound, Target, ToService, ToUser, Unavailable, route

__all__ = ["Forbidden", "NotFound", "Target", "ToService", "ToUser", "Unavailable", "route"]

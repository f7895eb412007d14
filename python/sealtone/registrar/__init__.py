"""Where each address of record can be reached now (RFC 3261 10.3, RFC 5626, RFC 3327)."""

from sealtone.registrar.binding import Binding
from sealtone.registrar.register import Registration, Rules
from sealtone.registrar.registrar import Registrar

__all__ = ["Binding", "Registrar", "Registration", "Rules"]

"""Certificates: an authority of its own for first use, one server certificate for each domain, choice by SNI."""

from sealtone.pki.authority import Authority
from sealtone.pki.certificates import CertificateStore
from sealtone.pki.errors import CertificateError

__all__ = ["Authority", "CertificateError", "CertificateStore"]

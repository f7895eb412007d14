"""The exception of this package."""


class CertificateError(Exception):
    """A certificate or key cannot be used; the message names the file and what to do."""

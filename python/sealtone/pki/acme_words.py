"""What is said of orders of certificates, apart from the ordering itself, which takes long to load."""

from __future__ import annotations

from sealtone.pki.challenges import ChallengeKind

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"

REFUSED = "The authority refused the order."
SAYS = "It says: “{detail}”"
_OTHER_ANSWER = "The authority got another answer than this server's ({way}). Does the name lead to this server?"
REASONS = {
    "connection": "The authority could not reach this server ({way}). Is the name's address right, and the port open?",
    "dns": "The authority found no usable address or record of {domain} in DNS.",
    "caa": "The domain's CAA record forbids this authority. Add it there, or use another authority.",
    "rateLimited": "The authority takes no more orders for now. It is tried again later.",
    "unauthorized": _OTHER_ANSWER,
    "incorrectResponse": _OTHER_ANSWER,
    "tls": "The authority could not agree on TLS with this server ({way}).",
    "rejectedIdentifier": "The authority issues no certificates for {domain}.",
    "userActionRequired": "The authority has new terms. Read and accept them on the service's page.",
    "externalAccountRequired": "The authority wants an account that was made with it before; that is not supported.",
    "invalidContact": "The authority does not accept the e-mail address of the service.",
    "serverInternal": "The authority has a fault of its own. It is tried again later.",
}
WAYS = {
    ChallengeKind.HTTP: "by HTTP on port 80",
    ChallengeKind.TLS_ALPN: "by TLS on port 443",
    ChallengeKind.DNS: "by the record _acme-challenge in DNS",
}


def parted(said: str, domain: str) -> tuple[str, str, str]:
    """For translation, of what `acme_order.in_plain_words` made: template, way, and the authority's own words.

    The whole of it as a template where it is none of those.
    """
    before, after = SAYS.split("{detail}")
    sentence, mark, words = said.partition(f" {before}")
    words = words.removesuffix(after) if mark else ""
    for template in {*REASONS.values(), REFUSED}:
        for way in WAYS.values():
            if template.format(domain=domain, way=way) == sentence:
                return template, way, words
    return said, "", ""

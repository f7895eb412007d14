"""a=crypto values from strangers.

Invariants:
1. The only way out besides a result is `CryptoError`, and its reason holds nothing of the key.
2. What was read has a key of the right length, and none of the words that weaken SRTP.
3. It is written in a form that is read back the same.
"""

import sys

import atheris

with atheris.instrument_imports(include=["sealtone"]):
    from sealtone.srtp_keys import CryptoAttribute, CryptoError

WEAKENING = ("UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "KDR", "FEC_KEY", "FEC_ORDER")


def one_input(data: bytes) -> None:
    value = data.decode("utf-8", "surrogateescape")
    try:
        attribute = CryptoAttribute.parse(value)
    except CryptoError as error:
        check_reason(str(error), value)
        return
    suite = attribute.suite
    assert len(attribute.key.key) == suite.key_len
    assert len(attribute.key.salt) == suite.salt_len
    for word in value.split()[3:]:
        assert word.partition("=")[0].lstrip("-").upper() not in WEAKENING
    assert CryptoAttribute.parse(str(attribute)) == attribute


def check_reason(reason: str, value: str) -> None:
    secret = "".join(value.partition("inline:")[2].split()[:1])[:30]
    # What has the look of a name may be shown; no real key consists of capitals alone.
    if len(secret) == 30 and not secret.isupper():
        assert secret not in reason


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()

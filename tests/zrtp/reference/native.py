"""The native part's interface on the plain Python of this folder."""

from __future__ import annotations

import hmac

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from zrtp.reference import curve3617
from zrtp.reference.skein import skein512
from zrtp.reference.twofish import cfb

_HASHES = {"S256": "sha256", "S384": "sha384"}
_OCTETS = {"SKN2": 32, "SKN3": 48}

# RFC 3526 3 and 4, as printed there.
_COMMON = (
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
    "49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D"
    "670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
    "3995497CEA956AE515D2261898FA051015728E5A8A"
)
PRIMES = {
    "DH2k": int(_COMMON + "ACAA68FFFFFFFFFFFFFFFF", 16),
    "DH3k": int(
        _COMMON
        + "AAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7ABF5AE8CDB0933D7"
        "1E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD9"
        "46E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
        16,
    ),
}


class ReferenceNative:
    """Implements `sealtone.zrtp.NativePrimitives`."""

    def zrtp_hash(self, name: str, data: bytes) -> bytes:
        return skein512(data, _OCTETS[name])

    def zrtp_mac(self, name: str, key: bytes, data: bytes) -> bytes:
        if name in _HASHES:
            return hmac.digest(key, data, _HASHES[name])
        return skein512(data, _OCTETS[name], key)

    def aes_cfb(self, key: bytes, iv: bytes, data: bytes, *, encrypt: bool) -> bytes:
        cipher = Cipher(AES(key), CFB(iv))
        return (cipher.encryptor() if encrypt else cipher.decryptor()).update(data)

    def twofish_cfb(self, key: bytes, iv: bytes, data: bytes, *, encrypt: bool) -> bytes:
        return cfb(key, iv, data, encrypt)

    def crc32c(self, data: bytes) -> bytes:
        crc = 0xFFFFFFFF
        for octet in data:
            crc ^= octet
            for _ in range(8):
                crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
        return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")

    def dh_public(self, name: str, private: bytes) -> bytes:
        if name == "E414":
            return curve3617.encode(curve3617.multiply(curve3617.scalar_of(private), curve3617.BASE))
        prime = PRIMES[name]
        return pow(2, int.from_bytes(private, "big"), prime).to_bytes((prime.bit_length() + 7) // 8, "big")

    def dh_shared(self, name: str, private: bytes, peer_public: bytes) -> bytes:
        if name == "E414":
            x, _ = curve3617.multiply(curve3617.scalar_of(private), curve3617.decode(peer_public))
            return x.to_bytes(curve3617.OCTETS, "big")
        prime = PRIMES[name]
        peer = int.from_bytes(peer_public, "big")
        if len(peer_public) * 8 != prime.bit_length() or not 1 < peer < prime - 1:
            raise ValueError("a public value outside 2 to p-2")
        return pow(peer, int.from_bytes(private, "big"), prime).to_bytes(len(peer_public), "big")

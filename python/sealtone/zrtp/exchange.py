"""One key agreement, from Commit to Confirm2, in either role and any mode (RFC 6189 4.4 to 4.6).

An `Exchange` is told of messages in their right order (`sealtone.zrtp.session` sees to it) and gives the message to
send in turn. It knows no time and sends nothing. Each method raises `Discarded` for what is not proven to be the peer's
and leaves everything as it was, or `Aborted` when the exchange cannot go on.

Rules. 1. The hash chain is checked before anything costly or lasting is done with a message (10). 2. The MAC of a
message is checked as soon as its key is known: Hello's by H2, Commit's by H1, DHPart's by H0 (9). 3. A public value
is used only after hvi was found right (4.4.1.1) and after the provider has judged it. 4. One key pair and one
agreement at most for each exchange; a key pair made for a Commit that lost is used for the answer to the one that won,
if it is of the same kind (4.2). 5. s0 and DHResult live no longer than the derivation of keys.
"""

from __future__ import annotations

from typing import NamedTuple

from sealtone.zrtp import hashchain, negotiation
from sealtone.zrtp.algorithms import KEY_AGREEMENTS, MULTISTREAM, PRESHARED, Suite, private_octets
from sealtone.zrtp.cache import Secrets
from sealtone.zrtp.commit import HVI_OCTETS, NONCE_OCTETS, Commit
from sealtone.zrtp.confirm import IV_OCTETS, Confirm, Sealed
from sealtone.zrtp.crypto import Crypto, Entropy, KeyPair, wipe
from sealtone.zrtp.dhpart import DHPart
from sealtone.zrtp.errors import Aborted, Discarded, ErrorCode, MalformedPacket
from sealtone.zrtp.events import Mode
from sealtone.zrtp.hello import Hello
from sealtone.zrtp.keys import (
    Context,
    Keys,
    preshared_key,
    s0_by_dh,
    s0_by_multistream,
    s0_by_preshared,
    total_hash,
)
from sealtone.zrtp.limits import Counters
from sealtone.zrtp.matching import Shared, ids_of, match
from sealtone.zrtp.message import MAC_OCTETS, Kind
from sealtone.zrtp.multistream import Multistream
from sealtone.zrtp.profile import Profile

MODES = {PRESHARED: Mode.PRESHARED, MULTISTREAM: Mode.MULTISTREAM}


class Greeting(NamedTuple):
    """A Hello with the very octets that it came or went as."""

    hello: Hello
    message: bytes


def seal(crypto: Crypto, entropy: Entropy, keys: Keys, kind: Kind, plain: bytes) -> bytes:
    """An encrypted message of ours (5.7): a fresh IV, CFB mode, the MAC over the ciphertext."""
    suite = keys.context.suite
    iv = entropy(IV_OCTETS)
    ciphertext = crypto.encrypt(suite.cipher, keys.our_zrtp_key, iv, plain)
    return Sealed(kind, crypto.mac(suite.hash, keys.our_mac_key, ciphertext)[:MAC_OCTETS], iv, ciphertext).encode()


def unseal(crypto: Crypto, keys: Keys, sealed: Sealed) -> bytes:
    """What the peer encrypted, if the MAC is right; raises Aborted."""
    suite = keys.context.suite
    mac = crypto.mac(suite.hash, keys.peer_mac_key, sealed.ciphertext)[:MAC_OCTETS]
    if not crypto.equal(mac, sealed.mac):
        raise Aborted(ErrorCode.BAD_CONFIRM_MAC)
    return crypto.decrypt(suite.cipher, keys.peer_zrtp_key, sealed.iv, sealed.ciphertext)


class Exchange:
    """One key agreement. `commit`, `keys`, `shared` and `peer_confirm` fill in as it goes on.

    `secrets`: those of the peer's ZID. `verified`: a person has compared the SAS with this peer before.
    `offers_enrolment`: set the E flag.
    """

    __slots__ = (
        "_chain",
        "_commit",
        "_counters",
        "_crypto",
        "_entropy",
        "_multistream",
        "_offers_enrolment",
        "_our_dhpart",
        "_ours",
        "_pair",
        "_peer",
        "_peer_dhpart",
        "_peer_h1",
        "_preshared_key",
        "_profile",
        "_secrets",
        "_verified",
        "commit",
        "keys",
        "peer_confirm",
        "shared",
        "we_initiate",
    )

    def __init__(
        self,
        crypto: Crypto,
        entropy: Entropy,
        profile: Profile,
        chain: hashchain.HashChain,
        ours: Greeting,
        peer: Greeting,
        counters: Counters,
        *,
        secrets: Secrets,
        verified: bool,
        offers_enrolment: bool,
        multistream: Multistream | None,
    ) -> None:
        self._crypto = crypto
        self._entropy = entropy
        self._profile = profile
        self._chain = chain
        self._ours = ours
        self._peer = peer
        self._counters = counters
        self._secrets = secrets
        self._verified = verified
        self._offers_enrolment = offers_enrolment
        self._multistream = multistream
        self._pair: KeyPair | None = None
        self._commit = self._our_dhpart = self._peer_dhpart = self._peer_h1 = b""
        self._preshared_key: bytearray | None = None
        self.commit: Commit | None = None
        self.keys: Keys | None = None
        self.shared = Shared()
        self.peer_confirm: Confirm | None = None
        self.we_initiate = False

    @property
    def mode(self) -> Mode:
        assert self.commit is not None
        return MODES.get(self.commit.suite.key_agreement, Mode.DH)

    def wipe(self) -> None:
        """Overwrite what is secret, media keys included."""
        wipe(self._preshared_key)
        if self.keys is not None:
            self.keys.media.wipe()
            self.keys.wipe()
        self._pair = None
        self._secrets = Secrets()
        self.shared = Shared()

    # The initiator.

    def begin(self, allow_preshared: bool = True) -> bytes:
        """Our Commit. Raises Aborted where the two Hellos have too little in common."""
        suite = negotiation.choose(self._profile.algorithms, self._peer.hello.algorithms)
        self.we_initiate = True
        if self._multistream is not None:
            chosen = Suite(self._multistream.hash_name, suite.cipher, suite.auth_tag, MULTISTREAM, suite.sas_type)
            return self._send_commit(chosen, self._entropy(NONCE_OCTETS))
        if allow_preshared and (key_id := self._preshared_for(suite)):
            return self._send_commit(suite.with_key_agreement(PRESHARED), self._entropy(NONCE_OCTETS), key_id)
        dhpart2 = self._make_dhpart(suite, Kind.DHPART2)
        hvi = self._crypto.digest(suite.hash, dhpart2 + self._peer.message)[:HVI_OCTETS]
        return self._send_commit(suite, hvi)

    def _preshared_for(self, suite: Suite) -> bytes:
        secrets, listed = self._secrets, PRESHARED in self._peer.hello.algorithms.key_agreements
        if not (self._profile.prefer_preshared and listed and secrets.rs1):
            return b""
        if PRESHARED not in self._profile.algorithms.key_agreements:
            return b""
        self._preshared_key, key_id = preshared_key(self._crypto, suite.hash, secrets.rs1, secrets.aux, secrets.pbx)
        self.shared = Shared(secrets.rs1, secrets.aux, secrets.pbx)
        return key_id

    def _send_commit(self, suite: Suite, commitment: bytes, key_id: bytes = b"") -> bytes:
        self.commit = Commit(self._chain.h2, self._profile.zid, suite, commitment, key_id)
        self._commit = hashchain.authenticate(self._crypto, self._chain.h1, self.commit.encode())
        return self._commit

    def _make_dhpart(self, suite: Suite, kind: Kind) -> bytes:
        crypto = self._crypto
        if self._pair is None:
            octets = private_octets(suite.key_agreement, suite.cipher)
            self._pair = crypto.key_pair(suite.key_agreement, self._entropy(octets))
            self._counters.key_pairs += 1
        ids = ids_of(crypto, suite.hash, self._secrets, self.we_initiate, self._chain.h3, self._entropy)
        dhpart = DHPart(kind, self._chain.h1, ids, self._pair.public)
        self._our_dhpart = hashchain.authenticate(crypto, self._chain.h0, dhpart.encode())
        return self._our_dhpart

    def take_dhpart1(self, message: bytes) -> bytes:
        """The responder's public value (4.4.1.3); gives DHPart2."""
        dhpart = self._parse_dhpart(message, Kind.DHPART1)
        crypto = self._crypto
        hashchain.check_link(crypto, dhpart.h1, self._peer.hello.h3, steps=2)
        hashchain.check_mac(crypto, hashchain.link(crypto, dhpart.h1), self._peer.message)
        self._agree(dhpart, message)
        return self._our_dhpart

    def take_confirm1(self, message: bytes) -> bytes:
        """The responder's proof (4.6); gives Confirm2."""
        assert self.commit is not None
        if self.keys is None:
            if self.commit.suite.is_dh:
                raise Discarded("Confirm1 before DHPart1")
            self._derive_without_dh()
        confirm = self._open(message, Kind.CONFIRM1)
        if self.commit.suite.is_dh:
            self._check_h0(confirm, self._peer_dhpart)
        else:
            # The responder has sent no Commit and no DHPart, so that H0 has to lead to Hello's H3.
            h1 = hashchain.link(self._crypto, confirm.h0)
            self._check_proven(h1, self._peer.hello.h3, 2)
            hashchain.check_mac(self._crypto, hashchain.link(self._crypto, h1), self._peer.message)
            if self._multistream is not None:
                self._multistream.use(self.commit)
        self.peer_confirm = confirm
        return self._confirm(Kind.CONFIRM2)

    # The responder.

    def accept(self, message: bytes) -> Commit:
        """Check the peer's Commit, and change nothing yet."""
        commit = Commit.parse(message)
        crypto = self._crypto
        hashchain.check_link(crypto, commit.h2, self._peer.hello.h3)
        if commit.zid != self._peer.hello.zid:
            raise Aborted(ErrorCode.HELLO_MISMATCH, "the ZID of the Commit is not that of the Hello")
        hashchain.check_mac(crypto, commit.h2, self._peer.message)
        negotiation.check(commit.suite, self._profile.algorithms)
        is_multistream = commit.suite.key_agreement == MULTISTREAM
        if is_multistream and self._multistream is None:
            raise Aborted(ErrorCode.NO_SHARED_SECRET)
        if self._multistream is not None and not is_multistream:
            raise Aborted(ErrorCode.UNSUPPORTED_KEY_AGREEMENT)
        if self._multistream is not None and commit.suite.hash != self._multistream.hash_name:
            raise Aborted(ErrorCode.UNSUPPORTED_HASH)
        return commit

    def respond(self, commit: Commit, message: bytes) -> bytes | None:
        """Answer an accepted Commit: with DHPart1, or in Preshared and Multistream modes with Confirm1.

        None where a DH Commit of ours has to take its place, as we lack the secret that it names (4.4.2.2).
        """
        preshared: bytearray | None = None
        if commit.suite.key_agreement == PRESHARED and (preshared := self._preshared_named(commit)) is None:
            return None
        if self._multistream is not None:
            self._multistream.use(commit)
        if self.commit is not None and self.commit.suite.key_agreement != commit.suite.key_agreement:
            self._pair = None
        self.we_initiate = False
        self.commit, self._commit = commit, message
        if commit.suite.is_dh:
            self.shared = Shared()
            return self._make_dhpart(commit.suite, Kind.DHPART1)
        self._preshared_key = preshared
        self._derive_without_dh()
        return self._confirm(Kind.CONFIRM1)

    def _preshared_named(self, commit: Commit) -> bytearray | None:
        """The key of the secret that a Preshared Commit names; the peer's rs1 may be our rs2 (4.4.2.2)."""
        secrets = self._secrets
        for retained in (secrets.rs1, secrets.rs2):
            if retained is not None:
                key, key_id = preshared_key(self._crypto, commit.suite.hash, retained, secrets.aux, secrets.pbx)
                if self._crypto.equal(key_id, commit.key_id):
                    self.shared = Shared(retained, secrets.aux, secrets.pbx)
                    return key
        return None

    def take_dhpart2(self, message: bytes) -> bytes:
        """The initiator's public value (4.4.1.2); gives Confirm1."""
        assert self.commit is not None
        dhpart = self._parse_dhpart(message, Kind.DHPART2)
        crypto, suite = self._crypto, self.commit.suite
        hashchain.check_link(crypto, dhpart.h1, self.commit.h2)
        hashchain.check_mac(crypto, dhpart.h1, self._commit)
        hvi = crypto.digest(suite.hash, message + self._ours.message)[:HVI_OCTETS]
        if not crypto.equal(hvi, self.commit.commitment):
            raise Aborted(ErrorCode.BAD_HASH_COMMITMENT)
        self._agree(dhpart, message)
        return self._confirm(Kind.CONFIRM1)

    def take_confirm2(self, message: bytes) -> None:
        """The initiator's proof (4.6)."""
        assert self.commit is not None
        confirm = self._open(message, Kind.CONFIRM2)
        if self.commit.suite.is_dh:
            self._check_h0(confirm, self._peer_dhpart)
        else:
            h1 = hashchain.link(self._crypto, confirm.h0)
            self._check_proven(h1, self.commit.h2, 1)
            hashchain.check_mac(self._crypto, h1, self._commit)
        self.peer_confirm = confirm

    # Both.

    def _parse_dhpart(self, message: bytes, kind: Kind) -> DHPart:
        assert self.commit is not None
        if not self.commit.suite.is_dh:
            raise Discarded("a public value in a mode without DH")
        dhpart = DHPart.parse(message, kind)
        if len(dhpart.public_value) != KEY_AGREEMENTS[self.commit.suite.key_agreement].public_octets:
            raise MalformedPacket("a public value of the wrong length")
        return dhpart

    def _agree(self, dhpart: DHPart, message: bytes) -> None:
        assert self.commit is not None
        assert self._pair is not None
        suite, pair = self.commit.suite, self._pair
        self._counters.agreements += 1
        try:
            dh_result = pair.agree(dhpart.public_value)
        except ValueError as error:
            raise Aborted(ErrorCode.BAD_PUBLIC_VALUE) from error
        self._peer_dhpart, self._peer_h1 = message, dhpart.h1
        self._pair = None
        self.shared = match(self._crypto, suite.hash, self._secrets, dhpart.ids, self.we_initiate, self._peer.hello.h3)
        if self.we_initiate:
            messages = (self._peer.message, self._commit, message, self._our_dhpart)
        else:
            messages = (self._ours.message, self._commit, self._our_dhpart, message)
        context = self._context(suite, messages)
        s0 = s0_by_dh(self._crypto, context, dh_result, (self.shared.s1, self.shared.s2, self.shared.s3))
        self._derive(context, s0)

    def _derive_without_dh(self) -> None:
        assert self.commit is not None
        suite = self.commit.suite
        responder = self._peer if self.we_initiate else self._ours
        context = self._context(suite, (responder.message, self._commit))
        if suite.key_agreement == MULTISTREAM:
            assert self._multistream is not None
            s0 = s0_by_multistream(self._crypto, context, self._multistream.zrtp_session)
        else:
            assert self._preshared_key is not None
            s0 = s0_by_preshared(self._crypto, context, self._preshared_key)
        self._derive(context, s0)

    def _context(self, suite: Suite, messages: tuple[bytes, ...]) -> Context:
        zids = (self._profile.zid, self._peer.hello.zid)
        initiator, responder = zids if self.we_initiate else zids[::-1]
        return Context(suite, initiator, responder, total_hash(self._crypto, suite.hash, messages))

    def _derive(self, context: Context, s0: bytearray) -> None:
        self.keys = Keys(self._crypto, context, s0, self.we_initiate)
        wipe(s0)

    def _confirm(self, kind: Kind) -> bytes:
        assert self.keys is not None
        retained = self.shared.s1 is not None
        confirm = Confirm(
            h0=self._chain.h0,
            enrolment=self._offers_enrolment and self.mode is not Mode.MULTISTREAM,
            verified=self._verified and retained,
            disclosure=self._profile.disclosure,
            expiry_s=self._profile.cache_expiry_s,
        )
        return seal(self._crypto, self._entropy, self.keys, kind, confirm.encode())

    def _open(self, message: bytes, kind: Kind) -> Confirm:
        assert self.keys is not None
        return Confirm.parse(unseal(self._crypto, self.keys, Sealed.parse(message, kind)))

    def _check_h0(self, confirm: Confirm, dhpart: bytes) -> None:
        self._check_proven(confirm.h0, self._peer_h1, 1)
        hashchain.check_mac(self._crypto, confirm.h0, dhpart)

    def _check_proven(self, image: bytes, known: bytes, steps: int) -> None:
        """As `check_link`, but of what came under the peer's own keys, so that a misfit is no stranger's doing."""
        try:
            hashchain.check_link(self._crypto, image, known, steps)
        except Discarded as error:
            raise Aborted(ErrorCode.SOFTWARE, "the hash chain does not fit") from error

"""What the tests ask of a real phone, whichever program it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from interop import tone
from interop.processes import LOOPBACK, eventually, free_ports


@dataclass(frozen=True)
class Setup:
    """How a phone is set up. Without `server` it does not register and calls by address.

    `host`: the address that it has, on the loopback of ours or in the network namespace named.

    `encryption`: "none", "srtp" (offered, not insisted on), "required" (SRTP) or "zrtp". `authority`: PEM file that a TLS server is
    checked against. `tone_hz`: the sine that it plays for as long as a call lasts, in place of which `speech` is played,
    a mono WAV of 8 kHz.
    """

    user: str
    folder: Path
    tone_hz: float
    domain: str = LOOPBACK
    secret: str = ""
    server: tuple[str, int] | None = None
    transport: str = "udp"
    authority: Path | None = None
    encryption: str = "none"
    auto_answer: bool = True
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    srtp_suites: str = ""
    zrtp_key_agreements: str = ""
    expires_s: int = 300
    host: str = LOOPBACK
    namespace: str = ""
    speech: Path | None = None


class RealPhone(ABC):
    """A phone program under test control. Start it by `with`; leaving ends its process."""

    PORTS = 16

    def __init__(self, setup: Setup) -> None:
        setup.folder.mkdir(parents=True, exist_ok=True)
        self.setup = setup
        self.first_port = free_ports(self.PORTS)
        self.sip_port = self.first_port
        self.played_file = setup.speech or tone.write_tone(setup.folder / "tone.wav", setup.tone_hz)

    @property
    def ports(self) -> tuple[int, int]:
        """First and last of the ports this phone uses, for a wiretap."""
        return self.first_port, self.first_port + self.PORTS - 1

    @property
    def address(self) -> str:
        """Where the phone is called without a server."""
        parameter = "" if self.setup.transport == "udp" else f";transport={self.setup.transport}"
        return f"sip:{self.setup.user}@{LOOPBACK}:{self.listening_port}{parameter}"

    @property
    def listening_port(self) -> int:
        return self.sip_port

    def uri(self, user: str) -> str:
        return f"sip:{user}@{self.setup.domain}"

    def __enter__(self) -> RealPhone:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def evidence(self) -> str:
        """The end of the phone's own log, for a failure message."""

    @abstractmethod
    def is_registered(self) -> bool: ...

    @abstractmethod
    def registration_refused(self) -> bool: ...

    @abstractmethod
    def call(self, uri: str) -> None: ...

    @abstractmethod
    def answer(self) -> None: ...

    @abstractmethod
    def hang_up(self) -> None: ...

    @abstractmethod
    def hold(self) -> None: ...

    @abstractmethod
    def resume(self) -> None: ...

    @abstractmethod
    def transfer(self, uri: str) -> None: ...

    @abstractmethod
    def states(self) -> list[str]:
        """What became of its calls so far, oldest first: "incoming", "ringing", "established", "closed"."""

    @abstractmethod
    def final_status(self) -> int:
        """SIP status of the last refused outgoing call, 0 when there is none."""

    @abstractmethod
    def srtp_suite(self) -> str:
        """Suite of the last call's media as the phone itself says, "" for plain RTP."""

    @abstractmethod
    def recording(self) -> Path | None:
        """WAV of what the phone heard in its last call."""

    def wait_registered(self, timeout_s: float = 12.0) -> None:
        eventually(self.is_registered, timeout_s, f"{self.setup.user} registers", self.evidence)

    def wait_for(self, state: str, timeout_s: float = 10.0, count: int = 1) -> None:
        eventually(
            lambda: self.states().count(state) >= count,
            timeout_s,
            f"{self.setup.user} sees {state} (saw {self.states()})",
            self.evidence,
        )

    def samples_heard(self) -> int:
        """Length of the recording so far, as a mark for `hears`."""
        path = self.recording()
        return len(tone.read_wav(path)[0]) if path else 0

    def heard(self, hz: float, since: int = 0) -> tone.Heard:
        path = self.recording()
        if path is None:
            return tone.Heard(0, 0, 0, 0, 0)
        samples, rate = tone.read_wav(path)
        return tone.listen(samples[since:], hz, rate)

    def wait_audio(self, hz: float, seconds: float = 1.5, since: int = 0, timeout_s: float = 12.0) -> None:
        """Wait until `seconds` of the tone of `hz` stand in the recording after the mark `since`.

        A program that writes its recording only when the call ends waits for media to flow instead; for both,
        `prove_heard` after the call is the proof.
        """
        heard: list[tone.Heard] = []

        def enough() -> bool:
            heard.append(self.heard(hz, since))
            return heard[-1].tone_s >= seconds

        what = f"{self.setup.user} hears {hz:g} Hz for {seconds:g} s"
        eventually(enough, timeout_s, what, lambda: f"{heard[-1]}\n{self.evidence()}")

    def prove_heard(self, hz: float, seconds: float = 1.4, *, pauses_ring: bool = False) -> tone.Heard:
        """After the call: the recording holds the tone, with its pauses, and next to nothing else.

        `pauses_ring`: codecs that model a voice go on ringing for a while where a sine ends.
        """
        eventually(
            lambda: self.heard(hz).tone_s >= seconds,
            5,
            f"{self.setup.user} has {hz:g} Hz in its recording",
            lambda: f"{self.heard(hz)}\n{self.evidence()}",
        )
        heard = self.heard(hz)
        assert heard.share > (0.8 if pauses_ring else 0.9), heard
        assert pauses_ring or heard.bursts >= 2, heard
        assert heard.other_s <= 0.2 + (0.4 if pauses_ring else 0.1) * heard.tone_s, (
            heard
        )  # edges, and the cut of a re-INVITE
        return heard

    def heard_at_the_end(self, hz: float, last_s: float = 2.0) -> tone.Heard:
        """What the last seconds of the recording hold."""
        path = self.recording()
        assert path is not None, f"{self.setup.user} recorded nothing"
        samples, rate = tone.read_wav(path)
        return tone.listen(samples[-int(last_s * rate) :], hz, rate)

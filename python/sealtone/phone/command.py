"""`sealtone phone`: the softphone on the command line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from sealtone.model import KeyExchange
from sealtone.phone.account import KeptAccount, NoAccount, fetch_account, kept_account
from sealtone.phone.audio import (
    AudioError,
    AudioSink,
    AudioSource,
    Loudspeaker,
    Microphone,
    Nowhere,
    Silence,
    Tone,
    WavSink,
    WavSource,
    has_sound_card,
)
from sealtone.phone.call import Call, CallFailed, CallState
from sealtone.phone.connection import ConnectError, Transport, tls_context
from sealtone.phone.events import (
    CallEnded,
    Connected,
    Disconnected,
    DtmfReceived,
    Enrolled,
    EnrolmentOffered,
    Established,
    Incoming,
    NotSecured,
    PhoneEvent,
    Registered,
    RegistrationLost,
    SasChecked,
    SasRelayed,
    Secured,
    SecurityWarning,
)
from sealtone.phone.negotiation import Encryption, Wish
from sealtone.phone.phone import Phone, PhoneConfig, RegistrationFailed
from sealtone.phone.zrtp_memory import MemoryUnusable

_GOOD, _BAD, _CALM = "green", "red", "cyan"
_COLOURS: dict[type, str] = {
    Registered: _GOOD, Established: _GOOD, Connected: _CALM, Incoming: _CALM, DtmfReceived: _CALM,
    Secured: _GOOD, SasRelayed: _GOOD, Enrolled: _GOOD, EnrolmentOffered: _CALM, NotSecured: _BAD,
    SecurityWarning: _BAD, Disconnected: _BAD, RegistrationLost: _BAD, CallEnded: "yellow",
}  # fmt: skip
_KEYS = "h hold · r resume · d 123 press keys · t 1003 transfer · q hang up or quit"
_SAS_KEYS = "Of the SAS: m matches · x differs"
_ENROLMENT_KEYS = "e enrols this phone with the server"
_OF_ZRTP = (Secured, NotSecured, SasRelayed, SasChecked, EnrolmentOffered, Enrolled, SecurityWarning)


@dataclass(frozen=True)
class Errand:
    """What the command is asked to do once it is connected. Times in seconds, None: no limit. `sas_matches`: what to
    say of each SAS without asking; `enrols`: whether to accept a server's offer of enrolment."""

    register: bool
    target: str | None
    duration_s: float | None
    dtmf: str
    sas_matches: bool | None = None
    enrols: bool = False


class Screen:
    """Prints what happens, as lines for a person or as JSON lines."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(highlight=False, soft_wrap=True)

    def tell(self, event: PhoneEvent) -> None:
        if self._json:
            more = {"zrtp": event.call.zrtp._asdict()} if isinstance(event, _OF_ZRTP) else {}
            self.record(type(event).__name__.lower(), text=str(event), **more)
            return
        colour = _COLOURS.get(type(event), "")
        if isinstance(event, SasChecked):
            colour = _GOOD if event.matches else _BAD
        self._print(str(event), colour)

    def problem(self, text: str) -> None:
        if self._json:
            self.record("error", text=text)
        else:
            self._print(text, _BAD)

    def note(self, text: str) -> None:
        if not self._json:
            self._print(text, "dim")

    def trace(self, text: str) -> None:
        if self._json:
            self.record("trace", text=text)
        else:
            self._console.print(Text(text, style="dim"))

    def record(self, name: str, **fields: Any) -> None:
        print(json.dumps({"event": name, "at": round(time.time(), 3), **fields}), flush=True)

    def summary(self, call: Call) -> None:
        stats = call.stats()
        if self._json:
            fields = stats._asdict() | {"protection": call.protection._asdict(), "far_leg": call.far_leg}
            fields["zrtp"] = call.zrtp._asdict() if call.stream is not None else None
            self.record("summary", peer=call.peer, reason=call.reason, status=call.status, **fields)
            return
        rtt = f", round trip {stats.rtt_ms:.1f} ms" if stats.rtt_ms is not None else ""
        suites = stats.suites[0] if stats.suites else "not encrypted"
        self.note(
            f"  {stats.codec or 'no media'}, {suites}: sent {stats.sent}, heard {stats.received}, "
            f"lost {stats.lost}, late {stats.late}, jitter {stats.jitter_ms:.1f} ms{rtt}"
        )

    def _print(self, text: str, style: str) -> None:
        line = Text(time.strftime("%H:%M:%S  "), style="dim")
        line.append(text, style=style)
        self._console.print(line)


def main(
    user: Annotated[str, typer.Option(help="SIP user, e.g. 1000.", show_default=False)] = "",
    domain: Annotated[str, typer.Option(help="SIP domain, e.g. office.example.", show_default=False)] = "",
    secret: Annotated[str, typer.Option(envvar="SEALTONE_SECRET", help="Its secret.", show_default=False)] = "",
    provision: Annotated[
        str | None, typer.Option(metavar="URL", help="Be set up by a one-time link of the panel, and keep that.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="USER@DOMAIN", help="One that a link has set up before.")
    ] = None,
    proxy: Annotated[str | None, typer.Option(help="Server as host[:port]; by default the domain.")] = None,
    transport: Annotated[str, typer.Option(help="tls, tcp or udp.")] = "tls",
    ca: Annotated[Path | None, typer.Option(help="PEM file of the authority that signed the server.")] = None,
    server_name: Annotated[str | None, typer.Option(help="Name in the certificate, if not the domain.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Accept any certificate.")] = False,
    protection: Annotated[str, typer.Option(help="Of the voice: none, srtp or zrtp.")] = "srtp",
    strictness: Annotated[str, typer.Option(help="prefer, or require: no voice without it.")] = "prefer",
    sas: Annotated[str | None, typer.Option(help="What to say of the SAS unasked: matches or differs.")] = None,
    enrol: Annotated[bool, typer.Option("--enrol", help="Accept a server's offer to relay SAS (call *44).")] = False,
    zrtp_folder: Annotated[
        Path | None, typer.Option(help="What ZRTP remembers: a ZID, secrets of earlier calls.", show_default=False)
    ] = None,
    call: Annotated[str | None, typer.Option("--call", help="Number or SIP URI to call.")] = None,
    answer: Annotated[float | None, typer.Option(help="Answer incoming calls after so many seconds.")] = None,
    busy: Annotated[bool, typer.Option("--busy", help="Refuse incoming calls as busy.")] = False,
    play: Annotated[Path | None, typer.Option(help="WAV (8 kHz, 16 bit) to send.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Play it over and over.")] = False,
    tone: Annotated[float | None, typer.Option(help="Send a tone of so many Hz.")] = None,
    record: Annotated[Path | None, typer.Option(help="WAV to write what is heard into.")] = None,
    duration: Annotated[float | None, typer.Option(help="Hang up, or stop waiting, after so many seconds.")] = None,
    dtmf: Annotated[str, typer.Option(help="Keys to press once the call is up.")] = "",
    no_register: Annotated[bool, typer.Option("--no-register", help="Call without registering.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show the SIP messages, secrets masked.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """A small softphone: registers, calls or waits for calls, and says who could listen.

    Without --play or --tone it uses the sound card, where there is one, else it sends silence.
    """
    screen = Screen(as_json)
    folder = zrtp_folder or _zrtp_folder()
    try:
        if provision is not None or account is not None:
            config = _config_of(_account(provision, account, tls_context(ca, insecure), folder))
        elif user and domain:
            config = PhoneConfig(
                user=user,
                domain=domain,
                secret=secret,
                proxy=_host_port(proxy, transport) if proxy else None,
                transport=_transport(transport),
                ca_file=ca,
                wish=_wish(protection, strictness),
            )
        else:
            raise typer.BadParameter("Say who you are: --user and --domain, or --provision with a link, or --account.")
        config = replace(
            config,
            ca_file=ca or config.ca_file,
            server_name=server_name,
            insecure=insecure,
            ring_s=answer,
            busy=busy,
            source=_source(play, loop, tone),
            sink=_sink(record, play is None and tone is None),
            zrtp_folder=folder if config.wish.speaks_zrtp else None,
        )
        errand = Errand(not no_register, call, duration, dtmf, _sas_matches(sas), enrol)
    except (typer.BadParameter, AudioError, NoAccount, ConnectError) as error:
        screen.problem(str(error))
        raise typer.Exit(2) from None
    raise typer.Exit(asyncio.run(_run(config, errand, screen, trace)))


def _account(link: str | None, aor: str | None, context: ssl.SSLContext, folder: Path) -> KeptAccount:
    return fetch_account(link, context, folder) if link is not None else kept_account(aor or "", folder)


def _config_of(account: KeptAccount) -> PhoneConfig:
    """As the server wants its phones: over TLS, and encrypted or not at all where the user is protected."""
    settings, ca_file = account
    strictness = "require" if settings.is_protected else "prefer"
    return PhoneConfig(
        user=settings.username,
        domain=settings.domain,
        ha1={"MD5": settings.ha1_md5, "SHA-256": settings.ha1_sha256},
        proxy=(settings.server.host, settings.server.tls_port),
        transport="tls",
        ca_file=ca_file,
        wish=_wish(settings.policy.protection.value, strictness),
        display_name=settings.display_name,
    )


def _transport(text: str) -> Transport:
    lowered = text.lower()
    if lowered == "tls":
        return "tls"
    if lowered == "tcp":
        return "tcp"
    if lowered == "udp":
        return "udp"
    raise typer.BadParameter(f"--transport is tls, tcp or udp, not {text}.")


def _wish(protection: str, strictness: str) -> Wish:
    keys = {"none": KeyExchange.NONE, "srtp": KeyExchange.SDES, "zrtp": KeyExchange.ZRTP}.get(protection.lower())
    if keys is None:
        raise typer.BadParameter(f"--protection is none, srtp or zrtp, not {protection}.")
    if strictness.lower() not in ("prefer", "require"):
        raise typer.BadParameter(f"--strictness is prefer or require, not {strictness}.")
    if keys is KeyExchange.NONE:
        return Wish()
    return Wish(Encryption(strictness.lower()), keys)


def _sas_matches(text: str | None) -> bool | None:
    if text is not None and text not in ("matches", "differs"):
        raise typer.BadParameter(f"--sas is matches or differs, not {text}.")
    return None if text is None else text == "matches"


def _zrtp_folder() -> Path:
    """Where programs keep what is theirs (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sealtone" / "phone"


def _host_port(text: str, transport: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        return text.strip("[]"), 5061 if transport.lower() == "tls" else 5060
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise typer.BadParameter(f"--proxy is host or host:port, not {text}.")
    return host.strip("[]"), int(port)


def _source(play: Path | None, loop: bool, tone: float | None) -> Callable[[], AudioSource]:
    if play is not None:
        WavSource(play)  # a bad file is told now, not when the call is up
        return lambda: WavSource(play, loop)
    if tone is not None:
        return lambda: Tone(tone)
    return Microphone if has_sound_card() else Silence


def _sink(record: Path | None, sound_card: bool) -> Callable[[], AudioSink]:
    if record is None:
        return Loudspeaker if sound_card and has_sound_card() else Nowhere
    made = 0

    def new_file() -> AudioSink:
        nonlocal made
        made += 1
        return WavSink(record if made == 1 else record.with_stem(f"{record.stem}-{made}"))

    return new_file


async def _run(config: PhoneConfig, errand: Errand, screen: Screen, trace: bool) -> int:
    """The exit status: 0 when what was asked for happened, 1 when it did not."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def told(event: PhoneEvent) -> None:
        screen.tell(event)
        _act_unasked(event, errand, screen)

    try:
        phone = Phone(config, told, screen.trace if trace else None)
    except MemoryUnusable as error:
        screen.problem(str(error))
        return 1
    try:
        await phone.connect()
        if errand.register:
            await phone.register()
        work = _place(phone, errand, screen) if errand.target else _wait(phone, errand, screen)
        return await _until(work, stop)
    except ConnectError as error:
        screen.problem(str(error))
    except RegistrationFailed as error:
        hint = " Check --user and --secret." if error.status in (401, 403, 404) else ""
        screen.problem(f"Registration refused: {error}.{hint}")
    except CallFailed as error:
        screen.problem(f"The call failed: {error}")
    finally:
        await phone.close()
    return 1


def _act_unasked(event: PhoneEvent, errand: Errand, screen: Screen) -> None:
    """What the command line says beforehand of the SAS and of enrolment; else how to say it."""
    if isinstance(event, (Secured, SasRelayed)) and errand.sas_matches is not None:
        if not (event.call.zrtp.verified and errand.sas_matches):
            event.call.check_sas(errand.sas_matches)
    elif isinstance(event, EnrolmentOffered) and errand.enrols:
        event.call.enrol()
    elif isinstance(event, (Secured, SasRelayed, EnrolmentOffered)) and sys.stdin.isatty():
        screen.note(_ENROLMENT_KEYS if isinstance(event, EnrolmentOffered) else _SAS_KEYS)


async def _until(work: Any, stop: asyncio.Event) -> int:
    """Run `work` until it is done or a signal comes."""
    task: asyncio.Task[int] = asyncio.ensure_future(work)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        return task.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0


async def _place(phone: Phone, errand: Errand, screen: Screen) -> int:
    assert errand.target is not None
    call = await phone.call(errand.target)
    try:
        await call.answered(60.0)
        await _talk(phone, call, errand, screen)
    except TimeoutError:
        screen.problem("Nobody answered within 60 s.")
        return 1
    finally:
        await call.hang_up()
        screen.summary(call)
    return 0


async def _wait(phone: Phone, errand: Errand, screen: Screen) -> int:
    screen.note("Waiting for calls; Ctrl-C ends.")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(errand.duration_s):
            while True:
                call = await phone.next_call()
                if phone.config.ring_s is None and sys.stdin.isatty():
                    screen.note("Enter answers, q refuses.")
                    if (await _line()).strip() == "q":
                        await call.reject()
                        continue
                    await call.accept()
                with contextlib.suppress(CallFailed):
                    await call.answered(None)
                    await _talk(phone, call, errand, screen)
                screen.summary(call)
    return 0


async def _talk(phone: Phone, call: Call, errand: Errand, screen: Screen) -> None:
    """While the call lasts: keys of the command line, then what is typed."""
    if errand.dtmf:
        await asyncio.sleep(0.3)
        call.send_dtmf(errand.dtmf)
    waits: list[asyncio.Task[Any]] = [asyncio.create_task(call.ended())]
    if sys.stdin.isatty():
        screen.note(_KEYS)
        waits.append(asyncio.create_task(_typed(call, screen)))
    if phone.config.source is not Silence and errand.duration_s is None and errand.target:
        waits.append(asyncio.create_task(_source_ended(call)))
    try:
        await asyncio.wait(waits, timeout=errand.duration_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()


async def _source_ended(call: Call) -> None:
    await call.media.played_out.wait()
    await asyncio.sleep(0.3)  # what is still under way arrives


async def _typed(call: Call, screen: Screen) -> None:
    while call.state is not CallState.ENDED:
        command, _, argument = (await _line()).strip().partition(" ")
        try:
            if command == "h":
                await call.hold()
            elif command == "r":
                await call.resume()
            elif command == "d":
                call.send_dtmf(argument)
            elif command == "t":
                await call.transfer(argument)
            elif command in ("m", "x"):
                call.check_sas(command == "m")
            elif command == "e":
                call.enrol()
            elif command == "q":
                return
            elif command:
                screen.note(_KEYS)
        except (CallFailed, ValueError, TimeoutError) as error:
            screen.problem(str(error))


async def _line() -> str:
    """The next line of standard input, without a thread that would outlive us."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    descriptor = sys.stdin.fileno()

    def wake() -> None:
        loop.remove_reader(descriptor)
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, wake)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
    return sys.stdin.readline()

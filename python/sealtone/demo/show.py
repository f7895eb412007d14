"""What the demonstration shows on the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sealtone.demo.outcome import Outcome
from sealtone.demo.scenes import A_HZ, B_HZ, LineView, Scene, Side, View
from sealtone.demo.wiretap import SignallingSeen, VoiceSeen
from sealtone.model import CallState, MediaPath
from sealtone.phone import Sound
from sealtone.phone.words import sas_words

_SAFE, _UNSAFE = "green", "red"
_HEADINGS = "Scheme", "A saw", "B saw", "Server could hear", "Wiretap got"


def introduction(console: Console) -> None:
    """What is going to be seen."""
    console.print(
        Panel(
            Text.assemble(
                "Two phones call each other through the server. A ", ("wiretap", "bold"),
                " sits on the line of each phone: it has every byte and no key.\n",
                f"Phone A sends a tone of {A_HZ:g} Hz, phone B one of {B_HZ:g} Hz. A tone that the wiretap finds "
                "in the voice packets is a conversation it could have listened to.",
            ),
            title="Who can listen?",
            box=box.ROUNDED,
        )
    )  # fmt: skip


def picture(scene: Scene) -> Text:
    """The call as a line: phone, wiretap, server, wiretap, phone."""
    a, b = scene.a, scene.b
    text = Text("  ").append("A", "bold")
    if scene.path is MediaPath.SERVER:
        text.append(f" ──({a.words})──👁── ", _style(a)).append("server", "bold")
        return text.append(f" ──👁──({b.words})── ", _style(b)).append("B", "bold")
    between = "server, without keys" if scene.path is MediaPath.SEALED else "past the server"
    return text.append(f" ──({a.words})──👁── {between} ──👁── ", _style(a)).append("B", "bold")


def _style(side: Side) -> str:
    return _UNSAFE if side.voice_audible else _SAFE


def live(scene: Scene, view: View) -> RenderableType:
    """One call as it goes on."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", style="bold", no_wrap=True)
    table.add_column("Signalling", min_width=15)  # the one that gives way on a narrow terminal
    for voice in (f"Voice of A ({A_HZ:g} Hz)", f"Voice of B ({B_HZ:g} Hz)"):
        table.add_column(voice, no_wrap=True, min_width=21)
    a, b = view.a, view.b
    table.add_row("A hears", "", "", _heard(a.phone_hears))
    table.add_row("wiretap at A", _signalling(a.signalling), _voice(a.voice_from), _voice(a.voice_to))
    table.add_row("wiretap at B", _signalling(b.signalling), _voice(b.voice_to), _voice(b.voice_from))
    table.add_row("B hears", "", _heard(b.phone_hears), "")
    return Group(picture(scene), Text(f"  {view.phase}", "dim"), Padding(table, (1, 0, 1, 2)))


def told(view: View) -> RenderableType:
    """What each phone can say to its user."""
    lines = []
    for name, line in (("A", view.a), ("B", view.b)):
        if line.told:
            sas = f" {sas_words(line.zrtp, 'the other phone')}" if line.zrtp is not None and line.zrtp.sas else ""
            lines.append(Text.assemble((f"{name} is told:{sas} ", "bold"), line.told))
    return Padding(Group(*lines), (0, 0, 1, 2))


def summary(found: list[Outcome]) -> Table:
    """The end of the demonstration."""
    table = Table(title="Who could listen", box=box.ROUNDED, show_lines=True)
    for heading, width in zip(_HEADINGS, (20, 16, 17, 17, 14), strict=True):
        table.add_column(heading, width=width)
    for each in found:
        scene, view = each.scene, each.view
        path = {MediaPath.SERVER: "", MediaPath.SEALED: ", sealed", MediaPath.DIRECT: ", direct"}[scene.path]
        scheme = Text(f"{scene.scheme}  ", "bold").append(f"{scene.a.words} ↔ {scene.b.words}{path}", "default")
        if each.state:
            state = CallState(each.state)
            scheme.append(f"\n{state.icon} {state.words}", "yellow" if state is CallState.OPEN else _SAFE)
        if not each.works:
            scheme.append("\nThe phones did not hear each other.", _UNSAFE)
        heard = Text(each.server_heard, "yellow" if each.server_has_keys else _SAFE)
        at_a, at_b = each.tapped(view.a), each.tapped(view.b)
        tapped = Text(at_a if at_a == at_b else f"at A: {at_a}", _verdict(view.a))
        if at_a != at_b:
            tapped.append(f"\nat B: {at_b}", _verdict(view.b))
        table.add_row(scheme, each.saw(view.a), each.saw(view.b), heard, tapped)
    return table


def _heard(sound: Sound) -> Text:
    if sound.rms < 100:
        return Text("nothing yet", "dim")
    style = _SAFE if sound.is_tone else _UNSAFE
    return Text(f"{'the tone' if sound.is_tone else 'something else'}: {sound.share:.0%}", style)


def _voice(seen: VoiceSeen) -> Text:
    if not seen.packets:
        return Text("no packets yet", "dim")
    if seen.audible:
        return Text(f"AUDIBLE: {seen.sound.share:.0%} tone", _UNSAFE)
    return Text(f"noise: {seen.entropy:.2f} bits/byte", _SAFE)


def _signalling(seen: SignallingSeen) -> Text:
    if seen.messages:
        call = next((line for line in reversed(seen.messages) if line.startswith("INVITE")), seen.messages[-1])
        keys = "KEYS TOO, " if seen.keys else ""
        line = f"READABLE: {keys}{call.removesuffix(' SIP/2.0')}"
        return Text(line, _UNSAFE, no_wrap=True, overflow="ellipsis")
    if seen.tls:
        return Text("TLS: unreadable", _SAFE)
    return Text("nothing yet", "dim")


def _verdict(line: LineView) -> str:
    return _UNSAFE if line.tapped else _SAFE

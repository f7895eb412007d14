"""What the demonstration shows on the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sealtone.demo.scenes import A_HZ, B_HZ, LineView, Scene, View
from sealtone.demo.wiretap import SignallingSeen, VoiceSeen
from sealtone.phone import Sound

_SAFE, _UNSAFE = "green", "red"


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


def picture(scene: Scene, a: str, b: str) -> Text:
    """The call as a line: phone, wiretap, server, wiretap, phone."""
    styles = [_SAFE if side.transport == "tls" else _UNSAFE for side in (scene.a, scene.b)]
    return Text.assemble(
        "  ", (a, "bold"), (f" ──({scene.a.words})──👁── ", styles[0]), ("server", "bold"),
        (f" ──👁──({scene.b.words})── ", styles[1]), (b, "bold"),
    )  # fmt: skip


def live(scene: Scene, view: View) -> RenderableType:
    """One call as it goes on."""
    table = Table(box=box.SIMPLE_HEAD, expand=True)
    table.add_column("", style="bold", no_wrap=True)
    table.add_column("Signalling")
    table.add_column(f"Voice of {view.a.user} ({A_HZ:g} Hz)")
    table.add_column(f"Voice of {view.b.user} ({B_HZ:g} Hz)")
    a, b = view.a, view.b
    table.add_row(f"{a.user} hears", "", "", _heard(a.phone_hears))
    table.add_row(f"wiretap {a.user}–server", _signalling(a.signalling), _voice(a.voice_from), _voice(a.voice_to))
    table.add_row(f"wiretap server–{b.user}", _signalling(b.signalling), _voice(b.voice_to), _voice(b.voice_from))
    table.add_row(f"{b.user} hears", "", _heard(b.phone_hears), "")
    return Group(picture(scene, a.user, b.user), Text(f"  {view.phase}", "dim"), table)


def told(view: View) -> RenderableType:
    """What each phone can say to its user."""
    lines = [Text.assemble((f"  {line.user} is told: ", "bold"), line.told) for line in (view.a, view.b) if line.told]
    return Group(*lines)


def summary(results: list[tuple[Scene, View]], states: list[str]) -> Table:
    """The end of the demonstration; `states` is what the server wrote down of each call."""
    table = Table(title="What the wiretap could do", box=box.ROUNDED)
    for heading in ("Call", "On the line of phone A", "On the line of phone B", "The server's own record"):
        table.add_column(heading)
    for (scene, view), state in zip(results, states, strict=True):
        title = scene.title if view.works else f"{scene.title} (the phones did not hear each other)"
        table.add_row(title, _verdict(view.a), _verdict(view.b), state.replace("-", " "))
    return table


def _heard(sound: Sound) -> Text:
    if sound.rms < 100:
        return Text("nothing yet", "dim")
    style = _SAFE if sound.is_tone else _UNSAFE
    return Text(f"{'the tone' if sound.is_tone else 'something else'}, {sound.share:.0%} of the sound", style)


def _voice(seen: VoiceSeen) -> Text:
    if not seen.packets:
        return Text("no packets yet", "dim")
    if seen.audible:
        return Text(f"AUDIBLE: the tone is {seen.sound.share:.0%} of the sound ({seen.packets} packets)", _UNSAFE)
    return Text(
        f"noise: {seen.sound.share:.1%} at the tone, {seen.entropy:.2f} bits a byte ({seen.packets} packets)", _SAFE
    )


def _signalling(seen: SignallingSeen) -> Text:
    if seen.messages:
        call = next((line for line in seen.messages if line.startswith("INVITE")), seen.messages[-1])
        keys = ", KEYS TOO" if seen.keys else ""
        return Text(f"READABLE: {call.removesuffix(' SIP/2.0')} … ({len(seen.messages)} messages{keys})", _UNSAFE)
    if seen.tls:
        return Text(f"TLS: nothing readable in {seen.octets:,} bytes", _SAFE)
    return Text("nothing yet", "dim")


def _verdict(line: LineView) -> Text:
    readable, audible = bool(line.signalling.messages), line.tapped
    if not readable and not audible:
        return Text("saw only noise", _SAFE)
    what = [words for words, true in (("read who calls whom", readable), ("listened", audible)) if true]
    return Text(" and ".join(what), _UNSAFE)

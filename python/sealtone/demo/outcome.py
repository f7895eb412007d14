"""What came of each call: what the phones, the server and the wiretap had of it, as measured and as written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sealtone.demo.scenes import LineView, Scene, View
from sealtone.model import MediaPath


@dataclass(frozen=True)
class Outcome:
    """`record`: the server's own of this call, as `sealtone calls --json` prints it; empty where there is none."""

    scene: Scene
    view: View
    record: dict[str, Any]

    @property
    def works(self) -> bool:
        return self.view.works

    @property
    def state(self) -> str:
        """One of the four states, as the server wrote it down."""
        return str(self.record.get("state", ""))

    @property
    def paths(self) -> set[str]:
        return {str(leg["media_path"]) for leg in self.record.get("legs", ()) if leg["chosen"]}

    @property
    def server_has_keys(self) -> bool:
        """Whether the server encrypted, or passed on in the clear, the voice of any leg itself."""
        return any(leg["suite_rx"] or leg["protection"] == "none" for leg in self.record.get("legs", ()))

    @property
    def server_heard(self) -> str:
        """What the server could hear, from what it wrote down of its legs."""
        legs = self.record.get("legs", ())
        if not legs:
            return "not known: it wrote down nothing"
        if self.server_has_keys:
            return "both voices"
        if not any(leg["packets_rx"] for leg in legs):
            return "nothing: no voice came by"
        return "nothing: it had no key"

    def saw(self, line: LineView) -> str:
        """What a phone could show its user."""
        far, there = (self.view.b, "B") if line is self.view.a else (self.view.a, "A")
        zrtp, same = line.zrtp, f", the same as {there}" if self.view.same_sas else ""
        if zrtp is None or not zrtp.sas:
            if line.suite:
                return "SRTP with the server" + ("; the other side is open" if not far.suite else "")
            return "not encrypted" + ("; the other side is" if far.suite else "")
        if not zrtp.trusted_mitm:
            return f"SAS {zrtp.sas} with the other phone{same}"
        if zrtp.relayed:
            return f"SAS {zrtp.sas}, relayed by the server{same}"
        return f"SAS {zrtp.sas} with the server"

    @staticmethod
    def tapped(line: LineView) -> str:
        """What the wiretap got on a phone's line."""
        readable = bool(line.signalling.messages)
        if line.tapped:
            return "who calls whom, and both voices" if readable else "both voices"
        return "who calls whom; voice: only noise" if readable else "only noise"

    @property
    def as_expected(self) -> bool:
        """Whether the wiretap was blind where it should be and (which proves that it works) not where it should not,
        the phones agree, and the server wrote down the path and the state that it should."""
        scene, view = self.scene, self.view
        lines = ((scene.a, view.a), (scene.b, view.b))
        return (
            all(
                (bool(line.signalling.messages), line.tapped) == (side.signalling_readable, side.voice_audible)
                for side, line in lines
            )
            and self.paths == {scene.path.value}
            and self.state == scene.state.value
            and view.same_sas is (scene.enrols or scene.path is not MediaPath.SERVER)
        )

    def row(self) -> dict[str, object]:
        """As JSON has it."""
        lines = {
            name: {
                "saw": self.saw(line),
                "told": line.told,
                "sas": line.zrtp.sas if line.zrtp is not None else "",
                "suite": line.suite,
                "wiretap": self.tapped(line),
                "signalling_read": bool(line.signalling.messages),
                "voice_heard": line.tapped,
            }
            for name, line in (("a", self.view.a), ("b", self.view.b))
        }
        return {
            "scheme": self.scene.scheme,
            "call": self.scene.title,
            "works": self.works,
            "as_expected": self.as_expected,
            "state": self.state,
            "media_path": "/".join(sorted(self.paths)),
            "server_could_hear": self.server_heard,
            "same_sas": self.view.same_sas,
            **lines,
        }


def outcomes(played: list[tuple[Scene, View]], records: list[dict[str, Any]]) -> list[Outcome]:
    """Each call with its record, found by the Call-ID of phone A."""
    by_call_id = {str(leg["sip_call_id"]): record for record in records for leg in record["legs"]}
    return [Outcome(scene, view, by_call_id.get(view.call_id, {})) for scene, view in played]

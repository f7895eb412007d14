"""Which calls are recorded, how, for whom; and what is written down of a recording.

How it works, and its rules:

1. A SIP user's calls are recorded `never`, `always` or `on-demand`; where it says nothing, its domain does. `never` of
   either side is kept: such a user's voice is in no recording. Else either side's `always` records the call.
2. A recording belongs to the account of the user for whom it is made, and is sealed to that account's key, of which
   the server knows the public half alone. Without a key nothing is recorded.
3. What does not pass through the server in the clear cannot be recorded. A user whose calls are always recorded gets
   the server's path where both users leave it open, and one who insists on a sealed or direct path cannot ask for it.
4. Whatever is not recorded although somebody wishes it says why, in the call's record.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sealtone.model.policy import LegPolicy
from sealtone.model.security import MediaPath

DEFAULT_KEEP_RECORDINGS_DAYS: Final = 90

NO_KEY: Final = "The account has no recording key. Make one with: sealtone recordings create-key"
SEALED_PATH: Final = (
    "The two phones agree on keys with each other (sealed), so that the server has nothing it could record"
)
DIRECT_PATH: Final = "The two phones talk directly with each other, so that nothing passes the server"
INSISTS_ON_PATH: Final = (
    "Recording needs media that the server can hear, but this user requires ZRTP on a sealed or direct path. "
    "Set its path to server, or its recording to never or on-demand"
)


class RecordingPolicy(StrEnum):
    """Whether a SIP user's calls are recorded."""

    NEVER = "never"
    ALWAYS = "always"
    ON_DEMAND = "on-demand"


class RecordingFormat(StrEnum):
    """What kind of file."""

    OPUS = "opus"
    WAV = "wav"
    FLAC = "flac"

    @property
    def extension(self) -> str:
        return "ogg" if self is RecordingFormat.OPUS else self.value


class ConsentNotice(StrEnum):
    """How the two are told that they are recorded."""

    NONE = "none"
    TONE = "tone"
    ANNOUNCEMENT = "announcement"


class DomainRecording(NamedTuple):
    """A domain's choices, for those of its users who make none."""

    policy: RecordingPolicy = RecordingPolicy.ON_DEMAND
    notice: ConsentNotice = ConsentNotice.TONE
    format: RecordingFormat = RecordingFormat.OPUS
    keep_days: int | None = DEFAULT_KEEP_RECORDINGS_DAYS
    """None: for ever."""


class RecordingTerms(NamedTuple):
    """What holds for one SIP user: its own choice, and its domain's and account's."""

    own: RecordingPolicy | None = None
    """None: as the domain has it."""
    domain: DomainRecording = DomainRecording()
    recipient: str = ""
    """The account's public key (``age1…``); empty where it has none."""

    @property
    def policy(self) -> RecordingPolicy:
        return self.own if self.own is not None else self.domain.policy


class RecordingFacts(NamedTuple):
    """One recording. Times are Unix seconds."""

    id: str
    call_id: str
    account_id: int
    domain_id: int
    """Of the user for whom it was made: how long it is kept is that domain's to say."""
    caller: str
    callee: str
    path: str
    """Below the data folder's `recordings`."""
    format: RecordingFormat
    notice: ConsentNotice
    recipient: str
    started_by: str
    """The AOR whose policy or star code it was, or who used the command line."""
    started_at: float
    ended_at: float | None = None
    """None while it runs, and where the server came to its end before."""
    seconds: float = 0.0
    octets: int = 0
    """Of the file within the seal."""
    reason: str = ""
    """Why it ended, where nobody asked for it."""


def insists_on_path(policy: LegPolicy) -> bool:
    """Whether a user's calls may not end in the server: ZRTP is required of them, and on another path."""
    return policy.requires_zrtp and policy.path is not MediaPath.SERVER


def path_of(account_id: int, recording_id: str, kind: RecordingFormat, started_at: float) -> str:
    """Where a recording lies. Neither numbers nor names are in it."""
    then = datetime.fromtimestamp(started_at, UTC)
    return f"{account_id}/{then:%Y/%m}/{recording_id}.{kind.extension}.age"

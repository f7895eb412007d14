"""What the server writes down in English, said in the reader's language: reasons, and what the change log names.

What a call was refused or ended for stands in its record as a sentence, for it goes to phones and logs too. Here each
such sentence is known again by its words, with whatever stands in its places.
"""

from __future__ import annotations

import re
from functools import cache

from sealtone.web.i18n import Language


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


REASONS: tuple[str, ...] = (
    # model.policy
    _("Encryption is required for this user, so a running call may not go back to no encryption."),
    _("ZRTP is required in this call, so a running call may not go on without it (a=zrtp-hash is missing)."),
    _("The phone gave up the ZRTP of a running call."),
    _("The phone gave up the encryption of a running call."),
    _("Encryption is required for this user, so a running call may not change to a weaker cipher."),
    _("The phone asks for SRTP without a key line (a=crypto)."),
    _("The leg has no completed offer and answer."),
    _("Encryption is required for this user, but the leg is not encrypted."),
    _("The keys are still being agreed on."),
    _("The phone was offered SRTP as a condition, but its answer holds no key."),
    _("The phone's answer holds several key lines, so it is not clear which one it means."),
    _("The phone's answer picks a cipher that was not offered to it."),
    _("The phone's answer uses a key identifier (MKI), which is not supported."),
    _("The phone's answer repeats our own key, so its voice would not be protected."),
    _("The phone answers an offer of RTP/SAVP with RTP/AVP, which permits no encryption."),
    _("The phone's key line cannot be used: {why}."),
    _("The phone's key line uses a key identifier (MKI), which is not supported."),
    _("The phone answers with SRTP, but was offered none."),
    # model.recording, b2bua.recording_in_call
    _("The account has no recording key. Make one with: sealtone recordings create-key"),
    _(
        "Recording needs media that the server can hear, but this user requires ZRTP on a sealed or direct path. "
        "Set its path to server, or its recording to never or on-demand"
    ),
    _("This call is always recorded, which a phone cannot end"),
    _("This user may not record calls"),
    _("This call is being recorded already"),
    _("This call is not being recorded"),
    _("{user} is never recorded"),
    _("The server has no codec for what the phone of {user} uses ({codec}: {why})"),
    _("The server has no codec for what the phone of {user} uses"),
    # b2bua
    _("Enrolment needs ZRTP: set this user's protection to zrtp"),
    _("The server cannot speak to this phone: it makes none of its codecs"),
    _("Nobody answered in time"),
    _("The phone does not answer"),
    _("Nobody is reachable there now"),
    _("A call cannot be transferred to a service"),
    _("Who wants to enrol has to dial that number"),
    _("The phone of {user} refuses to send its media to where it has to: {reason}"),
    _("The other phone refuses the change: {reason}"),
    _(
        "The two phones have no codec in common: one has {ones}, the other {others}, and the server cannot convert "
        "between them"
    ),
    _("The phone of {user} offers {ones}, but its user may use {others} alone"),
    _("The phone has not described its media"),
    _("The phone's key was used before in this call and given up; a new one is needed"),
    _("The phone has changed its key too often in this call"),
    _("There is no offer to answer"),
    _("There is nothing agreed yet"),
    _("The phone of {user} accepts nothing of what it was offered ({offered}): {reason}"),
    _("The two phones of this call agree on keys with each other (ZRTP), so it cannot change to other keys"),
    _("The phones of this call talk directly with each other, and would not at that address. Call again"),
    _("The phone's ZRTP Hello is not the one that its signalling announced."),
    _("A sealed or direct call cannot be transferred: its keys are with its two phones alone"),
    _("A REFER needs one Refer-To"),
    _("This call cannot be transferred now"),
    _("The call to join is not here"),
    _("The call to join is being transferred itself"),
    _("A service cannot be given another caller"),
    _("The call to replace is not here"),
    _("That call cannot be taken over now"),
    _("Refer-To cannot be read"),
    _("Replaces cannot be read"),
    _("An INVITE with Replaces needs an offer"),
    _("ZRTP failed: {why}"),
    _("ZRTP is required for this user, but the phone of {user} did not come to keys in time"),
    _("ZRTP is required for the other user, but the phone of {user} did not come to keys in time"),
    _("The phone of {user} began its ZRTP anew, but did not come to keys in time"),
    # web.webhooks, admin.webhooks
    _("Switched off, since nothing had arrived for a week. {why}"),
    _("The receiver answered {status}."),
    _("There was no answer within {seconds} seconds."),
    _("The receiver's certificate is not accepted: {why}."),
    _("No connection could be made: {why}."),
    _("Nothing is sent to {target}: {why}."),
    _("More than {most} events wait to be sent: newer ones are not kept until some have gone."),
    # net.mail, after the server's name
    _("its certificate cannot be trusted ({why})"),
    _("it does not offer what is wanted (encryption by STARTTLS, or a way to sign in)"),
    _("it does not accept the user name and password ({answer})"),
    _("it does not take a message for this address ({answer})"),
    _("it said {answer}"),
    _("it ended the connection"),
    _("it does not answer"),
    # codecs
    _("{library} is not installed; on Debian: apt-get install {package}"),
    # routing, server
    _("The address cannot be read: {why}"),
    _("No phone of {user} is registered. Connect one, then try again"),
    _("There is no SIP user {user} that may be called"),
    _("There is no live call {call}. `sealtone calls --live` lists them"),
    _("Say whose SAS was compared: {known}."),
    _("No leg of this call has a SAS of this server's."),
    _("The SIP server did not answer within {seconds} seconds."),
    _("No certificate of a public authority is wanted for {domain}."),
    _("The call was ended by an error of the server"),
    _("The server is shutting down"),
    _("The server cannot store this now"),
    _("Too many wrong passwords; wait {seconds} s"),
    _("This user is switched off"),
    _("The address in the request is not that of the user who sent it"),
)
SUBJECTS: tuple[str, ...] = (
    _("SIP user {name}"),
    _("domain {name}"),
    _("account {name}"),
    _("person {name}"),
    _("invitation {name}"),
    _("API key {name}"),
    _("webhook {name}"),
    _("recording {name}"),
    _("backup {name}"),
    _("call {name}"),
    _("change {name}"),
    _("SAS of {name}"),
    _("service"),
    _("service webhooks"),
    _("e-mail"),
    _("certificate authority"),
    _("such account"),
    _("such call"),
    _("such passkey"),
    _("such person"),
    _("such recording"),
    _("page"),
    _("{number} days"),
    _("command line"),
    _("first use"),
    _("daily check"),
)
"""What the change log and errors name, as they do."""
_PLACE = re.compile(r"\{(\w+)\}")
_SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Z])")
_WITHIN = ("reason", "why")
"""Places in which a reason of its own may stand."""
_LONGEST = 2000
_DEEPEST = 3


def reason_said(language: Language, text: str, depth: int = 0) -> str:
    """`text`, as the server writes it, in that language; a phone's own words stay as they are."""
    if not text or len(text) > _LONGEST or depth > _DEEPEST or language.code == "en":
        return text
    bare = text.removesuffix(".")  # within a sentence, and as SIP tells it, it stands without its end
    ending = text[len(bare) :]
    for known in (f"{bare}.", bare):
        found = _known(language, known, depth)
        if found:
            return found.removesuffix(".") + ending
    sentences = _SENTENCE_END.split(text)
    return " ".join(reason_said(language, one, depth + 1) for one in sentences) if len(sentences) > 1 else text


def _known(language: Language, text: str, depth: int) -> str:
    """The translation; empty where there is none."""
    if (found := language(text)) != text:
        return found
    for template, pattern in _patterns():
        match = pattern.fullmatch(text)
        if match is not None and language(template) != template:
            values = {
                name: reason_said(language, value, depth + 1) if name in _WITHIN else value
                for name, value in match.groupdict().items()
            }
            return language(template).format(**values)
    return ""


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The texts with places, and how each is known again."""
    return tuple((text, _pattern(text)) for text in (*REASONS, *SUBJECTS) if _PLACE.search(text))


def _pattern(reason: str) -> re.Pattern[str]:
    """Places hold anything but a line break; what is literal is escaped. Linear: no place follows another."""
    pieces, end = [], 0
    for place in _PLACE.finditer(reason):
        pieces += [re.escape(reason[end : place.start()]), f"(?P<{place[1]}>[^\n]+?)"]
        end = place.end()
    return re.compile("".join(pieces) + re.escape(reason[end:]))

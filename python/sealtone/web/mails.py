"""What the panel writes to people, in their language. A link is the only thing in it that is worth anything."""

from __future__ import annotations

from sealtone.net.mail import Mail
from sealtone.web.i18n import Language


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


_GREETING = _("Hello,")
_IGNORE = _("If you did not ask for this, you need not do anything.")


def _mail(language: Language, recipient: str, subject: str, *paragraphs: str) -> Mail:
    return Mail(recipient, language(subject), "\n\n".join((language(_GREETING), *paragraphs)) + "\n")


def sign_up_mail(language: Language, recipient: str, url: str) -> Mail:
    """The link that makes the account."""
    return _mail(
        language,
        recipient,
        _("Your Sealtone account"),
        language(_("Open this address within 24 hours to finish signing up:")),
        url,
        language(_IGNORE),
    )


def known_mail(language: Language, recipient: str, sign_in: str, forgotten: str) -> Mail:
    """To somebody who signed up again."""
    return _mail(
        language,
        recipient,
        _("You have a Sealtone account already"),
        language(_("Somebody wanted to sign up with this address, but it has an account already. Sign in here:")),
        sign_in,
        language(_("If you forgot your password:")),
        forgotten,
    )


def password_mail(language: Language, recipient: str, url: str) -> Mail:
    """The link by which a new password is set."""
    return _mail(
        language,
        recipient,
        _("Set a new password"),
        language(_("Open this address within one hour to set a new password:")),
        url,
        language(_IGNORE),
    )


def invitation_mail(language: Language, recipient: str, inviter: str, account: str, url: str) -> Mail:
    """The link by which somebody joins."""
    invited = (
        language(_("%(who)s invites you to the account “%(account)s”."), who=inviter, account=account)
        if account
        else language(_("%(who)s invites you to make an account of your own."), who=inviter)
    )
    return _mail(
        language,
        recipient,
        _("Invitation to Sealtone"),
        invited,
        language(_("Open this address within seven days:")),
        url,
    )


def email_mail(language: Language, recipient: str, url: str) -> Mail:
    """To a new address, that it is theirs."""
    return _mail(
        language,
        recipient,
        _("Confirm your e-mail address"),
        language(_("Open this address within 24 hours, and you sign in with this e-mail address from then on:")),
        url,
        language(_IGNORE),
    )


def changed_mail(language: Language, recipient: str) -> Mail:
    """To the address or about the password of before, so that nobody changes them unseen."""
    return _mail(
        language,
        recipient,
        _("Your way to sign in has changed"),
        language(_("Your password or e-mail address was changed just now.")),
        language(_("If that was not you, set a new password at once, and tell an owner of your account.")),
    )


def trial_mail(language: Language, recipient: str) -> Mail:
    """To the operator, who tries the settings."""
    return _mail(
        language, recipient, _("Test message"), language(_("This server can send e-mail. There is nothing to do."))
    )

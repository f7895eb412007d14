"""Who could listen, in words: never more than is known."""

from __future__ import annotations

import pytest

from sealtone.model import ZrtpStage
from sealtone.phone import ZrtpView
from sealtone.phone.words import sas_words, who_could_listen

SECURE = ZrtpView(
    ZrtpStage.SECURE, sas="o9d7", own_sas="o9d7", key_agreement="X255", hash="S256", cipher="AES3", auth_tag="HS80",
    cache="first contact",
)  # fmt: skip
BY_SERVER = SECURE._replace(trusted_mitm=True)
FAR = "media=zrtp;signalling=udp"


@pytest.mark.parametrize(
    "view",
    [BY_SERVER, BY_SERVER._replace(verified=True), BY_SERVER._replace(relayed=True, enrolled=True, sas="w1x2")],
)
def test_a_call_through_a_trusted_server_is_never_called_end_to_end(view):
    told = f"{sas_words(view, '1001')} {who_could_listen('', '', view, False, FAR)}"
    assert "End-to-end" not in told
    assert "Nobody but" not in told
    assert "The server could listen." in told


def test_between_two_phones_the_comparison_is_a_condition_until_it_was_made():
    assert "once you have compared the SAS" in who_could_listen("", "", SECURE, False, FAR)
    checked = SECURE._replace(verified=True)
    assert who_could_listen("", "", checked, False, FAR).endswith("Nobody but the two of you could listen.")
    assert "compared before" in sas_words(checked, "1001")
    differs = SECURE._replace(differs=True)
    assert "somebody in the middle may be listening" in who_could_listen("", "", differs, False, FAR)
    assert "Nobody but" not in who_could_listen("", "", differs, False, FAR)


def test_a_relayed_string_is_to_be_compared_with_the_other_phone_and_one_of_the_server_with_its_panel():
    assert "panel" in sas_words(BY_SERVER, "1001")
    relayed = sas_words(BY_SERVER._replace(relayed=True, sas="w1x2"), "1001")
    assert "w1x2" in relayed
    assert "compare it with 1001" in relayed
    assert "panel" not in relayed


def test_lost_secrets_are_shouted():
    assert "NOT KNOWN THERE" in who_could_listen("", "", SECURE._replace(cache="mismatch"), False, FAR)


def test_without_keys_nothing_is_claimed():
    agreeing, absent = ZrtpView(), ZrtpView(ZrtpStage.ABSENT, why="The other side does not answer with ZRTP.")
    assert "until then nothing is sent or heard" in who_could_listen("", "", agreeing, True, "")
    assert who_could_listen("", "", absent, True, "") == "There are no keys, so nothing is sent or heard."
    assert "This side is open" in who_could_listen("", "", absent, False, "")
    assert "This side is open" in who_could_listen("", "", None, False, "")
    # Keys of the signalling count only where that was encrypted.
    assert "This side is open" in who_could_listen("AEAD_AES_256_GCM", "", None, False, "")


def test_of_zrtp_on_the_other_side_only_the_announcement_is_known():
    told = who_could_listen("", "", BY_SERVER, False, FAR)
    assert "set up for ZRTP" in told
    assert "encrypted too" not in told
    assert told.endswith("The server could listen.")

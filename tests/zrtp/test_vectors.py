"""Known answers: made with libbzrtp and matched by an independent program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sealtone.zrtp import StandardCrypto, render
from sealtone.zrtp.keys import kdf
from sealtone.zrtp.packet import crc32c
from sealtone.zrtp.words import EVEN, ODD

VECTORS = Path(__file__).parent.parent / "vectors"
ANSWERS = json.loads((VECTORS / "zrtp_kat.json").read_text())


@pytest.mark.parametrize("answer", ANSWERS["kdf"], ids=lambda each: f"{each['hash']}-{each['label']}")
def test_keys_are_derived_as_others_derive_them(answer):
    key, context = bytes.fromhex(answer["key"]), bytes.fromhex(answer["context"])
    derived = kdf(StandardCrypto(), answer["hash"], key, answer["label"].encode(), context, answer["bits"])
    assert derived.hex() == answer["output"]


@pytest.mark.parametrize("answer", ANSWERS["crc"], ids=lambda each: each["wire_crc"])
def test_the_crc_stands_on_the_wire_as_others_write_it(answer):
    assert crc32c(bytes.fromhex(answer["data"])).hex() == answer["wire_crc"]


@pytest.mark.parametrize("answer", ANSWERS["sas"], ids=lambda each: each["sasvalue"])
def test_a_sas_is_read_out_as_others_read_it(answer):
    value = bytes.fromhex(answer["sasvalue"])
    assert render(value, "B32 ") == answer["B32"]
    assert render(value, "B256") == answer["B256"]


def test_the_word_list_is_the_published_one():
    assert [list(EVEN), list(ODD)] == json.loads((VECTORS / "pgp_words.json").read_text())
    assert len(set(EVEN)) == len(set(ODD)) == 256


def test_a_sas_of_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match="unknown SAS type"):
        render(bytes(32), "B10D")


def test_crc32c_of_the_usual_nine_digits_is_the_catalogued_one():
    assert crc32c(b"123456789") == (0xE3069283).to_bytes(4, "little")

"""Passwords: which are good enough, and argon2id (RFC 9106).

Hashing takes about a fifth of a second and 64 MiB: call it on a thread, outside any transaction, few at once.
"""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from sealtone.admin.errors import InvalidInput

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 256
_FEWEST_SYMBOLS = 5
_SHORTEST_OWN_WORD = 3
_LEAST_BESIDES_OWN = 4

# 64 MiB and three passes are the second recommendation of RFC 9106 4. One lane instead of its four, so that somebody
# who signs in takes one core from the calls of this machine, and not all.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)

# What leads every list of passwords that leaked. Digits and signs around it do not help.
_LEAKED = """
    administrator basketball changemenow changethis charlieangel chocolate computer correcthorsebatterystaple
    password passwordpassword passw0rd p4ssword p4ssw0rd pa55word letmein letmeinnow iloveyou iloveyouforever welcome
    welcomeback welcomehome princess princesses sunshine superman superstar football baseball starwars dragonball
    qwerty qwertyuiop qwertyqwerty qwertyasdfgh qwertyuiopasdfgh asdfghjkl asdfghjklqwerty zxcvbnm asdfasdfasdf
    qazwsx qazwsxedc qazwsxedcrfv qweasdzxc qweasdzxcrty zaqxswcde qwertzuiop azertyuiop
    abcdefghij abcdefghijk abcdefghijkl abcdefghijklmnop abcabcabcabc abcdabcdabcd aaaaaaaaaa
    administration adminadmin adminadminadmin rootroot rootrootroot useruser testtest testtesttest testpassword
    mypassword mypasswordis thepassword newpassword oldpassword secretsecret topsecret supersecret secretpassword
    defaultpassword temppassword changeme pleasechangeme trustno trustnoone whatever jordan michael jennifer
    mustang liverpool manchester chelseafc arsenalfc barcelona realmadrid spartak zenit
    sealtone sealtonepassword telephone telephony asterisk freeswitch freepbx
    parol parolparol moiparol privet privetprivet lyubov nikita nastya
    пароль парольпароль мойпароль привет приветпривет любовь йцукен йцукенгшщз йцукенфыва фывапролд солнышко
"""
_COMMON = frozenset(_LEAKED.split())
_RUNS = (
    "01234567890123456789",
    "98765432109876543210",
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "qwertyuiopasdfghjklzxcvbnm",
    "йцукенгшщзхъфывапролджэячсмитьбю",
    "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
)


def check_password(password: str, *own: str, field: str = "password") -> None:
    """Whether it will do: long enough, not one that is tried first, not made of `own` (name, e-mail address).

    No kinds of characters are asked for: that makes passwords alike (NIST SP 800-63B 5.1.1.2). Raises `InvalidInput`.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise InvalidInput(field, "A password has at least {least} characters.", least=SHORTEST_PASSWORD)
    if len(password) > LONGEST_PASSWORD:
        raise InvalidInput(field, "A password has at most {most} characters.", most=LONGEST_PASSWORD)
    folded = _folded(password)
    core = folded.strip("0123456789!?.,;:_-+*#@$%&=()[]{}<>/\\|~^'\" ")
    repeats = len(set(folded)) < _FEWEST_SYMBOLS
    if repeats or core in _COMMON or folded in _COMMON or any(folded in run for run in _RUNS) or not core:
        raise InvalidInput(field, "This password is one of the first that are tried. Choose another.")
    if _is_own(folded, own):
        raise InvalidInput(field, "A password must not be made of your name or e-mail address.")


def hash_password(password: str) -> str:
    """Its argon2id hash with parameters and a new salt, as argon2 writes it."""
    return _HASHER.hash(_normal(password))


def password_matches(password_hash: str, password: str) -> bool:
    """Whether the hash is this password's. Where there is no hash it takes as long, and the answer is no."""
    if not password_hash or len(password) > LONGEST_PASSWORD:
        _HASHER.hash(_normal(password[:LONGEST_PASSWORD]))
        return False
    try:
        return _HASHER.verify(password_hash, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with other parameters than are used now."""
    return _HASHER.check_needs_rehash(password_hash)


def _is_own(folded: str, own: tuple[str, ...]) -> bool:
    words = {
        word for text in own for word in (_folded(text), *_folded(text).replace("@", " ").replace(".", " ").split())
    }
    rest = folded
    for word in sorted((word for word in words if len(word) >= _SHORTEST_OWN_WORD), key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != folded and sum(character.isalpha() for character in rest) < _LEAST_BESIDES_OWN


def _normal(password: str) -> bytes:
    """As one and the same octets whichever keyboard composed its letters."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()

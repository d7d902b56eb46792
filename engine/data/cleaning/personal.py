"""Personal data in text becomes placeholders: e-mail addresses, phone numbers, Chinese IDs, bank cards, IP addresses.

Patterns of our own: Presidio needs spaCy and a model, scrubadub has had no release since 2023, phonenumbers knows
phones alone, and none of the small packages looked at has both the Chinese kinds and constant placeholders. Check
digits, dates and number ranges keep order numbers, versions and code as they are. Names and addresses are not found.
"""

import datetime
import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Literal

PersonalData = Literal["email", "phone", "id_number", "bank_card", "ip"]

# \b and \d do not serve: Chinese characters count as word characters, and full-width digits as digits
_BEFORE = r"(?<![A-Za-z0-9_])(?<![0-9][.-])"
_AFTER = r"(?![A-Za-z0-9_])(?![.-][0-9])"

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?![0-9]x\.)"  # icon@2x.png is a picture
    r"(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![A-Za-z0-9-]|[:.][A-Za-z0-9/~])"  # git@host:path is a place
)
_AREA = "0(?:10|2[0-9]|[3-9][0-9]{2})"
_PHONE = re.compile(
    _BEFORE + "(?:"
    r"(?:(?:\+|00)86[ -]?)?1[3-9][0-9](?:[ -]?[0-9]{4}){2}"  # Chinese mobile
    rf"|(?:{_AREA}[ -]|[(（]{_AREA}[)）] ?)[1-9][0-9]{{2,3}}[ -]?[0-9]{{4}}"  # Chinese landline
    r"|(?P<abroad>\+(?:1(?=[ .(-]*[2-9])|[2-9])[0-9]{0,2}(?:[ .-]?\(?[0-9]{1,4}\)?){2,6})"  # + and a country's code
    ")" + _AFTER
)
_ID_NUMBER = re.compile(
    _BEFORE + r"([1-9][0-9]{5})((?:18|19|20)[0-9]{2})([01][0-9])([0-3][0-9])[0-9]{3}[0-9Xx]" + _AFTER
)
_BANK_CARD = re.compile(
    _BEFORE + r"(?:[0-9]{13,19}"
    r"|[0-9]{4}(?:([ -])[0-9]{4})(?:\1[0-9]{4}){1,3}(?:\1[0-9]{1,3})?"
    r"|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5}|[0-9]{6}[ -][0-9]{13})" + _AFTER
)
# first digits and lengths of Visa, Mastercard, American Express, Diners Club, JCB, UnionPay and others that begin with
# 6, and the older cards of Chinese banks; an ISBN, a barcode or an IMEI fits none of them
_ISSUER = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|(?:5[1-5]|2[2-7])[0-9]{14}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}"
    r"|35[0-9]{14}|6[0-9]{15,18}|9558[0-9]{12,15}"
)
_IP = re.compile(
    r"(?<![A-Za-z0-9_.-])(?<![A-Za-z]/)(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![A-Za-z0-9_-])(?!\.[0-9])"
    # the ranges in use: global addresses begin with 2 or 3, local ones with fc to fe
    r"|(?<![A-Za-z0-9_:.])(?:[23][0-9A-Fa-f]{3}|[Ff][C-Ec-e][0-9A-Fa-f]{2})"
    r"(?::[0-9A-Fa-f]{0,4}){1,6}(?::[0-9A-Fa-f]{1,4}|::)(?![A-Za-z0-9_]|:[0-9A-Fa-f])"
)
_VERSION = re.compile(r"(?:version|ver\.|版本号?)[ :：为是]*$", re.IGNORECASE)

_ANY_DIGIT = re.compile("[0-9]")


def masked(text: str, kinds: Iterable[PersonalData]) -> str:
    """The text with placeholders such as `<PHONE>` where it held personal data of these kinds."""
    asked = set(kinds)
    if "email" in asked and "@" in text:
        text = _EMAIL.sub("<EMAIL>", text)
    if asked - {"email"} and _ANY_DIGIT.search(text):
        for kind, (pattern, is_one, placeholder) in _NUMBERS.items():
            if kind in asked:
                text = pattern.sub(
                    lambda found, is_one=is_one, word=placeholder: word if is_one(found) else found[0], text
                )
    return text


def _is_phone(found: re.Match[str]) -> bool:
    """Numbers abroad have 8 to 15 digits (E.164); in one piece only long ones are taken for one."""
    abroad = found["abroad"]
    digits = sum(map(str.isdigit, abroad or ""))
    return not abroad or (10 if digits == len(abroad) - 1 else 8) <= digits <= 15


def _is_id_number(found: re.Match[str]) -> bool:
    """A date of birth that exists, and the check digit of GB 11643 (ISO 7064 MOD 11-2)."""
    try:
        datetime.date(int(found[2]), int(found[3]), int(found[4]))
    except ValueError:
        return False
    digits = [10 if digit in "Xx" else int(digit) for digit in found[0]]
    weighed = sum(digit * 2**place for place, digit in enumerate(reversed(digits)))
    return weighed % 11 == 1


def _is_bank_card(found: re.Match[str]) -> bool:
    """A known issuer's number with the check digit of ISO/IEC 7812 (Luhn)."""
    number = re.sub("[ -]", "", found[0])
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2])
    return bool(_ISSUER.fullmatch(number)) and (sum(map(int, number[-1::-2])) + sum(doubled)) % 10 == 0


def _is_ip(found: re.Match[str]) -> bool:
    """An address that some machine has: 127.0.0.1, 0.0.0.0 and net masks name none."""
    try:
        address = ipaddress.ip_address(found[0])
    except ValueError:
        return False
    nobody = address.is_loopback or address.is_unspecified or address.is_reserved or address.is_multicast
    return not nobody and not _VERSION.search(found.string, max(0, found.start() - 12), found.start())


_NUMBERS: dict[PersonalData, tuple[re.Pattern[str], Callable[[re.Match[str]], bool], str]] = {
    "id_number": (_ID_NUMBER, _is_id_number, "<ID>"),
    "bank_card": (_BANK_CARD, _is_bank_card, "<CARD>"),
    "ip": (_IP, _is_ip, "<IP>"),
    "phone": (_PHONE, _is_phone, "<PHONE>"),
}
"""The kinds with check digits come first: of a number that fits two kinds they are surer."""

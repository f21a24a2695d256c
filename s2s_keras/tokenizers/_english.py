"""English as it is spoken: what is written with digits, signs and abbreviations becomes words."""

import re
import unicodedata

from s2s_keras.tokenizers import _english_words as words

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_MONTH = "|".join(words.MONTHS)
_MERIDIEM = r"([ap])\.?\s?m\b\.?"
_MOST_DIGITS = 15  # of a number that has commas; longer ones are read digit by digit
_PARTS = {2: "half", 4: "quarter", 100: "hundredth"}


def _any_of(table):
    return "|".join(re.escape(key) for key in sorted(table, key=len, reverse=True))


def cardinal(number):
    """A whole number in words: 1234 is "one thousand two hundred thirty-four"."""
    from num2words import num2words

    return num2words(int(number)).replace(",", "").replace(" and ", " ")


def ordinal(number):
    """The place in an order, in words: 22 is "twenty-second"."""
    from num2words import num2words

    return num2words(int(number), to="ordinal").replace(",", "").replace(" and ", " ")


def digits(text):
    """Digits one by one; what is no digit is left out."""
    return " ".join(words.DIGITS[c] for c in text if c in words.DIGITS)


def year(number):
    """1984 is "nineteen eighty-four", 2005 "two thousand five"."""
    century, rest = divmod(int(number), 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def decimal(text):
    """A number with commas and a decimal point: "3.05" is "three point zero five"."""
    whole, _, fraction = text.replace(",", "").partition(".")
    spoken = digits(whole) if len(whole) > _MOST_DIGITS else cardinal(whole)
    return f"{spoken} point {digits(fraction)}" if fraction else spoken


def spell(letters):
    """The names of letters: "FBI" is "eff bee eye"."""
    return " ".join(words.LETTERS[c] for c in letters.upper() if c in words.LETTERS)


def _is_one(text):
    return text in ("1", "1.0")


def _end(match, next_sentence=False):
    """The period that ends a sentence, where an abbreviation has taken it."""
    rest = match.string[match.end() :].strip(" \"')")
    return "." if match[0].endswith(".") and (not rest or next_sentence and rest[0].isupper()) else ""


def _electronic(match):
    address = re.sub(r"^(https?://)?(www\.)?", lambda m: "www." if m[2] else "", match[0].rstrip(".,;:!?)"))
    names = {".": " dot ", "/": " slash ", "-": " dash ", ":": " colon ", "@": " at ", "_": " underscore "}
    spoken = re.sub(r"[./:@_-]", lambda m: names[m[0]], address.rstrip("/"))
    spoken = re.sub(r"\bwww\b", "double-you double-you double-you", spoken)
    return spoken + match[0][len(match[0].rstrip(".,;:!?)")) :]


def _abbreviation(match):
    return words.ABBREVIATIONS[match[1]] + _end(match, next_sentence=match[1] == "etc")


def _groups(match):
    sign = "plus " if match[0].startswith("+") else ""
    return sign + ", ".join(digits(group) for group in re.findall(r"\d+", match[0]))


def _money(match):
    sign, amount = words.CURRENCY_CODES.get(match["sign"], match["sign"]), match["amount"]
    scale = match.groupdict().get("scale")
    one, many, cent, cents = words.CURRENCIES[sign[-1]]
    if scale:
        return f"{decimal(amount)} {words.SCALES.get(scale.lower(), scale)} {many}"
    whole, _, fraction = amount.replace(",", "").partition(".")
    if len(fraction) != 2 or cent is None:
        return f"{decimal(amount)} {one if _is_one(amount) else many}"
    parts = []
    if int(whole):
        parts.append(f"{decimal(whole)} {one if _is_one(whole) else many}")
    if int(fraction) or not parts:
        parts.append(f"{cardinal(fraction)} {cent if int(fraction) == 1 else cents}")
    return " and ".join(parts)


def _date(month, day, year_number=None, day_first=False):
    spoken = f"the {ordinal(day)} of {month}" if day_first else f"{month} {ordinal(day)}"
    return spoken if year_number is None else f"{spoken}, {year(year_number)}"


def _numeric_date(match):
    first, second, number = (int(group) for group in match.groups())
    if number < 100:
        number += 2000 if number < 50 else 1900
    month, day = (first, second) if first <= 12 else (second, first)
    return _date(words.MONTHS[month - 1], day, number) if 1 <= month <= 12 and 1 <= day <= 31 else match[0]


def _iso_date(match):
    number, month, day = (int(group) for group in match.groups())
    return _date(words.MONTHS[month - 1], day, number) if 1 <= month <= 12 and 1 <= day <= 31 else match[0]


def _month_first(match):
    return _date(match[1], match[2], match[3]) if 1 <= int(match[2]) <= 31 else match[0]


def _day_first(match):
    return _date(match[2], match[1], match[3], day_first=True) if 1 <= int(match[1]) <= 31 else match[0]


def _time(match):
    hour, minute, second, half = int(match[1]), int(match[2]), match[3], match[4]
    if hour > 24 or minute > 59:
        return match[0]
    spoken = cardinal(hour)
    if minute:
        spoken += f" {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    elif not half:
        spoken += " o'clock" if 1 <= hour <= 12 else " hundred"
    spoken += f" and {cardinal(second)} seconds" if second else ""
    return spoken + (f" {spell(half)} em{_end(match, next_sentence=True)}" if half else "")


def _version(match):
    return ("version " if match[1] else "") + " point ".join(cardinal(part) for part in match[2].split("."))


def _fraction(match):
    whole, top, bottom = match[1], int(match[2]), int(match[3])
    if not 2 <= bottom <= 100 or not 1 <= top < bottom:
        return f"{f'{cardinal(whole)} and ' if whole else ''}{cardinal(top)} over {cardinal(bottom)}"
    name = _PARTS.get(bottom) or ordinal(bottom)
    many = "halves" if bottom == 2 else f"{name}s"
    if whole:
        return f"{cardinal(whole)} and {'a' if top == 1 else cardinal(top)} {name if top == 1 else many}"
    return f"{cardinal(top)} {name if top == 1 else many}"


def _decade(match):
    spoken = year(match[1]) if len(match[1]) == 4 else cardinal(match[1])
    return f"{spoken[:-1]}ies" if spoken.endswith("y") else f"{spoken}s"


def _plain_number(match):
    text = match[0]
    whole = text.partition(".")[0]
    if "." not in text and "," not in text and (len(whole) > 9 or (len(whole) > 1 and whole[0] == "0")):
        spoken = digits(text)
    elif re.fullmatch(r"1[1-9]\d\d|20\d\d", text):
        spoken = year(text)
    else:
        spoken = decimal(text)
    before, after = match.string[: match.start()][-1:], match.string[match.end() :]
    return (" " if before.isalpha() else "") + spoken + (" " if re.match(r"(?!s\b)[A-Za-z]", after) else "")


def _roman(match):
    value, last = 0, 0
    for letter in reversed(match[2]):
        number = {"I": 1, "V": 5, "X": 10}[letter]
        value += -number if number < last else number
        last = max(last, number)
    return f"{match[1]} {f'the {ordinal(value)}' if match[1] in words.RULERS else cardinal(value)}"


def _capitals(match):
    letters, ending = match[1], match[2]
    if letters == "OK":
        return f"okay{ending}"
    if letters in words.SAID_AS_WORDS or (len(letters) > 5 and re.search("[AEIOUY]", letters)):
        return match[0]
    spoken = spell(letters)
    if ending == "s":
        return spoken + ("es" if spoken.endswith(("s", "x", "ch")) else "s")
    return spoken + ending


def _without_accents(text):
    text = "".join(words.TYPOGRAPHY.get(c, c) for c in unicodedata.normalize("NFC", text))
    return "".join(
        unicodedata.normalize("NFD", c)[0] if unicodedata.name(c, "").startswith("LATIN") else c for c in text
    )


_SCALE = r"(?:\s?(?P<scale>hundred|thousand|million|billion|trillion|[kK]|[mM]n?|[bB]n?|tn)\b)?"
_SIGN = r"(?P<sign>(?:US|C|A)?\$|[\u20ac\u00a3\u00a5\u20b9])"
RULES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(?:https?://|www\.)\S+|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _electronic),
        # Abbreviations.
        (rf"\b({_any_of(words.BEFORE_NUMBERS)})\.\s?(?=\d)", lambda m: f"{words.BEFORE_NUMBERS[m[1]]} "),
        (
            rf"(\d (?:[A-Z]\w*\.? )+|\b[A-Z][\w']* (?=\w+\.\W*(?:$|[a-z])))({_any_of(words.PLACES)})\.",
            lambda m: f"{m[1]}{words.PLACES[m[2]]}{_end(m, next_sentence=True)}",
        ),
        (rf"\b({_any_of(words.TITLES)})\.(?=\s+(?:[A-Z\"']|and\b))", lambda m: words.TITLES[m[1]]),
        (rf"\b({_any_of(words.ABBREVIATIONS)})\.(?!\w)", _abbreviation),
        (rf"\b({_any_of(words.MONTH_OF)})\b\.?(?=\s\d)", lambda m: words.MONTH_OF[m[1]]),
        (rf"\b({_any_of(words.DAY_OF)})\.(?=[\s,])", lambda m: words.DAY_OF[m[1]]),
        # Groups of digits, dates and times.
        (rf"(?<![\w/])(?:{_any_of(words.IDIOMS)})(?![\w/])", lambda m: words.IDIOMS[m[0]]),
        (r"(?<![\w.])\+\d[\d ().-]{7,}\d\b", _groups),
        (r"(?<![\w.])(?:1[ .-])?\(?\d{3}\)?[ .-]\d{3}[.-]\d{4}(?!\w)", _groups),
        (r"(?<![\w.-])\d{3}-\d{4}(?![\w-])|(?<![\w-])\d{3}-\d\d-\d{4}(?![\w-])", _groups),
        (r"(?<![\w.,])0\d{2,4}(?: \d{3,4}){1,2}\b", _groups),
        (r"(?<![\w-])(\d{4})-(\d\d)-(\d\d)(?![\w-])", _iso_date),
        (r"(?<![\w/])(\d{1,2})/(\d{1,2})/(\d{4}|\d\d)(?![\w/])", _numeric_date),
        (rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?(?![\d:%]|[.,]\d)(?:,? (\d{{4}})\b)?", _month_first),
        (rf"\b(?:the )?(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTH})\b(?:,? (\d{{4}})\b)?", _day_first),
        (rf"\b(\d{{1,2}}):(\d\d)(?::(\d\d))?(?:\s?{_MERIDIEM})?(?!\w)", _time),
        (rf"\b(\d{{1,2}})\s?{_MERIDIEM}(?!\w)", lambda m: f"{cardinal(m[1])} {spell(m[2])} em{_end(m, True)}"),
        (r"\b(\d+):(\d+)\b", r"\1 to \2"),
        # Amounts.
        (r"\b(\d)'(\d\d?)\"", lambda m: f"{cardinal(m[1])} feet {cardinal(m[2])}"),
        (rf"(?<=\d)(%?) ?- ?(?=(?:{_SIGN.replace('?P<sign>', '?:')})?\d)", r"\1 to "),
        (rf"{_SIGN} ?(?P<amount>{_NUMBER}){_SCALE}", _money),
        (rf"(?P<amount>\b{_NUMBER}) ?(?P<sign>{_any_of(words.CURRENCY_CODES)}|\u20ac|\u00a3)(?!\w)", _money),
        (rf"({_NUMBER})\s?\u00a2", lambda m: f"{decimal(m[1])} {'cent' if _is_one(m[1]) else 'cents'}"),
        (
            rf"(?<![\w.,])({_NUMBER}) ?({_any_of(words.UNITS)})(?!\w)(?:\.(?= [a-z]))?",
            lambda m: f"{decimal(m[1])} {words.UNITS[m[2]][0 if _is_one(m[1]) else 1]}",
        ),
        (r"(?<![\w./])(?:(\d+) )?(\d+)/(\d+)(?![\w/])", _fraction),
        (r"\b(\d\d\d?0)s\b", _decade),
        (r"'(\d0)s\b", _decade),
        (r"(?<!\w)'(\d\d)\b", lambda m: f"oh {cardinal(m[1])}" if m[1][0] == "0" else cardinal(m[1])),
        (r"\b(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b", lambda m: ordinal(m[1].replace(",", ""))),
        (r"(?<![\w.)])-(?=\.?\d)", "minus "),
        (r"(?<!\w)\+(?=\d)", "plus "),
        (r"(?<![\w.])(v)?(\d+(?:\.\d+){2,})\b", _version),
        (r"(?<![\w.])\.(\d+)", lambda m: f"point {digits(m[1])}"),
        (_NUMBER, _plain_number),
    )
]
LETTER_RULES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b((?:[A-Za-z]\.){2,})(?!\w)", lambda m: spell(m[1]) + _end(m)),
        (r"\b([A-HJ-Z])\.(?= [A-Z])", lambda m: spell(m[1])),
        (r"\b([A-Z][a-z]+) ([IVX]{2,}|V|X)(?![\w'])", _roman),
        (r"\b([A-Z]{1,3})&([A-Z]{1,3})\b", lambda m: f"{spell(m[1])} and {spell(m[2])}"),
        (r"\b([A-Z]{2,})('s|s|)\b", _capitals),
        (r"\b(A(?= [B-Z]\b)|[B-HJ-Z])\b(?!'(?!s\b))", lambda m: spell(m[1])),
    )
]


def english(text):
    """A text as an American reads it.

    Numbers, ordinals, decimals, fractions, years, dates, times, money, measures, telephone numbers, addresses of the
    internet, abbreviations, acronyms, Roman numbers and signs become words. Accents go: English reads "cafe". A
    character that has no English reading, such as a letter of another script, stays as it is.

    Args:
        text: str.

    Returns:
        str, one line.

    Example:

    >>> english("Dr. Smith paid $3.50 for 2 lbs. at 10:05 a.m.")
    'Doctor Smith paid three dollars and fifty cents for two pounds at ten oh five ay em.'

    Reference: the classes of text are those of Sproat and Jaitly, RNN approaches to text normalization, 2016. The
    spelling of numbers is num2words'. Letters are written as their names, so that a model that reads characters knows
    them.
    """
    text = _without_accents(text)
    shouted = not re.search("[a-z]", text) and len(re.findall("[A-Z]{2,}", text)) > 2  # capitals say nothing there
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    if not shouted:
        for pattern, replacement in LETTER_RULES:
            text = pattern.sub(replacement, text)
    text = "".join(f" {words.SYMBOLS[c]} " if c in words.SYMBOLS else c for c in text)
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r" (?=[,.;:!?)])|(?<=\() ", "", text)

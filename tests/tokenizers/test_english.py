import os
import re

import pytest

from s2s_keras.tokenizers import SynthesisTokenizer, register_language, spoken_text

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")

READINGS = {
    "numbers": [
        ("21 pears, 100,000 people", "twenty-one pears, one hundred thousand people"),
        ("1,234,567.89", "one million two hundred thirty-four thousand five hundred sixty-seven point eight nine"),
        ("0.05, .5 and 3.14", "zero point zero five, point five and three point one four"),
        ("-5 and +3", "minus five and plus three"),
        ("007, 12345678901", "zero zero seven, one two three four five six seven eight nine zero one"),
        ("a 4-year-old", "a four-year-old"),
        ("version 1.2.3, v2.0.10", "version one point two point three, version two point zero point ten"),
        ("9" * 20, " ".join(["nine"] * 20)),
        ("9" * 16 + ",000", " ".join(["nine"] * 16) + ",zero zero zero"),
    ],
    "ordinals": [("22nd, 1st and 1,000th", "twenty-second, first and one thousandth"), ("the 18th", "the eighteenth")],
    "fractions": [
        ("1/2, 3/4 and 2/3", "one half, three quarters and two thirds"),
        ("5 1/2, 2\u00bd", "five and a half, two and a half"),
        ("22/7", "twenty-two over seven"),
        ("24/7", "twenty-four seven"),
    ],
    "years": [
        ("in 1984, 1905 and 1900", "in nineteen eighty-four, nineteen oh five and nineteen hundred"),
        ("2000, 2005, 2024", "two thousand, two thousand five, twenty twenty-four"),
        ("the 1990s, '60s and '05", "the nineteen nineties, sixties and oh five"),
        ("1914\u20131918", "nineteen fourteen to nineteen eighteen"),
    ],
    "dates": [
        ("March 14, 2024", "March fourteenth, twenty twenty-four"),
        ("Mar. 1st", "March first"),
        ("on the 4th of July, 1776", "on the fourth of July, seventeen seventy-six"),
        ("on 14 March", "on the fourteenth of March"),
        ("2024-03-14 and 3/14/24", " and ".join(["March fourteenth, twenty twenty-four"] * 2)),
        ("31/12/1999", "December thirty-first, nineteen ninety-nine"),
        ("December 2023", "December twenty twenty-three"),
        ("Fri. 5 May", "Friday the fifth of May"),
    ],
    "times": [
        ("10:30 or 10:05", "ten thirty or ten oh five"),
        ("10:00, 14:00", "ten o'clock, fourteen hundred"),
        ("10:00 a.m. to 3pm.", "ten ay em to three pee em."),
        ("At 5 p.m. We left.", "At five pee em. We left."),
        ("12:30:15", "twelve thirty and fifteen seconds"),
        ("3:1", "three to one"),
    ],
    "telephones": [
        ("555-1212", "five five five, one two one two"),
        ("(415) 555-0199", "four one five, five five five, zero one nine nine"),
        ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
        ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ],
    "money": [
        ("$5, $1, \u00a32.01", "five dollars, one dollar, two pounds and one penny"),
        ("$1,234.56", "one thousand two hundred thirty-four dollars and fifty-six cents"),
        ("$0.99 or $0.00", "ninety-nine cents or zero cents"),
        ("$1.5 million, $3bn, $2M", "one point five million dollars, three billion dollars, two million dollars"),
        ("5\u20ac, 20 USD, \u00a5500, 50\u00a2", "five euros, twenty dollars, five hundred yen, fifty cents"),
        ("$5-$10", "five dollars to ten dollars"),
    ],
    "measures": [
        ("5%, 1 %", "five percent, one percent"),
        ("5 km, 1 km, 3.5m", "five kilometers, one kilometer, three point five meters"),
        ("20\u00b0C, 100 km/h", "twenty degrees Celsius, one hundred kilometers per hour"),
        ("16GB, 5 m\u00b2, 2.4 GHz", "sixteen gigabytes, five square meters, two point four gigahertz"),
        ("5-10 kg", "five to ten kilograms"),
        ("2 lbs. of it, 5 in the box", "two pounds of it, five in the box"),
    ],
    "abbreviations": [
        ("Mr. and Mrs. Smith vs. Dr. Jones", "Mister and Missus Smith versus Doctor Jones"),
        ("on Main St. near St. Louis", "on Main Street near Saint Louis"),
        ("12 Elm St. The house", "twelve Elm Street. The house"),
        ("e.g. apples, i.e. fruit, etc.", "for example apples, that is fruit, et cetera."),
        ("Pears, etc. The end.", "Pears, et cetera. The end."),
        ("No. 5, p. 12, pp. 3-4", "number five, page twelve, pages three to four"),
        ("He said no. It is Tuesday.", "He said no. It is Tuesday."),
    ],
    "acronyms": [
        ("the FBI's, TVs and MP3s", "the eff bee eye's, tee vees and em pee threes"),
        ("NASA did NOT say OK", "NASA did NOT say okay"),
        ("U.S.A., in the U.S.", "you ess ay, in the you ess."),
        ("AT&T, salt & pepper", "ay tee and tee, salt and pepper"),
        ("J. R. Smith, vitamin C", "jay are Smith, vitamin see"),
        ("COVID-19, 3D", "COVID-nineteen, three dee"),
        ("STOP THE PRESS FBI", "STOP THE PRESS FBI"),
        ("my A B C's. A dog and I", "my ay bee see's. A dog and I"),
    ],
    "roman numbers": [
        ("Henry VIII in World War II", "Henry the eighth in World War two"),
        ("Chapter IV. I am", "Chapter four. I am"),
        ("Louis XIV", "Louis the fourteenth"),
    ],
    "the internet": [
        ("info@example.com.", "info at example dot com."),
        ("https://example.com/a-b_c", "example dot com slash a dash b underscore c"),
    ],
    "signs": [
        ("a + b = c; 5 \u00d7 3", "a plus b equals c; five times three"),
        ("#1 @ 7", "number one at seven"),
        ("\u201cHello\u201d \u2013 \u2018yes\u2019\u2026", "\"Hello\" - 'yes'..."),
        ("caf\u00e9, Stra\u00dfe [sic]", "cafe, Strasse (sic)"),
    ],
}


@pytest.mark.parametrize("kind", READINGS)
def test_readings(kind):
    for text, spoken in READINGS[kind]:
        assert spoken_text(text) == spoken


def test_words_stay_as_they_are(shared):
    """A voice's own prompts: words and punctuation, all but three as they are read."""
    lines = (shared / "data/tts_en_kathleen/metadata.csv").read_text().splitlines()
    texts = [line.rpartition("|")[2].strip() for line in lines]
    changed = {text: spoken_text(text) for text in texts if spoken_text(text) != text}
    assert changed == {
        "Author of the danger trail, Philip Steels, etc.": "Author of the danger trail, Philip Steels, et cetera.",
        "That came before my A B C's.": "That came before my ay bee see's.",
    }


def test_nothing_but_words_and_punctuation_is_left():
    for readings in READINGS.values():
        for text, _ in readings:
            assert not re.search(r"[^A-Za-z .,;:!?'\"()-]", spoken_text(text)), text


def test_a_letter_without_a_reading_stays_to_be_reported():
    assert spoken_text("\u03b1 5") == "\u03b1 five"
    with pytest.raises(ValueError, match="GREEK SMALL LETTER ALPHA"):
        SynthesisTokenizer().encode("\u03b1 5")


def test_another_language_is_a_plug_in():
    from num2words import num2words

    def german(text):
        return re.sub(r"\d+", lambda match: num2words(int(match[0]), lang="de"), text)

    register_language("de", german)
    assert spoken_text("Um 21 Uhr", "de") == "Um einundzwanzig Uhr"
    tokenizer = SynthesisTokenizer(" abcdefghijklmnopqrstuvwxyz\u00e4\u00f6\u00fc\u00df", language="de")
    again = SynthesisTokenizer.from_config(tokenizer.get_config())
    assert again.decode(again.encode("F\u00fcnf und 30")) == "f\u00fcnf und drei\u00dfig"
    with pytest.raises(TypeError, match="A normalizer is a callable"):
        register_language("xx", "xx")

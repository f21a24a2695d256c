"""What stands for what in English texts."""

LETTERS = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "ay bee see dee ee eff gee aitch eye jay kay ell em en oh pee cue are ess tee you vee double-you ex why "
        "zee".split(),
        strict=True,
    )
)
IDIOMS = {"24/7": "twenty-four seven", "50/50": "fifty fifty", "9/11": "nine eleven"}
DIGITS = dict(zip("0123456789", "zero one two three four five six seven eight nine".split(), strict=True))
MONTHS = "January February March April May June July August September October November December".split()
MONTH_OF = {name[:3]: name for name in MONTHS} | {"Sept": "September"}
DAY_OF = {
    "Mon": "Monday",
    "Tue": "Tuesday",
    "Tues": "Tuesday",
    "Wed": "Wednesday",
    "Thu": "Thursday",
    "Thur": "Thursday",
    "Thurs": "Thursday",
    "Fri": "Friday",
}  # "Sat." and "Sun." end sentences

# One, many, a hundredth, hundredths.
CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "\u20ac": ("euro", "euros", "cent", "cents"),
    "\u00a3": ("pound", "pounds", "penny", "pence"),
    "\u00a5": ("yen", "yen", None, None),
    "\u20b9": ("rupee", "rupees", "paisa", "paise"),
}
CURRENCY_CODES = {"USD": "$", "EUR": "\u20ac", "GBP": "\u00a3", "JPY": "\u00a5", "INR": "\u20b9"}
SCALES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}

# Followed by a period in writing; the period goes. Titles are followed by a name.
TITLES = {
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Miz",
    "Messrs": "Messers",
    "Dr": "Doctor",
    "Prof": "Professor",
    "Rev": "Reverend",
    "Hon": "Honorable",
    "Fr": "Father",
    "St": "Saint",
    "Gen": "General",
    "Col": "Colonel",
    "Maj": "Major",
    "Capt": "Captain",
    "Cmdr": "Commander",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
    "Sen": "Senator",
    "Rep": "Representative",
    "Gov": "Governor",
    "Pres": "President",
    "Mt": "Mount",
    "Ft": "Fort",
}
PLACES = {
    "St": "Street",
    "Dr": "Drive",
    "Ave": "Avenue",
    "Blvd": "Boulevard",
    "Rd": "Road",
    "Ln": "Lane",
    "Hwy": "Highway",
}
ABBREVIATIONS = {
    "Jr": "Junior",
    "Sr": "Senior",
    "Esq": "Esquire",
    "Co": "Company",
    "Corp": "Corporation",
    "Inc": "Incorporated",
    "Ltd": "Limited",
    "Bros": "Brothers",
    "Dept": "Department",
    "dept": "department",
    "Univ": "University",
    "Assn": "Association",
    "Govt": "Government",
    "govt": "government",
    "approx": "approximately",
    "etc": "et cetera",
    "vs": "versus",
    "cf": "compare",
    "est": "established",
    "misc": "miscellaneous",
    "e.g": "for example",
    "i.e": "that is",
    "a.k.a": "also known as",
    "Ph.D": "pee aitch dee",
}
BEFORE_NUMBERS = {
    "No": "number",
    "Nos": "numbers",
    "Vol": "volume",
    "vol": "volume",
    "Ch": "chapter",
    "ch": "chapter",
    "Sec": "section",
    "sec": "section",
    "Fig": "figure",
    "fig": "figure",
    "p": "page",
    "pp": "pages",
    "ca": "about",
    "c": "about",
}

# One, many; after a number.
UNITS = {
    "%": ("percent", "percent"),
    "\u2030": ("per mille", "per mille"),
    "\u00b0C": ("degree Celsius", "degrees Celsius"),
    "\u00b0F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "\u00b0": ("degree", "degrees"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "m/s": ("meter per second", "meters per second"),
    "sq ft": ("square foot", "square feet"),
    "km\u00b2": ("square kilometer", "square kilometers"),
    "m\u00b2": ("square meter", "square meters"),
    "m\u00b3": ("cubic meter", "cubic meters"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "\u00b5m": ("micrometer", "micrometers"),
    "nm": ("nanometer", "nanometers"),
    "m": ("meter", "meters"),
    "mi": ("mile", "miles"),
    "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
    "yds": ("yard", "yards"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "g": ("gram", "grams"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "l": ("liter", "liters"),
    "L": ("liter", "liters"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "h": ("hour", "hours"),
    "min": ("minute", "minutes"),
    "mins": ("minute", "minutes"),
    "sec": ("second", "seconds"),
    "secs": ("second", "seconds"),
    "ms": ("millisecond", "milliseconds"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "KB": ("kilobyte", "kilobytes"),
    "kB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "kW": ("kilowatt", "kilowatts"),
    "MW": ("megawatt", "megawatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "W": ("watt", "watts"),
    "V": ("volt", "volts"),
    "dB": ("decibel", "decibels"),
    "kcal": ("kilocalorie", "kilocalories"),
}

# Capitals that are said as a word.
SAID_AS_WORDS = set(
    "NASA NATO OPEC AIDS UNESCO UNICEF FIFA NAFTA ASEAN RAM ROM PIN SIM LASER RADAR SONAR SCUBA COVID GIF JPEG SWAT "
    "NASDAQ IKEA LEGO NOAA OSHA POTUS FEMA MIDI BASIC ASCII YOLO "
    # and what people shout
    "AH HA HEY OUCH OW UGH WOW "
    "A ALL AM AN AND ANY ARE AS AT BAD BE BEST BIG BUT BY CAN DID DO DONE DONT EVER EVERY FOR FREE FROM GET GO GOOD "
    "HAD HAS HAVE HE HELP HER HERE HIM HIS HOW I IF IN IS ITS JUST LIKE LOVE ME MORE MUST MY NEED NEVER NEW NO NONE "
    "NOT NOW OF OFF OH ON ONE ONLY OR OUR OUT OVER REAL RUN SAID SAY SEE SHE SO SOME STOP THAN THAT THE THEIR THEM "
    "THEN THERE THESE THEY THIS TO TOO TRUE TWO UP VERY WAS WE WERE WHAT WHEN WHERE WHO WHY WILL WITH WOULD YES YET "
    "YOU YOUR".split()
)
# Names whose Roman number is an ordinal: "Henry the eighth".
RULERS = set(
    "Alexander Benedict Catherine Charles Christian Clement Edward Elizabeth Frederick George Gregory Gustav Henry "
    "Innocent Ivan James John Leo Louis Mary Napoleon Nicholas Paul Peter Philip Pius Ramses Richard Urban Victoria "
    "Wilhelm William".split()
)
SYMBOLS = {
    "&": "and",
    "@": "at",
    "+": "plus",
    "=": "equals",
    "<": "less than",
    ">": "greater than",
    "%": "percent",
    "#": "number",
    "*": "asterisk",
    "/": "slash",
    "\\": "backslash",
    "_": "underscore",
    "|": "bar",
    "~": "about",
    "^": "caret",
    "\u00b0": "degrees",
    "\u00a7": "section",
    "\u00d7": "times",
    "\u00f7": "divided by",
    "\u00b1": "plus or minus",
    "\u00a9": "copyright",
    "\u00ae": "registered",
    "\u2122": "trademark",
    "\u2192": "to",
    "\u2248": "about",
    "\u2260": "is not",
    "\u2264": "at most",
    "\u2265": "at least",
    "\u221e": "infinity",
    **{symbol: names[1] for symbol, names in CURRENCIES.items()},
    "\u00a2": "cents",
    "\u00b2": "squared",
    "\u00b3": "cubed",
}
# The same signs in other clothes.
TYPOGRAPHY = {
    "\u2018": "'",
    "\u2019": "'",
    "\u02bc": "'",
    "\u00b4": "'",
    "`": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u201e": '"',
    "\u00ab": '"',
    "\u00bb": '"',
    "\u2026": "...",
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\u2014": " - ",
    "\u2212": "-",
    "\u00a0": " ",
    "\u2009": " ",
    "\u202f": " ",
    "\u200b": "",
    "\ufeff": "",
    "\u00ad": "",
    "[": "(",
    "]": ")",
    "{": "(",
    "}": ")",
    "\u00bd": " 1/2",
    "\u2153": " 1/3",
    "\u2154": " 2/3",
    "\u00bc": " 1/4",
    "\u00be": " 3/4",
    "\u00df": "ss",
    "\u00e6": "ae",
    "\u00c6": "Ae",
    "\u0153": "oe",
    "\u0152": "Oe",
    "\u00f8": "o",
    "\u00d8": "O",
    "\u0142": "l",
    "\u0141": "L",
    "\u03bc": "\u00b5",  # the letter mu is the sign of a millionth
}

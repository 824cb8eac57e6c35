"""The languages Whisper knows: their codes, their names in English, and what else clients call them."""

import re

ENGLISH_NAMES = {
    "af": "afrikaans", "am": "amharic", "ar": "arabic", "as": "assamese", "az": "azerbaijani",
    "ba": "bashkir", "be": "belarusian", "bg": "bulgarian", "bn": "bengali", "bo": "tibetan",
    "br": "breton", "bs": "bosnian", "ca": "catalan", "cs": "czech", "cy": "welsh",
    "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fo": "faroese",
    "fr": "french", "gl": "galician", "gu": "gujarati", "ha": "hausa", "haw": "hawaiian",
    "he": "hebrew", "hi": "hindi", "hr": "croatian", "ht": "haitian creole", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "is": "icelandic", "it": "italian", "ja": "japanese",
    "jw": "javanese", "ka": "georgian", "kk": "kazakh", "km": "khmer", "kn": "kannada",
    "ko": "korean", "la": "latin", "lb": "luxembourgish", "ln": "lingala", "lo": "lao",
    "lt": "lithuanian", "lv": "latvian", "mg": "malagasy", "mi": "maori", "mk": "macedonian",
    "ml": "malayalam", "mn": "mongolian", "mr": "marathi", "ms": "malay", "mt": "maltese",
    "my": "myanmar", "ne": "nepali", "nl": "dutch", "nn": "nynorsk", "no": "norwegian",
    "oc": "occitan", "pa": "punjabi", "pl": "polish", "ps": "pashto", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sa": "sanskrit", "sd": "sindhi", "si": "sinhala",
    "sk": "slovak", "sl": "slovenian", "sn": "shona", "so": "somali", "sq": "albanian",
    "sr": "serbian", "su": "sundanese", "sv": "swedish", "sw": "swahili", "ta": "tamil",
    "te": "telugu", "tg": "tajik", "th": "thai", "tk": "turkmen", "tl": "tagalog",
    "tr": "turkish", "tt": "tatar", "uk": "ukrainian", "ur": "urdu", "uz": "uzbek",
    "vi": "vietnamese", "yi": "yiddish", "yo": "yoruba", "yue": "cantonese", "zh": "chinese",
}  # fmt: skip

# Other English names of the same languages.
OTHER_NAMES = {
    "burmese": "my", "castilian": "es", "farsi": "fa", "filipino": "tl", "flemish": "nl", "haitian": "ht",
    "mandarin": "zh", "moldavian": "ro", "moldovan": "ro", "norwegian bokmål": "no", "norwegian nynorsk": "nn",
    "panjabi": "pa", "pushto": "ps", "sinhalese": "si", "valencian": "ca",
}  # fmt: skip

# Other codes of the same languages: of ISO 639-2 and 639-3 (the standard variety of those with many), of ISO 639-1
# what was withdrawn or Whisper has another code for, and country codes that are taken for languages and are none.
OTHER_CODES = {
    "af": "afr", "am": "amh", "ar": "ara arb", "as": "asm", "az": "aze azj", "ba": "bak", "be": "bel",
    "bg": "bul", "bn": "ben", "bo": "bod tib", "br": "bre", "bs": "bos", "ca": "cat", "cs": "ces cze cz",
    "cy": "cym wel", "da": "dan dk", "de": "deu ger", "el": "ell gre gr", "en": "eng", "es": "spa",
    "et": "est ekk", "eu": "eus baq", "fa": "fas per pes prs", "fi": "fin", "fo": "fao", "fr": "fra fre",
    "gl": "glg", "gu": "guj", "ha": "hau", "haw": "haw", "he": "heb iw", "hi": "hin", "hr": "hrv scr",
    "ht": "hat", "hu": "hun", "hy": "hye arm", "id": "ind in", "is": "isl ice", "it": "ita", "ja": "jpn jp",
    "jw": "jav jv", "ka": "kat geo", "kk": "kaz", "km": "khm", "kn": "kan", "ko": "kor", "la": "lat",
    "lb": "ltz", "ln": "lin", "lo": "lao", "lt": "lit", "lv": "lav lvs", "mg": "mlg plt", "mi": "mri mao",
    "mk": "mkd mac", "ml": "mal", "mn": "mon khk", "mr": "mar", "ms": "msa may zsm", "mt": "mlt",
    "my": "mya bur", "ne": "nep npi", "nl": "nld dut", "nn": "nno", "no": "nor nb nob", "oc": "oci",
    "pa": "pan", "pl": "pol", "ps": "pus", "pt": "por", "ro": "ron rum mo mol", "ru": "rus", "sa": "san",
    "sd": "snd", "si": "sin", "sk": "slk slo", "sl": "slv", "sn": "sna", "so": "som", "sq": "sqi alb als",
    "sr": "srp scc sh hbs", "su": "sun", "sv": "swe", "sw": "swa swh", "ta": "tam", "te": "tel", "tg": "tgk",
    "th": "tha", "tk": "tuk", "tl": "tgl fil", "tr": "tur", "tt": "tat", "uk": "ukr ua", "ur": "urd",
    "uz": "uzb uzn", "vi": "vie vn", "yi": "yid ydd ji", "yo": "yor", "yue": "yue", "zh": "zho chi cmn cn",
}  # fmt: skip

# What clients send when they mean that nobody has chosen a language.
DETECT = frozenset({"", "auto", "detect", "mul", "none", "null", "und", "undefined"})
LANGUAGE_HELP = (
    "a language that Whisper knows: a tag such as `en`, `en-US` or `eng`, or an English name such as `english`; "
    "`auto` detects it"
)

LONGEST = 64
_NAMES = {name: code for code, name in ENGLISH_NAMES.items()} | OTHER_NAMES
_CODES = {code: code for code in ENGLISH_NAMES} | {
    other: code for code, others in OTHER_CODES.items() for other in others.split()
}
_TAG = re.compile(
    r"([a-z]{2,3})(?:-([a-z]{3}))?(?:-[a-z0-9]{1,8})*"
)  # BCP 47: a language, perhaps an extended one
_VARIANT = re.compile(r"\s*\([^()]*\)$|[.@].*$")  # "Portuguese (Brazil)", "de_DE.UTF-8"


def language_code(name: str) -> str | None:
    """Whisper's code of a language that is given as tag, code or English name, in any case; None if there is none.

    Of a tag the language counts, not script, region and the rest: ``zh-Hant-TW`` is Chinese.
    """
    plain = name.strip().lower()
    if len(plain) > LONGEST:
        return None
    plain = _VARIANT.sub("", plain)
    if plain in _NAMES:
        return _NAMES[plain]
    tag = _TAG.fullmatch(plain.replace("_", "-"))
    if tag is None:
        return None
    language, extended = tag.groups()
    code = _CODES.get(language)
    return _CODES.get(extended or "", code) if code == "zh" else code


def asks_to_detect(name: str) -> bool:
    """Whether a text in the place of a language leaves it to be detected."""
    return name.strip().lower() in DETECT


def english_name(code: str) -> str:
    """A language's English name, lower case; a code that is not in the table stands for itself."""
    return ENGLISH_NAMES.get(code, code)

"""How people write a sentence otherwise: case, punctuation, slips, mentions, hashtags, other words around it."""

import random
import re
from collections.abc import Callable

OPENERS = (
    *("well, {}", "honestly, {}", "so {}", "look, {}", "ok {}", "by the way, {}", "I think {}", "listen: {}"),
    *("as I said, {}", "hm, {}", "oh, {}", "sorry, but {}", "in my opinion {}", "fun fact: {}", "again: {}"),
    *("today I learned: {}", "ps: {}", "rt {}", "my view: {}"),
)
CLOSERS = (
    *("{}, you know", "{}, I think", "{}, that is all", "{}, right", "{}, and that is it", "{} ...", "{} again"),
    *("{}, believe me", "{} ok"),
)
USERS = ("@anna", "@ben_k", "@carla9", "@someone", "@the_real_dave", "@town_news", "@mia", "@tom")
HASHTAGS = ("#monday", "#life", "#today", "#truth", "#weekend", "#news", "#town", "#thoughts", "#random", "#fyi")
EMOJI = ("😀", "😂", "😡", "🙄", "😢", "👍", "❤️", "😎", "🤔", "😴", "🌍", "👎", "😊", "👍🏽", "🙈")


def vary(text: str, rng: random.Random) -> str:
    """The sentence in the way that another person would have written it; about a third of them as they are."""
    for chance, change in CHANGES:
        if rng.random() < chance:
            text = change(text, rng)
    return text


def join(sentences: list[str], rng: random.Random) -> str:
    """Several sentences as one text."""
    return rng.choice((" ", " ", " ", "\n", " ... ", " - ")).join(
        sentence if re.search(r"\W$", sentence) else f"{sentence}." for sentence in sentences
    )


def _open(text: str, rng: random.Random) -> str:
    return rng.choice(OPENERS).format(text[:1].lower() + text[1:] if text[1:2] != "'" else text)


def _close(text: str, rng: random.Random) -> str:
    return rng.choice(CLOSERS).format(text.rstrip(".!?"))


def _punctuate(text: str, rng: random.Random) -> str:
    return text.rstrip(".!?") + rng.choice(("", "", "", "", "!", "!!", "!!!", "...", "…", "?!", " ."))


def _slip(text: str, rng: random.Random) -> str:
    """One letter of one word missing, doubled or exchanged with its neighbour."""
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return text
    index = rng.choice(long)
    word = words[index]
    at = rng.randrange(1, len(word) - 1)
    words[index] = rng.choice((
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    ))  # fmt: skip
    return " ".join(words)


def _stretch(text: str, rng: random.Random) -> str:
    """ "soooo": a vowel again and again."""
    vowels = [match.start() for match in re.finditer(r"[aeiou](?=\w)", text)]
    if not vowels or "http" in text or "www" in text:
        return text
    at = rng.choice(vowels)
    return text[:at] + text[at] * rng.randint(3, 6) + text[at + 1 :]


def _emphasise(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    index = rng.randrange(len(words))
    words[index] = rng.choice((words[index].upper(), f"*{words[index]}*", f'"{words[index]}"'))
    return " ".join(words)


def _lower(text: str, _: random.Random) -> str:
    return text.lower()


def _upper(text: str, _: random.Random) -> str:
    return text.upper()


def _mention(text: str, rng: random.Random) -> str:
    return " ".join([*rng.choices(USERS, k=rng.choice((1, 1, 2))), text])


def _hashtag(text: str, rng: random.Random) -> str:
    return " ".join([text, *rng.choices(HASHTAGS, k=rng.choice((1, 1, 2)))])


def _emoji(text: str, rng: random.Random) -> str:
    return " ".join([text, *rng.choices(EMOJI, k=rng.choice((1, 1, 2)))])


CHANGES: tuple[tuple[float, Callable[[str, random.Random], str]], ...] = (
    (0.08, _open),
    (0.06, _close),
    (0.25, _punctuate),
    (0.15, _slip),
    (0.04, _stretch),
    (0.05, _emphasise),
    (0.25, _lower),
    (0.05, _upper),
    (0.08, _mention),
    (0.06, _hashtag),
    (0.08, _emoji),
)

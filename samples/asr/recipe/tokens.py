"""The tokenizer: byte-level BPE in which every word of the vocabulary is one token, and Whisper's own tokens."""

import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from .vocabulary import WORDS

SPECIALS = [
    "endoftext", "startoftranscript", "en", "translate", "transcribe", "startoflm", "startofprev", "nospeech",
    "notimestamps",
]  # fmt: skip
TIMESTAMPS = 1501
SECONDS_PER_STAMP = 0.02
#: What byte-level BPE writes for the space before a word.
SPACE = "\u0120"


def build_tokenizer() -> Tokenizer:
    """256 bytes, the merges of " word" for every word, an empty token, 9 special tokens and 1501 timestamps.

    The empty token is what makes faster-whisper take the model for a multilingual one.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator([f" {word}" for word in WORDS] * 5 + [" -", " '"], trainer)
    state = json.loads(bpe.to_str())
    state["model"]["vocab"][""] = len(state["model"]["vocab"])
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True, normalized=False) for name in SPECIALS])
    tokenizer.add_tokens(
        [
            AddedToken(f"<|{i * SECONDS_PER_STAMP:.2f}|>", special=False, normalized=False)
            for i in range(TIMESTAMPS)
        ]
    )
    assert all(len(tokenizer.encode(f" {word}").ids) == 1 for word in WORDS)
    return tokenizer


class Tokens:
    """Ids of one tokenizer file; the file is built first where it is missing."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            build_tokenizer().save(str(path))
        tokenizer = Tokenizer.from_file(str(path))
        self.path = path
        self.ids: dict[str, int] = tokenizer.get_vocab()
        self.size: int = tokenizer.get_vocab_size()
        self.end = self.ids["<|endoftext|>"]
        self.start = self.ids["<|startoftranscript|>"]
        self.english = self.ids["<|en|>"]
        self.transcribe = self.ids["<|transcribe|>"]
        self.translate = self.ids["<|translate|>"]
        self.previous = self.ids["<|startofprev|>"]
        self.no_speech = self.ids["<|nospeech|>"]
        self.no_timestamps = self.ids["<|notimestamps|>"]
        self.zero = self.ids["<|0.00|>"]
        self.space = self.ids[SPACE]
        self.word = {word: self.ids[SPACE + word] for word in WORDS}

    def stamp(self, seconds: float) -> int:
        """Id of the timestamp token nearest to this time (0-30 s)."""
        return self.zero + min(TIMESTAMPS - 1, max(0, round(seconds / SECONDS_PER_STAMP)))

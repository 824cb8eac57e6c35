"""The tokenizer of fish-speech 1.1: one token for every byte, and seven control tokens."""

from pathlib import Path

from tokenizers import Tokenizer as BaseTokenizer
from tokenizers import decoders, models, pre_tokenizers, trainers

from deployments.errors import ModelUnavailable

FILE = "tokenizer.json"
CONTROL = (
    "<|begin_of_sequence|>", "<|end_of_sequence|>", "<|im_start|>", "<|im_sep|>", "<|im_end|>", "<|semantic|>",
    "<|pad|>",
)  # fmt: skip


class Tokenizer:
    """Text to token ids. ``begin``, ``end``, ``start``, ``separator``, ``stop``, ``semantic`` are ids of control
    tokens.
    """

    def __init__(self, tokenizer: BaseTokenizer) -> None:
        """Raises ValueError if a control token is missing."""
        ids = {name: number for name in CONTROL if (number := tokenizer.token_to_id(name)) is not None}
        if len(ids) < len(CONTROL):
            raise ValueError(f"it lacks the token {min(set(CONTROL) - ids.keys())}")
        self.begin, self.end, self.start, self.separator, self.stop, self.semantic, _ = ids.values()
        tokenizer.encode_special_tokens = True  # somebody who writes <|im_end|> means these letters
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder; without its file the one that the released models were made with.

    Raises ModelUnavailable.
    """
    path = folder / FILE
    if not path.is_file():
        return Tokenizer(released())
    try:
        return Tokenizer(BaseTokenizer.from_file(str(path)))
    except Exception as error:  # the library raises bare ones
        raise ModelUnavailable(f"{FILE} of the model cannot be used: {error}.") from error


def released() -> BaseTokenizer:
    """Bytes and control tokens without any merges, numbered as the library numbers them."""
    tokenizer = BaseTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        vocab_size=len(CONTROL) + 256,
        show_progress=False,
    )
    tokenizer.train_from_iterator([], trainer)
    return tokenizer

"""The tokenizer, which does not travel in the pickled module: checked, or built from its older files."""

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import BPE

from deployments.model_store import fetch_model
from deployments.text_classification.conversion.refusal import ConversionRefused

FILES = ("tokenizer.json", "vocab.json", "merges.txt")
SPECIAL = {"<s>": 0, "<pad>": 1, "</s>": 2}


def read_tokenizer(source: str, vocab_size: int) -> bytes:
    """The content of ``tokenizer.json`` of a model source; it is built if there are ``vocab.json`` and
    ``merges.txt`` only.

    Raises ModelUnavailable if the source cannot be had, ConversionRefused for a tokenizer that is not RoBERTa's
    or has tokens beyond the ``vocab_size`` rows of the embedding.
    """
    folder = fetch_model(source, patterns=FILES)
    content = _content(folder, source)
    try:
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises nothing narrower
        raise ConversionRefused(f"The tokenizer of {source} cannot be read: {error}.") from error
    for token, expected in SPECIAL.items():
        if tokenizer.token_to_id(token) != expected:
            raise ConversionRefused(
                f"The token {token} of {source} is {tokenizer.token_to_id(token)} instead of {expected}; "
                "the encoder was trained with RoBERTa's tokenizer."
            )
    ids = tokenizer.encode("a").ids
    if len(ids) < 2 or (ids[0], ids[-1]) != (SPECIAL["<s>"], SPECIAL["</s>"]):
        raise ConversionRefused(f"The tokenizer of {source} does not put texts between <s> and </s>.")
    largest = max(tokenizer.get_vocab().values())
    if largest >= vocab_size:
        raise ConversionRefused(
            f"The tokenizer of {source} has tokens up to {largest}, the model has {vocab_size} embeddings; "
            "they do not belong together."
        )
    return content


def _content(folder: Path, source: str) -> bytes:
    whole, vocabulary, merges = (folder / name for name in FILES)
    if whole.is_file():
        return whole.read_bytes()
    if not (vocabulary.is_file() and merges.is_file()):
        raise ConversionRefused(
            f"{source} has no {FILES[0]}, and not both of {FILES[1]} and {FILES[2]} from which to build it."
        )
    try:
        return _built(vocabulary, merges).to_str().encode()
    except Exception as error:  # the library raises nothing narrower
        raise ConversionRefused(f"{FILES[1]} and {FILES[2]} of {source} cannot be read: {error}.") from error


def _built(vocabulary: Path, merges: Path) -> Tokenizer:
    """RoBERTa's tokenizer: pairs of bytes as in GPT-2, and its own special tokens."""
    tokenizer = Tokenizer(BPE.from_file(str(vocabulary), str(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True, normalized=False) for token in (*SPECIAL, "<unk>")]
    special.append(AddedToken("<mask>", special=True, normalized=False, lstrip=True))
    tokenizer.add_special_tokens([token for token in special if tokenizer.token_to_id(token.content) is not None])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", SPECIAL["</s>"]), ("<s>", SPECIAL["<s>"]), trim_offsets=True, add_prefix_space=False
    )
    return tokenizer

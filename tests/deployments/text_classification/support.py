"""Small classifiers with random weights, made in the test."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from deployments.text_classification.checkpoint import CheckpointConfig, write_checkpoint
from deployments.text_classification.network import NetworkSize, TweetClassifier

LABELS = ("hate", "abusing", "neutral", "spam")
# Of probabilities: the shape of a batch chooses the kernel, and that the order in which products are added. Within
# one processor 7e-7 at most were seen with AVX-512, 1.3e-6 with AVX2, 1.0e-6 with neither, whatever the threads.
ROUNDING = 4e-6
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
SENTENCES = (
    "hello",
    "The green door and the small coffee.",
    "WIN a free phone!!! http://example.com/win?now=1 #winner @everyone",
    "I can't believe it's not raining again today, can you?",
    "ok",
    "They said that we would never make it, and yet here we are, all of us, after so many years of work.",
    "😀 good morning 🫠",
    "no",
    "A sentence of a middling length that has nothing special about it.",
)


def byte_tokenizer() -> Tokenizer:
    """RoBERTa's kind of tokenizer without a single merge: a token is a byte."""
    vocabulary = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(vocabulary)}, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def size(**changes: int) -> NetworkSize:
    """A small network for ``byte_tokenizer``; its longest input is 128 tokens."""
    return NetworkSize(
        **{
            "labels": 4,
            "vocab_size": 261,
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "max_position_embeddings": 130,
            "head_size": 32,
            **changes,
        }
    )


def random_network(shape: NetworkSize, seed: int = 0) -> TweetClassifier:
    """Weights large enough for answers to differ from text to text."""
    torch.manual_seed(seed)
    network = TweetClassifier(shape)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "LayerNorm" not in name:
                parameter.normal_(0, 0.3)
    return network.eval()


def random_checkpoint(folder: Path, labels: tuple[str, ...] = LABELS) -> CheckpointConfig:
    """One of our own model folders."""
    shape = size(labels=len(labels))
    sizes = {name: getattr(shape, name) for name in NetworkSize.__dataclass_fields__ if name != "labels"}
    config = CheckpointConfig(labels=labels, **sizes)
    return write_checkpoint(folder, config, random_network(shape).state_dict(), byte_tokenizer().to_str().encode())

"""A checkpoint becomes the folder that faster-whisper loads: Hugging Face's layout first, then CTranslate2's."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import ctranslate2
import torch
from torch import nn
from transformers import GenerationConfig, WhisperFeatureExtractor

from .augment import MELS
from .checkpoint import load_checkpoint
from .network import ALIGNMENT_HEADS, WIDTH, build_network
from .tokens import Tokens
from .vocabulary import WORDS

#: Length of a window in seconds: what faster-whisper cuts files into.
CHUNK_S = 10


def export(checkpoint: Path, tokens: Tokens, folder: Path, quantization: str = "int8") -> None:
    """Write the model folder (replaced if it exists)."""
    network = build_network(tokens)
    load_checkpoint(checkpoint, network, nn.Linear(WIDTH, len(WORDS) + 1))
    write_model(network, tokens, folder, quantization)


@torch.no_grad()
def write_model(network: Any, tokens: Tokens, folder: Path, quantization: str = "int8") -> None:
    """Write ``network`` with its tokenizer and feature settings."""
    network.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokens.end,
        eos_token_id=tokens.end,
        pad_token_id=tokens.end,
        decoder_start_token_id=tokens.start,
        max_length=448,
        suppress_tokens=[],
        begin_suppress_tokens=[tokens.space],  # not the end token: silence may give an empty text
        lang_to_id={"<|en|>": tokens.english},
        task_to_id={"transcribe": tokens.transcribe, "translate": tokens.translate},
        no_timestamps_token_id=tokens.no_timestamps,
        is_multilingual=True,
        alignment_heads=ALIGNMENT_HEADS,
    )
    end = "<|endoftext|>"
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end,
        "eos_token": end,
        "unk_token": end,
        "model_max_length": 448,
    }
    with tempfile.TemporaryDirectory() as hugging_face:
        network.save_pretrained(hugging_face)
        features = WhisperFeatureExtractor(feature_size=MELS, chunk_length=CHUNK_S)  # type: ignore[no-untyped-call]
        features.save_pretrained(hugging_face)
        shutil.copy(tokens.path, Path(hugging_face, "tokenizer.json"))
        Path(hugging_face, "tokenizer_config.json").write_text(json.dumps(settings))
        converter = ctranslate2.converters.TransformersConverter(
            hugging_face, copy_files=["tokenizer.json", "preprocessor_config.json"]
        )
        converter.convert(str(folder), quantization=quantization, force=True)

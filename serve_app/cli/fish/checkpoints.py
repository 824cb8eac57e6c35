"""Checkpoints named by a path: a folder as it was downloaded, or one file of it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from deployments.errors import InvalidRequest
from deployments.fish_speech.codec.codec import Codec, Condition
from deployments.fish_speech.language_model.dual_ar import DualAR
from deployments.fish_speech.language_model.frame_rules import FrameRules
from deployments.fish_speech.loading import FIREFLY, VITS, VOCODER, VQGAN
from deployments.fish_speech.prompts import Prompts
from deployments.fish_speech.segment_limits import SegmentLimits, limits_of
from deployments.fish_speech.text.signs import Cleaner, clean_v11, clean_v15
from deployments.fish_speech.v11 import checkpoint as v11
from deployments.fish_speech.v11.prompt import PromptsV11
from deployments.fish_speech.v11.tokenizer import load_tokenizer
from deployments.fish_speech.v11.vits import VITSCodec, load_vits
from deployments.fish_speech.v11.vqgan import load_vqgan
from deployments.fish_speech.v15 import checkpoint as v15
from deployments.fish_speech.v15.firefly import load_firefly
from deployments.fish_speech.v15.prompt import PromptsV15
from deployments.fish_speech.v15.tokenizer import RANKS, Tokenizer
from serve_app.cli.fish.recode import read_sound

Device = torch.device
CODECS = {"firefly_gan_vq": FIREFLY, "vits_decoder_finetune": VITS, "vqgan_pretrain": VQGAN}
"""Files by the original's names of configurations, in the order in which a folder is searched."""


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """What draws frames, text tokens apart. ``clean`` makes a text what it reads; ``repetition_penalty`` and
    ``chunk_length`` are the original's defaults, ``history`` as for ``SegmentLimits``.
    """

    network: DualAR
    rules: FrameRules
    prompts: Prompts
    clean: Cleaner
    repetition_penalty: float
    chunk_length: int
    history: int | None


def find_codec(path: Path, config_name: str | None, device: Device) -> Codec:
    """The codec in a file or a folder. Raises InvalidRequest for a path that leads to none, ModelUnavailable."""
    patterns = list(CODECS.values()) if config_name is None else [CODECS[config_name]]
    if path.is_dir():
        files = [(file, pattern) for pattern in patterns for file in sorted(path.glob(pattern))]
    else:
        matching = [pattern for pattern in patterns if path.match(pattern)]
        files = [(path, pattern) for pattern in matching or (patterns if config_name else [])]
    if not files:
        raise InvalidRequest(
            f"{path} is no codec of fish-speech: its name is none of {', '.join(patterns)}. Name another file, or "
            f"say by --config-name what it is."
        )
    file, pattern = files[0]
    if pattern == FIREFLY:
        return load_firefly(file, device)
    if pattern == VITS:
        return load_vits(file, device)
    vocoders = sorted(file.parent.glob(VOCODER))
    if not vocoders:
        raise InvalidRequest(f"There is no vocoder {VOCODER} beside {file}, and a VQGAN needs it.")
    return load_vqgan(file, vocoders[0], device)


def find_language_model(
    path: Path, tokenizer: Path | None, config_name: str | None, device: Device, dtype: torch.dtype
) -> LanguageModel:
    """The language model in a folder of 1.5 or 1.1, or in a file of 1.1.

    ``tokenizer`` is the folder of another tokenizer, ``config_name`` the original's name of a size; both only for
    1.1. Raises ModelUnavailable for a path that leads to no model, and for a damaged one.
    """
    if (path / RANKS).is_file():
        ranks = Tokenizer(path)
        network = v15.load_network(path, ranks, dtype=dtype, device=device)
        rules = v15.frame_rules(network.config, ranks, speech_only=True)
        prompts: Prompts = PromptsV15(ranks, rules.num_codebooks, rules.codebook_size)
        return LanguageModel(network, rules, prompts, clean_v15, 1.2, 100, _history(path))
    file = v11.weights_file(path)
    letters = load_tokenizer(tokenizer or file.parent)
    network = v11.load_network(file, name=config_name, dtype=dtype, device=device)
    rules = v11.frame_rules(network.config, letters, speech_only=True)
    prompts = PromptsV11(letters, rules.num_codebooks, rules.codebook_size)
    return LanguageModel(network, rules, prompts, clean_v11, 1.5, 150, _history(file.parent))


def _history(folder: Path) -> int | None:
    return limits_of(folder, SegmentLimits()).history


def condition_of(
    codec: Codec, checkpoint: Path, seed: int, *, text: str, reference: Path | None, tokenizer: Path | None
) -> Condition:
    """What codes are decoded with: VITS wants to know what they say, and in whose voice.

    Raises InvalidRequest for a recording that another decoder has no use for, UndecodableAudio.
    """
    if not isinstance(codec, VITSCodec):
        if reference is not None:
            raise InvalidRequest("Only a VITS decoder takes a recording of the voice; leave --reference-path out.")
        return Condition(seed)
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    ids = load_tokenizer(tokenizer or folder).encode(clean_v11(text))
    speaker = None
    if reference is not None:
        sound = torch.from_numpy(read_sound(reference, codec.sample_rate))
        try:
            speaker = codec.speaker_embedding(sound)
        except ValueError as error:
            raise InvalidRequest(str(error)) from error
    return Condition(seed, torch.tensor(ids, dtype=torch.int64), speaker)

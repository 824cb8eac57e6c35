"""A loaded speech model: text to prompts, prompts to frames, frames to sound, recordings to codes. No Ray."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deployments.errors import InvalidRequest, ModelUnavailable
from deployments.fish_speech.codec.codec import Codec, Condition
from deployments.fish_speech.config import FishSpeechConfig
from deployments.fish_speech.language_model.batcher import Frames, SpeechSegment
from deployments.fish_speech.language_model.rows import FrameRows
from deployments.fish_speech.loading import SpeechModel, load_model
from deployments.fish_speech.segment_limits import limits_of
from deployments.fish_speech.v11.vits import VITSCodec
from deployments.fish_speech.voices.new_voice import AudioFile
from deployments.fish_speech.voices.reference_codes import ReferenceCodes
from deployments.process import reuse_freed_memory
from deployments.torch_device import choose_device, choose_dtype

MOST_CONTEXT = 4_096
WARM_UP_FRAMES = 4


@dataclass(frozen=True, slots=True, eq=False)
class EncodedReference:
    """A recording as a model hears it: its transcript and its codes, int32 of shape (codebooks, frames)."""

    text: str
    codes: NDArray[np.int32]
    audio: AudioFile


@dataclass(frozen=True, slots=True, eq=False)
class EncodeJob:
    """Float32 samples of shape (any,) whose codes are wanted."""

    samples: NDArray[np.float32]

    @property
    def key(self) -> object:
        """Recordings are encoded one at a time."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class DecodeJob:
    """Codes of shape (codebooks, frames) whose sound is wanted, but for that of the first ``context`` frames."""

    codes: NDArray[np.int32]
    condition: Condition
    context: int = 0

    @property
    def key(self) -> object:
        """Codes of one length may be decoded together."""
        return self.codes.shape[1], self.context


class FishSpeechEngine:
    """Load, prepare, run, close. ``frames`` belongs to the thread of its scheduler; all else may be called from
    several threads at once.
    """

    def __init__(self, folder: Path, config: FishSpeechConfig) -> None:
        """Load a folder of fish-speech 1.5 or 1.1. Raises ModelUnavailable if it is neither, or damaged."""
        settings = config.engine
        self.limits = limits_of(folder, config.segments)
        device = choose_device(settings.device)
        if device.type == "cpu":
            reuse_freed_memory()
        self.on_gpu = device.type == "cuda"
        torch.backends.cudnn.allow_tf32 = False  # its short mantissa changes the codes of recordings
        self._threads = settings.threads
        self._strict = settings.strict_upstream
        model = load_model(
            folder,
            decoder=config.decoder,
            device=device,
            dtype=choose_dtype(settings.dtype, device),
            speech_tokens_only=settings.speech_tokens_only,
        )
        self._model: SpeechModel = model
        self.codec: Codec = model.codec
        self.prompts = model.prompts
        longest = model.network.config.max_seq_len
        if settings.context is not None and settings.context > longest:
            raise ModelUnavailable(f"engine.context is {settings.context}, but the model looks back {longest}.")
        self.context = settings.context or min(longest, MOST_CONTEXT)
        self.frames = FrameRows(
            model.network,
            model.rules,
            slots=settings.slots,
            context=self.context,
            most_openings=settings.prefix_cache,
            threads=settings.threads,
        )
        self._records = self.on_gpu and settings.graphs == "auto"
        self.recordings = ReferenceCodes(
            self._hear, self.codec.sample_rate, config.cached_references, config.max_reference_s
        )

    def clean(self, text: str) -> str:
        """A plain text as the model reads it."""
        return self._model.clean(text)

    def most_frames(self, piece: str) -> int:
        """How many frames a segment's speech can take; more have gone astray."""
        return math.ceil(self.limits.longest_s(piece) * self.codec.sample_rate / self.codec.frame_samples)

    def references(self, recordings: Sequence[tuple[str, AudioFile]]) -> tuple[EncodedReference, ...]:
        """Transcripts with what the model hears in their audio files. Raises errors of the recordings."""
        heard = self.recordings.codes(recordings)
        return tuple(
            EncodedReference(text, codes, audio)
            for (text, codes), (_, audio) in zip(heard, recordings, strict=True)
        )

    def condition(self, seed: int, text: str, references: Sequence[EncodedReference]) -> Condition:
        """What a segment's codes are decoded with."""
        if not isinstance(self.codec, VITSCodec):
            return Condition(seed)
        speaker: Tensor | None = None
        if references:
            samples = torch.from_numpy(self.recordings.decoded(references[0].audio))
            speaker = self.codec.speaker_embedding(samples)
        return Condition(seed, torch.from_numpy(self.prompts.text_ids(text)), speaker)

    def codes(self, chunk: Frames, *, first: bool) -> NDArray[np.int32]:
        """The codes (codebooks, frames) to be heard of a segment's next frames."""
        return self._model.heard(
            chunk.columns, first=first, ended=chunk.end == "spoken", last=bool(chunk.end), strict=self._strict
        )

    def checked_codes(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Codes from outside. Raises InvalidRequest unless they are (codebooks, frames) of the codec's entries."""
        if codes.ndim != 2 or codes.shape[0] != self.codec.codebooks or not codes.shape[1]:
            raise InvalidRequest(
                f"Codes have to be {self.codec.codebooks} rows of one length, not of shape {codes.shape}.",
                param="tokens",
            )
        if codes.min() < 0 or codes.max() >= self.codec.codebook_entries:
            raise InvalidRequest(
                f"Codes have to be 0 to {self.codec.codebook_entries - 1}; there is one of "
                f"{int(codes.min() if codes.min() < 0 else codes.max())}.",
                param="tokens",
            )
        return codes

    def run(self, jobs: Sequence[DecodeJob | EncodeJob]) -> list[NDArray[np.float32] | NDArray[np.int32]]:
        """Sound of codes of one length, or the codes of one recording."""
        torch.set_num_threads(self._threads)  # of the calling thread only, since OpenMP counts so
        first = jobs[0]
        if isinstance(first, EncodeJob):
            return [self.codec.encode(torch.from_numpy(first.samples)).cpu().numpy()]
        decodes = [job for job in jobs if isinstance(job, DecodeJob)]
        codes = torch.from_numpy(np.stack([job.codes for job in decodes]))
        conditions = [job.condition for job in decodes]
        return list(self.codec.decode(codes, conditions, context=decodes[0].context).cpu().numpy())

    def warm_up(self, on_progress: Callable[[float], None] = lambda _: None) -> None:
        """Speak a word, and record the graphs of a GPU. Raises ModelUnavailable if no numbers come out."""
        if self._records:
            self.frames.record(on_progress)
        opening, word = self.prompts.opening([]), self.prompts.segment("Hello world.", None)
        self.frames.stage(SpeechSegment(opening, word, seed=0, first_frame=0, most_frames=WARM_UP_FRAMES))
        while not self.frames.prefill():
            pass
        columns = [self.frames.place(0)[0]]
        columns += [self.frames.step(1)[0][0] for _ in range(WARM_UP_FRAMES - 1)]
        codes = self._model.heard(np.stack(columns, axis=1), first=True, ended=False, last=True, strict=False)
        (sound,) = self.run([DecodeJob(codes, self.condition(0, "Hello world.", ()))])
        if not np.isfinite(sound).all() or not self.frames.finite:
            raise ModelUnavailable("The model computes no numbers; its weights may be damaged.")

    def close(self) -> None:
        """Free the weights."""
        del self._model, self.codec, self.frames
        if self.on_gpu:
            torch.cuda.empty_cache()

    def _hear(self, samples: NDArray[np.float32]) -> NDArray[np.int32]:
        (codes,) = self.run([EncodeJob(samples)])
        return codes.astype(np.int32, copy=False)

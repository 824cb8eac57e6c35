"""A loaded Whisper model and the four things it can do with a batch of windows. No Ray, no queue, no audio files.

CTranslate2 runs the model; faster-whisper supplies the mel spectrogram, the tokenizer's rules and the word
alignment. The architecture is Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer
from numpy.typing import NDArray

from deployments.errors import ModelUnavailable
from deployments.process import reuse_freed_memory
from deployments.whisper.config import WhisperEngineConfig
from deployments.whisper.cuda import preload_cublas
from deployments.whisper.engine_jobs import (
    AlignWords,
    Detect,
    EngineJob,
    Generate,
    Generated,
    Sampling,
    Score,
    Window,
)
from deployments.whisper.types import Task

HOP = 160  # samples per mel frame
ENCODER_FRAMES = 3000  # mel frames that the encoder takes: 30 s, of which a model's window may fill less
TIME_PRECISION = 0.02  # seconds per timestamp token
MAX_TOKENS = 448  # decoder positions
MOST_ALIGNED = MAX_TOKENS - 6  # text tokens; the rest is for the start sequence and the end


class WhisperEngine:
    """Load, warm up, run batches, close. ``run`` may be called from as many threads as there are workers."""

    def __init__(self, folder: Path, config: WhisperEngineConfig) -> None:
        """Load a CTranslate2 Whisper folder. Raises ModelUnavailable if it is not one."""
        missing = [f for f in ("model.bin", "config.json", "tokenizer.json") if not (folder / f).is_file()]
        if missing:
            raise ModelUnavailable(f"The model folder lacks {', '.join(missing)}.")
        reuse_freed_memory()
        if config.device != "cpu":
            preload_cublas()
        try:
            self._whisper: Any = WhisperModel(
                str(folder),
                device=config.device,
                device_index=config.device_index,
                compute_type=config.compute_type,
                cpu_threads=config.threads,
                num_workers=config.workers,
                local_files_only=True,
                flash_attention=config.flash_attention,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelUnavailable("The model could not be loaded. The log has the details.") from error
        self._model: Any = self._whisper.model
        self.config = config
        self.window_samples: int = self._whisper.feature_extractor.n_samples
        self._tokenizers: dict[tuple[Task, str], Tokenizer] = {}

    @property
    def multilingual(self) -> bool:
        """Whether the model knows language and task tokens."""
        return bool(self._model.is_multilingual)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that the model has a token for."""
        if not self.multilingual:
            return ("en",)
        token = self._whisper.hf_tokenizer.token_to_id
        return tuple(sorted(code for code in _LANGUAGE_CODES if token(f"<|{code}|>") is not None))

    @cached_property
    def vocabulary_size(self) -> int:
        """Number of token ids, timestamps included."""
        return int(self._whisper.hf_tokenizer.get_vocab_size())

    def tokenizer(self, task: Task, language: str) -> Tokenizer:
        """Tokenizer for a task and one of the model's languages, made once."""
        key = (task, language)
        if key not in self._tokenizers:
            tokens = self._whisper.hf_tokenizer
            self._tokenizers[key] = Tokenizer(tokens, self.multilingual, task=task, language=language)
        return self._tokenizers[key]

    def prompt(self, tokenizer: Tokenizer, previous: Sequence[int], **options: Any) -> list[int]:
        """Prompt tokens: previous text and hotwords, start, language, task, prefix."""
        tokens: list[int] = self._whisper.get_prompt(tokenizer, list(previous), **options)
        return tokens

    def features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mel spectrogram of at most one window: float32 (mels, samples // 160)."""
        mel: NDArray[np.float32] = self._whisper.feature_extractor(samples)
        return mel[:, : len(samples) // HOP]

    def warm_up(self, on_progress: Callable[[float], None] = lambda _: None) -> None:
        """Run every operation once, so that the first request does not pay for it."""
        silence = np.zeros((self._model.n_mels, ENCODER_FRAMES), np.float32)
        if self.multilingual:
            self.run([Detect(Window(silence))])
        tokenizer = self.tokenizer("transcribe", self.languages[0])
        prompt = tuple(self.prompt(tokenizer, []))
        sampling = Sampling(0.0, 5, 5, 1.0, 1.0, 1.0, 0, len(prompt) + 8, True, (), 50)
        for size in {1, self.config.max_batch_windows}:
            self.run([Generate(Window(silence), prompt, 0, True, sampling) for _ in range(size)])
        self.run([Score(Window(silence), tokenizer, tokenizer.encode(" a"))])

    def run(self, jobs: Sequence[EngineJob]) -> list[Any]:
        """Run jobs of one key as one batch; one result per job, as the job's class says."""
        match jobs[0]:
            case Detect():
                return self._detect(jobs)
            case Generate():
                return self._generate(jobs)
            case AlignWords():
                for job in jobs:
                    self._align(job)
                return [None] * len(jobs)
            case Score():
                return [self._score(job) for job in jobs if isinstance(job, Score)]

    def close(self) -> None:
        """Free the weights."""
        self._model.unload_model()

    def _encode(self, windows: Sequence[Window]) -> Any:
        """Encoder output of the windows as one CTranslate2 view; computed where it is not kept already."""
        fresh = [window for window in windows if window.encoding is None]
        if fresh:
            mel = np.zeros((len(fresh), fresh[0].features.shape[0], ENCODER_FRAMES), np.float32)
            for row, window in zip(mel, fresh, strict=True):
                row[:, : window.frames] = window.features[:, :ENCODER_FRAMES]
            keep = any(window.keep for window in fresh)
            shared = len(self._model.device_index) > 1  # another device may decode it
            view = self._model.encode(ctranslate2.StorageView.from_array(mel), to_cpu=keep or shared)
            if keep:
                rows = _as_array(view)
                for row, window in zip(rows, fresh, strict=True):
                    window.encoding = row.copy() if window.keep else None
            if len(fresh) == len(windows):
                return view
        encodings = [window.encoding for window in windows]
        if any(encoding is None for encoding in encodings):  # a batch mixes kept and unkept windows
            return self._encode([Window(window.features) for window in windows])
        return ctranslate2.StorageView.from_array(np.stack([e for e in encodings if e is not None]))

    def _detect(self, jobs: Sequence[EngineJob]) -> list[dict[str, float]]:
        detected = self._model.detect_language(self._encode([job.window for job in jobs]))
        return [{token[2:-2]: float(probability) for token, probability in row} for row in detected]

    def _generate(self, jobs: Sequence[EngineJob]) -> list[Generated]:
        batch = [job for job in jobs if isinstance(job, Generate)]
        sampling = batch[0].sampling
        sampled = sampling.temperature > 0
        results = self._model.generate(
            self._encode([job.window for job in batch]),
            [list(job.prompt) for job in batch],
            beam_size=1 if sampled else sampling.beam_size,
            patience=1 if sampled else sampling.patience,
            num_hypotheses=sampling.best_of if sampled else 1,
            sampling_topk=0 if sampled else 1,
            sampling_temperature=sampling.temperature if sampled else 1.0,
            length_penalty=sampling.length_penalty,
            repetition_penalty=sampling.repetition_penalty,
            no_repeat_ngram_size=sampling.no_repeat_ngram_size,
            max_length=sampling.max_length,
            suppress_blank=sampling.suppress_blank,
            suppress_tokens=list(sampling.suppress_tokens),
            max_initial_timestamp_index=sampling.max_initial_timestamp_index,
            return_scores=True,
            return_no_speech_prob=True,
        )
        generated = []
        for result in results:
            tokens = list(result.sequences_ids[0])
            total = result.scores[0] * max(1, len(tokens)) ** sampling.length_penalty
            generated.append(Generated(tokens, total / (len(tokens) + 1), result.no_speech_prob))
        return generated

    def _align(self, job: Any) -> None:
        if sum(len(segment["tokens"]) for segment in job.segments) > MOST_ALIGNED:
            return  # a runaway window: more tokens than the alignment has positions for
        self._whisper.add_word_timestamps(
            [job.segments],
            job.tokenizer,
            self._encode([job.window]),
            job.window.frames,
            *job.punctuations,
            last_speech_timestamp=job.last_speech,
        )

    def _score(self, job: Score) -> list[float]:
        if not job.tokens:
            return []
        tokens = job.tokens[:MOST_ALIGNED]
        result = self._model.align(
            self._encode([job.window]), job.tokenizer.sot_sequence, [tokens], job.window.frames
        )[0]
        return [float(p) for p in result.text_token_probs[: len(tokens)]]


def _as_array(view: Any) -> NDArray[Any]:
    """The view's rows as numpy, which knows no bfloat16."""
    if view.dtype == ctranslate2.DataType.bfloat16:
        view = view.to(ctranslate2.DataType.float32)
    return np.asarray(view)

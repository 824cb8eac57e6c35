"""Temperature fallback: decode a window again at a higher temperature while it is repetitive or improbable.

Rules and thresholds are those of Radford et al. (2022), section 4.5, with faster-whisper's names and defaults.
"""

import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from deployments.errors import InvalidRequest
from deployments.whisper.engine import MAX_TOKENS, TIME_PRECISION, WhisperEngine
from deployments.whisper.engine_jobs import EngineJob, Generate, Generated, Sampling, Window
from deployments.whisper.types import DecodingOptions

Run = Callable[[EngineJob], Awaitable[Any]]
LEAST_NEW_TOKENS = 32  # places that a prompt must leave


@dataclass(frozen=True, slots=True)
class DecodeAttempt:
    """A window decoded at one temperature."""

    result: Generated
    temperature: float
    compression_ratio: float


class TemperatureFallback:
    """Decodes windows with one request's options."""

    def __init__(self, engine: WhisperEngine, options: DecodingOptions, tokenizer: Tokenizer) -> None:
        self._engine, self._options = engine, options
        self._suppressed: tuple[int, ...] = ()
        if options.suppress_tokens:
            _check_tokens(options.suppress_tokens, engine.vocabulary_size)
            self._suppressed = tuple(get_suppressed_tokens(tokenizer, list(options.suppress_tokens)))

    async def decode(
        self, window: Window, tokenizer: Tokenizer, previous: Sequence[int], prefix: str | None, run: Run
    ) -> DecodeAttempt:
        """The first attempt that is good enough, else the most probable one of the less repetitive.

        Raises InvalidRequest if prompt and ``max_new_tokens`` exceed the model's 448 positions.
        """
        options = self._options
        prompt = self._prompt(tokenizer, previous, prefix)
        longest = MAX_TOKENS if options.max_new_tokens is None else len(prompt) + options.max_new_tokens
        if longest > MAX_TOKENS:
            raise InvalidRequest(
                f"The prompt has {len(prompt)} tokens; with max_new_tokens {options.max_new_tokens} that is "
                f"more than the model's {MAX_TOKENS}. Shorten one of the two.",
                param="max_new_tokens",
            )
        attempts: list[DecodeAttempt] = []
        for temperature in options.temperatures:
            sampling = self._sampling(temperature, longest)
            start = prompt.index(tokenizer.sot)
            result: Generated = await run(
                Generate(window, tuple(prompt), start, not options.without_timestamps, sampling)
            )
            text = tokenizer.decode(result.tokens).strip()
            attempts.append(DecodeAttempt(result, temperature, compression_ratio(text)))
            if not self._falls_back(attempts[-1]):
                return attempts[-1]
        limit = options.compression_ratio_threshold
        fine = [a for a in attempts if limit is None or a.compression_ratio <= limit]
        best = max(fine or attempts, key=lambda attempt: attempt.result.avg_logprob)
        return DecodeAttempt(best.result, attempts[-1].temperature, best.compression_ratio)

    def _prompt(self, tokenizer: Tokenizer, previous: Sequence[int], prefix: str | None) -> list[int]:
        """Prompt tokens; previous text gives way, oldest first, where hotwords and prefix leave too few places."""

        def built(previous: Sequence[int]) -> list[int]:
            return self._engine.prompt(
                tokenizer,
                previous,
                without_timestamps=self._options.without_timestamps,
                prefix=prefix,
                hotwords=self._options.hotwords,
            )

        previous = previous[-(MAX_TOKENS // 2 - 1) :]
        prompt = built(previous)
        excess = len(prompt) + LEAST_NEW_TOKENS - MAX_TOKENS
        if excess > 0:
            prompt = built(previous[excess:])
        if len(prompt) + LEAST_NEW_TOKENS > MAX_TOKENS:
            raise InvalidRequest(
                f"Hotwords and prefix take {len(prompt)} of the model's {MAX_TOKENS} tokens and leave no room for "
                "text. Shorten one of the two.",
                param="hotwords",
            )
        return prompt

    def is_silence(self, result: Generated) -> bool:
        """Whether the window is taken to hold no speech, whatever was decoded."""
        options = self._options
        if options.no_speech_threshold is None or result.no_speech_prob <= options.no_speech_threshold:
            return False
        return options.log_prob_threshold is None or result.avg_logprob <= options.log_prob_threshold

    def _falls_back(self, attempt: DecodeAttempt) -> bool:
        options, result = self._options, attempt.result
        improbable = options.log_prob_threshold is not None and result.avg_logprob < options.log_prob_threshold
        silent = options.no_speech_threshold is not None and result.no_speech_prob > options.no_speech_threshold
        if improbable and silent:
            return False
        limit = options.compression_ratio_threshold
        return improbable or (limit is not None and attempt.compression_ratio > limit)

    def _sampling(self, temperature: float, longest: int) -> Sampling:
        options = self._options
        sampled = temperature > 0
        return Sampling(
            temperature=temperature,
            beam_size=1 if sampled else options.beam_size,
            best_of=options.best_of if sampled else 1,
            patience=1.0 if sampled else options.patience,
            length_penalty=options.length_penalty,
            repetition_penalty=options.repetition_penalty,
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            max_length=longest,
            suppress_blank=options.suppress_blank,
            suppress_tokens=self._suppressed,
            max_initial_timestamp_index=round(options.max_initial_timestamp / TIME_PRECISION),
        )


def _check_tokens(tokens: Sequence[int], vocabulary_size: int) -> None:
    """CTranslate2 writes to where a token id points without looking."""
    for token in tokens:
        if token != -1 and not 0 <= token < vocabulary_size:
            raise InvalidRequest(
                f"suppress_tokens holds {token}; token ids of this model go from 0 to {vocabulary_size - 1}, "
                "and -1 stands for symbols that are not spoken.",
                param="suppress_tokens",
            )


def compression_ratio(text: str) -> float:
    """Bytes of the text per byte of its zlib form; high for repetitions."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))

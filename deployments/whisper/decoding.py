"""Decodes a span of audio window after window, until it is used up."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from faster_whisper.tokenizer import Tokenizer

from deployments.whisper.cuts.spans import Span
from deployments.whisper.cuts.timeline import Clock
from deployments.whisper.engine import HOP, WhisperEngine
from deployments.whisper.engine_jobs import AlignWords, Detect, Score, Window
from deployments.whisper.fallback import Run, TemperatureFallback
from deployments.whisper.timestamps import (
    SHORTEST_WINDOW,
    Piece,
    split_at_seams,
    split_at_timestamps,
    token_bytes,
)
from deployments.whisper.types import DecodingOptions, Segment, Task, TokenLogprob, Word
from media.decode import SAMPLE_RATE

Offload = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class Context:
    """What one window leaves to the next: the text so far, and where words last ended (seconds of the span)."""

    tokens: list[int] = field(default_factory=list)
    prompt_from: int = 0
    last_speech: float = 0.0

    @property
    def prompt(self) -> list[int]:
        """Tokens that the next window is to continue."""
        return self.tokens[self.prompt_from :]


class SpanDecoder:
    """Decodes spans of one request. ``run`` puts a job through the scheduler, ``offload`` runs blocking code."""

    def __init__(
        self,
        engine: WhisperEngine,
        options: DecodingOptions,
        task: Task,
        language: str,
        run: Run,
        offload: Offload,
        languages: Sequence[str] = (),
    ) -> None:
        """``languages`` are those that a window may be in, if each is to be detected; all by default."""
        self._engine, self._options, self._task, self._language = engine, options, task, language
        self._languages = languages or engine.languages
        self._run, self._offload = run, offload
        self._tokenizer: Tokenizer = engine.tokenizer(task, language)
        self._fallback = TemperatureFallback(engine, options, self._tokenizer)
        self._keep = options.word_timestamps or options.token_logprobs or len(options.temperatures) > 1

    def first_context(self) -> Context:
        """A context that holds the client's initial prompt."""
        prompt = self._options.initial_prompt
        return Context(self._tokenizer.encode(" " + prompt.strip()) if prompt else [])

    async def decode(
        self, span: Span, context: Context, first: Window | None = None, *, opening: bool = False
    ) -> AsyncGenerator[tuple[list[Segment], float]]:
        """Segments of each window of a span and where the window ended, in times of the original audio.

        ``first`` is the span's first window, if it is known already. The ``opening`` span begins the audio, and
        its first window with the client's prefix.
        """
        seek = 0  # frames of the span
        clock = Clock(span.timeline)
        context.last_speech = 0.0
        while True:
            window = first if seek == 0 else None
            if window is None:
                window = await self._offload(load_window, self._engine, span, seek, self._keep)
            if window is None:
                return
            prefix = self._options.prefix if opening and seek == 0 else None
            segments, seek = await self._decode_window(span, clock, window, seek, context, prefix)
            yield segments, span.timeline.original(seek * HOP / SAMPLE_RATE)

    async def _decode_window(
        self, span: Span, clock: Clock, window: Window, seek: int, context: Context, prefix: str | None
    ) -> tuple[list[Segment], int]:
        """Segments of one window and the frame at which the next one begins."""
        options, tokenizer, language = self._options, self._tokenizer, self._language
        if options.multilingual and self._engine.multilingual:
            probabilities: dict[str, float] = await self._run(Detect(window))
            language = max(self._languages, key=lambda code: probabilities.get(code, 0.0))
            tokenizer = self._engine.tokenizer(self._task, language)
        attempt = await self._fallback.decode(window, tokenizer, context.prompt, prefix, self._run)
        if self._fallback.is_silence(attempt.result):
            return [], seek + window.frames
        split = split_at_timestamps(attempt.result.tokens, tokenizer, seek, window.frames, span.closed)
        spoken = [span.timeline.spoken_in(piece.start, piece.end) for piece in split.pieces]
        next_seek = split.next_seek
        if options.word_timestamps or any(len(stretches) > 1 for stretches in spoken):
            last_end = await self._align(window, tokenizer, split.pieces, seek, context)
            if options.word_timestamps and last_end is not None and not span.closed and not split.complete:
                next_seek = max(round(last_end * SAMPLE_RATE / HOP), seek + SHORTEST_WINDOW)
        placed = [
            part
            for piece, stretches in zip(split.pieces, spoken, strict=True)
            for part in split_at_seams(piece, stretches, span.timeline, tokenizer)
        ]
        segments = []
        logprobs = await self._logprobs(window, tokenizer, [piece for piece, _ in placed])
        at = round(span.timeline.original(seek * HOP / SAMPLE_RATE) * SAMPLE_RATE / HOP)
        for (piece, stretch), row in zip(placed, logprobs, strict=True):
            text = tokenizer.decode(piece.tokens)
            if piece.start == piece.end or not text.strip():
                continue
            context.tokens += piece.tokens
            words = _words(piece, stretch, clock) if options.word_timestamps else ()
            start, end = (words[0].start, words[-1].end) if words else clock.times(stretch, piece.start, piece.end)
            segments.append(
                Segment(
                    id=0,
                    seek=at,
                    start=start,
                    end=end,
                    text=text,
                    tokens=tuple(piece.tokens),
                    temperature=attempt.temperature,
                    avg_logprob=attempt.result.avg_logprob,
                    compression_ratio=attempt.compression_ratio,
                    no_speech_prob=attempt.result.no_speech_prob,
                    language=language,
                    words=words,
                    token_logprobs=row,
                )
            )
        if not options.condition_on_previous_text or attempt.temperature > options.prompt_reset_on_temperature:
            context.prompt_from = len(context.tokens)
        return segments, next_seek

    async def _align(
        self, window: Window, tokenizer: Tokenizer, pieces: list[Piece], seek: int, context: Context
    ) -> float | None:
        """Find each piece's words, which also correct its times if words are asked for. Where the last word ends,
        if after ``seek``.
        """
        rows: list[dict[str, Any]] = [
            {"seek": seek, "start": piece.start, "end": piece.end, "tokens": piece.tokens} for piece in pieces
        ]
        punctuations = (self._options.prepend_punctuations, self._options.append_punctuations)
        await self._run(AlignWords(window, tokenizer, rows, punctuations, context.last_speech))
        last_end = None
        for piece, row in zip(pieces, rows, strict=True):
            piece.words = row.get("words", [])
            if self._options.word_timestamps:
                piece.start, piece.end = float(row["start"]), float(row["end"])
            if piece.words:
                last_end = context.last_speech = float(piece.words[-1]["end"])
        return last_end if last_end is not None and last_end > seek * HOP / SAMPLE_RATE else None

    async def _logprobs(
        self, window: Window, tokenizer: Tokenizer, pieces: list[Piece]
    ) -> list[tuple[TokenLogprob, ...]]:
        """Log-probabilities of each piece's text tokens, each given all of the window's text before it."""
        if not self._options.token_logprobs:
            return [() for _ in pieces]
        texts = [[token for token in piece.tokens if token < tokenizer.eot] for piece in pieces]
        scores = iter(await self._run(Score(window, tokenizer, [token for text in texts for token in text])))
        return [tuple(_logprob(tokenizer, *pair) for pair in zip(text, scores, strict=False)) for text in texts]


def _logprob(tokenizer: Tokenizer, token: int, probability: float) -> TokenLogprob:
    raw = token_bytes(tokenizer, token)
    return TokenLogprob(raw.decode(errors="replace"), math.log(max(probability, 1e-10)), tuple(raw))


def _words(piece: Piece, stretch: int, clock: Clock) -> tuple[Word, ...]:
    """The words of a piece in times of the original audio."""
    return tuple(
        Word(
            word["word"],
            *clock.times(stretch, float(word["start"]), float(word["end"])),
            float(word["probability"]),
        )
        for word in piece.words
    )


def load_window(engine: WhisperEngine, span: Span, seek: int, keep: bool) -> Window | None:
    """The window that begins at frame ``seek`` of a span, None if less than 0.1 s is left. Blocks."""
    samples = span.window(seek * HOP, engine.window_samples)
    if len(samples) // HOP < SHORTEST_WINDOW:
        return None
    return Window(engine.features(samples), keep=keep)

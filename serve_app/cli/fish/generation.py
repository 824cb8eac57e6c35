"""Codes of a text by the language model alone: several samples at a time, in one batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from deployments.fish_speech.language_model.batcher import Batcher, Columns, Entry, Frames
from deployments.fish_speech.language_model.rows import FrameRows
from deployments.fish_speech.segments import next_segment
from deployments.fish_speech.text.script import script_of
from deployments.fish_speech.types import SamplingOptions
from deployments.torch_device import choose_dtype
from serve_app.cli.fish.checkpoints import LanguageModel, find_language_model
from serve_app.cli.fish.codes import Codes, read_codes

AT_ONCE = 16  # samples in a batch
CHUNK = 8  # frames after which the progress is reported
SEEDS = 2**63


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What is to be said. ``prompts`` are transcripts with their codes; ``samples`` versions are made, with the
    seeds from ``sampling.seed`` on. ``context`` is the longest prompt with its speech, in columns.
    """

    text: str
    prompts: Sequence[tuple[str, Codes]]
    sampling: SamplingOptions
    samples: int = 1
    speaker: str | None = None
    context: int = 2_048


@dataclass(slots=True)
class _Sample:
    """One version on its way."""

    seed: int
    past: list[Columns] = field(default_factory=list)
    said: list[Columns] = field(default_factory=list)
    codes: list[Codes] = field(default_factory=list)
    segments: int = 0


class Generation:
    """Says one request. Blocks. ``frames`` counts what was drawn for all samples."""

    def __init__(self, model: LanguageModel, request: GenerationRequest) -> None:
        """Raises InvalidRequest for a text with nothing to say, and prompts that the model does not have."""
        self.frames = 0
        self._request, self._rules, self._prompts = request, model.rules, model.prompts
        self._history = model.history
        self._pieces = script_of(request.text, model.clean, request.sampling.chunk_length).pieces
        self._opening = self._prompts.opening(request.prompts)
        self._rows = FrameRows(
            model.network,
            model.rules,
            slots=min(request.samples, AT_ONCE),
            context=request.context,
            most_openings=1,
            threads=torch.get_num_threads(),
        )
        self._batcher = Batcher(self._rows)

    def record(self, on_progress: Callable[[float], None]) -> None:
        """Record the graphs of a GPU, which makes it faster."""
        self._rows.record(on_progress)

    def run(self, on_frames: Callable[[int], None] = lambda _: None) -> list[Codes]:
        """Codes (codebooks, frames) of every sample. ``on_frames`` gets the number of new frames.

        Raises InvalidRequest for what does not fit into the context.
        """
        first = self._request.sampling.seed or 0
        samples = [_Sample((first + number) % SEEDS) for number in range(self._request.samples)]
        speaking = {self._queued(sample): sample for sample in samples}
        while self._batcher.busy:
            for entry, drawn in self._batcher.turn():
                if isinstance(drawn, Exception):
                    raise drawn
                self.frames += drawn.columns.shape[1]
                on_frames(drawn.columns.shape[1])
                sample = speaking[entry]
                self._take(sample, drawn)
                if drawn.end and sample.segments < len(self._pieces):
                    speaking[self._queued(sample)] = sample
        return [np.concatenate(sample.codes, axis=1) for sample in samples]

    def _queued(self, sample: _Sample) -> Entry:
        """The sample's next segment."""
        sample.past.append(self._prompts.segment(self._pieces[sample.segments], self._request.speaker))
        segment = next_segment(
            self._opening,
            sample.past,
            context=self._request.context,
            number=sample.segments,
            seed=sample.seed,
            sampling=self._request.sampling,
            history=self._history,
            voice_is_set=bool(self._request.prompts or self._request.speaker),
            chunk=CHUNK,
        )
        entry = Entry(segment)
        sample.segments += 1
        self._batcher.add(entry)
        return entry

    def _take(self, sample: _Sample, drawn: Frames) -> None:
        sample.said.append(drawn.columns)
        if not drawn.end:
            return
        columns = np.concatenate(sample.said, axis=1)
        sample.said = []
        sample.past.append(self._prompts.past(columns))
        heard = self._rules.returned_frames(torch.from_numpy(columns), ended=drawn.end == "spoken")
        sample.codes.append(self._rules.codes(heard).numpy().astype(np.int32))


def prepare_generation(
    text: str,
    prompts: Sequence[tuple[str, Path]],
    checkpoint: Path,
    tokenizer: Path | None,
    config_name: str | None,
    device: torch.device,
    *,
    half: bool,
    samples: int,
    max_new_tokens: int,
    top_p: float,
    repetition_penalty: float | None,
    temperature: float,
    seed: int,
    speaker: str | None,
    iterative: bool,
    context: int,
    chunk_length: int | None,
) -> Generation:
    """Load the model and read the prompts. What is None is what the original takes for the model's version.

    Raises InvalidRequest, ModelUnavailable.
    """
    codes = [(said, read_codes(path)) for said, path in prompts]
    dtype = torch.float16 if half else choose_dtype("auto", device)
    model = find_language_model(checkpoint, tokenizer, config_name, device, dtype)
    if chunk_length is None:
        chunk_length = model.chunk_length
    sampling = SamplingOptions(
        temperature=temperature,
        top_p=top_p,
        repetition_penalty=repetition_penalty or model.repetition_penalty,
        max_new_tokens=max_new_tokens,
        chunk_length=chunk_length if iterative else 0,
        seed=seed,
    )
    room = min(context, model.network.config.max_seq_len)
    return Generation(model, GenerationRequest(text, codes, sampling, samples, speaker, room))

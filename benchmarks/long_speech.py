"""Word errors of long texts: the shipped voice speaks and the shipped recogniser hears.

Sixteen sentences are spoken in one request, in two of eight each, and so on down to sixteen requests of one each;
so every row has the same words. Each is spoken with five seeds. Then come the first texts of the voice's own test
set, one seed each. All of it in this process, with the settings of configs/local.yaml. To compare two versions,
run it once in each, with ``--name``.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.serving import ROOT, save
from deployments.fish_speech import types as speech
from deployments.whisper import types as hearing
from media.encode import encode
from samples.asr.recipe.recogniser import edits
from serve_app.config.serve_yaml.load import load
from serve_app.fields.audio import uploads_of
from serve_app.gateway.gateway import Gateway
from serve_app.graph.in_process import InProcess

SENTENCES = (
    "Good morning world.", "Please turn the light on.", "Open the yellow window.", "Close the big door.",
    "Thank you and hello today.", "Play music tomorrow evening.", "The small green garden.",
    "The red table and coffee.", "Call time and message.", "Stop the volume today.", "Summer and winter morning.",
    "Start next call please.", "Open the door and window.", "Turn left and right.", "The cold blue water.",
    "Good evening new world.",
)  # fmt: skip
COUNTS, SEEDS = (1, 2, 4, 8, 16), (1, 2, 3, 4, 5)
TESTSET = {"2-5": 60, "6-8": 40}  # texts of each group
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Heard:
    """One request: what was heard of it, how many words it has and how many were wrong; seconds."""

    group: str
    seed: int
    text: str
    heard: str
    words: int
    errors: int
    seconds: float
    cut: bool


@dataclass(frozen=True, slots=True)
class Group:
    """What belongs in one row of a table; seconds of the processor for speaking and hearing."""

    rows: Sequence[Heard]
    cpu_s: float

    def summary(self) -> dict[str, Any]:
        """Word errors in percent, of all and of each seed."""
        seeds = sorted({row.seed for row in self.rows})
        return {
            "word_errors": error_rate(self.rows),
            "by_seed": {seed: error_rate([row for row in self.rows if row.seed == seed]) for seed in seeds},
            "seconds": round(sum(row.seconds for row in self.rows), 1),
            "cut": sum(row.cut for row in self.rows),
            "cpu_s": self.cpu_s,
        }


def error_rate(rows: Sequence[Heard]) -> float:
    """Word errors in percent."""
    return round(100 * sum(row.errors for row in rows) / sum(row.words for row in rows), 1)


async def measure(gateway: Gateway, group: str, texts: Sequence[tuple[str, int]]) -> list[Heard]:
    """Texts with their seeds, some at a time."""
    rows: list[Heard] = []
    for begin in range(0, len(texts), AT_ONCE):
        some = texts[begin : begin + AT_ONCE]
        rows += await asyncio.gather(*(_one(gateway, group, text, seed) for text, seed in some))
    return rows


async def _one(gateway: Gateway, group: str, text: str, seed: int) -> Heard:
    asked = speech.SpeechRequest(text=text, sampling=speech.SamplingOptions(seed=seed))
    spoken = await speech.collect(gateway.speak(asked))
    (upload,) = uploads_of([encode(spoken.samples, "wav", spoken.started.sample_rate)])
    events = gateway.transcribe(hearing.TranscriptionRequest(language="en"), upload)
    meant, heard = _words(text), _words((await hearing.collect("transcribe", events)).text)
    errors = edits(heard, meant)
    cut = spoken.finished.cut
    return Heard(group, seed, text, " ".join(heard), len(meant), errors, round(spoken.seconds, 2), cut)


def _words(text: str) -> list[str]:
    return "".join(sign if sign.isalnum() else " " for sign in text.lower()).split()


async def run(scale: float) -> dict[str, Group]:
    """All groups."""
    config = load(ROOT / "configs" / "local.yaml").applications[0].config
    models = tuple(entry for entry in config.models if entry.task in ("speech", "transcription"))
    groups: dict[str, Group] = {}
    testset = json.loads((ROOT / "samples" / "tts" / "testset.json").read_text())
    async with InProcess(config.model_copy(update={"models": models, "jobs": None}), timed=False) as gateway:
        asked = {
            f"{count} at once": [
                (" ".join(SENTENCES[begin : begin + count]), seed)
                for seed in SEEDS
                for begin in range(0, len(SENTENCES), count)
            ]
            for count in COUNTS
        }
        for name, most in TESTSET.items():
            asked[f"{name} words"] = [(text, SEEDS[0]) for text in testset[name][:most]]
        for name, texts in asked.items():
            used = time.process_time()
            rows = await measure(gateway, name, texts[: max(1, int(len(texts) * scale))])
            groups[name] = Group(rows, round(time.process_time() - used, 1))
            print(f"{name:11s} {groups[name].summary()}", flush=True)
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="fewer texts")
    parser.add_argument("--name", default="long_speech", help="of the file with the results")
    options = parser.parse_args()
    groups = asyncio.run(run(options.scale))
    save(options.name, {
        "summary": {name: group.summary() for name, group in groups.items()},
        "rows": [asdict(row) for group in groups.values() for row in group.rows],
    })  # fmt: skip


if __name__ == "__main__":
    main()

"""festival: a Scheme script speaks some texts in one process and prints its Word items."""

import random
from collections.abc import Iterator
from pathlib import Path

from .speech import Span
from .synthesis import Take, read_wav, run, shift_speaker, trim

VOICES = ["kal_diphone", "ked_diphone", "ked_diphone"]

_SCRIPT = """(voice_{voice}) (Parameter.set 'Duration_Stretch {stretch:.3f})
(set! int_lr_params '((target_f0_mean {pitch:.0f}) (target_f0_std {spread:.0f})
 (model_f0_mean 170) (model_f0_std 34)))
(set! u (utt.synth (Utterance Text "{text}"))) (utt.save.wave u "{folder}/{number}.wav")
(mapcar (lambda (w) (format t "W {number} %s %f %f\\n" (item.name w) (item.feat w 'word_start)
 (item.feat w 'word_end))) (utt.relation.items u 'Word))
"""


def say_all(
    texts: list[str], voice: str, rng: random.Random, folder: Path
) -> Iterator[tuple[str, Take | None, str]]:
    """Text, speech and the voice's name of each text, each with another duration, pitch and vocal tract."""
    factors = [rng.uniform(0.85, 1.15) for _ in texts]
    script = "".join(
        _SCRIPT.format(
            voice=voice,
            stretch=rng.uniform(0.85, 1.3) * factor,
            pitch=rng.uniform(80, 150),
            spread=rng.uniform(8, 22),
            text=text,
            folder=folder,
            number=number,
        )
        for number, (text, factor) in enumerate(zip(texts, factors, strict=True))
    )
    source = folder / "festival.scm"
    source.write_text(script)
    items = [line.split()[1:] for line in run("festival", "-b", str(source)).splitlines() if line.startswith("W ")]
    for number, (text, factor) in enumerate(zip(texts, factors, strict=True)):
        words = [(name.lower(), float(start), float(end)) for at, name, start, end in items if at == str(number)]
        times: list[Span] | None = None
        if [name for name, _, _ in words] == text.split():
            times = [(start, end) for _, start, end in words]
        take = trim(*read_wav(folder / f"{number}.wav"), times)
        yield text, shift_speaker(take, factor), f"{voice}*{factor:.2f}"

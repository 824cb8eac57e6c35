"""``antiphon transcribe``: transcribes files, URLs or standard input, on a server or in this process."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import click

from deployments.errors import AntiphonError
from deployments.whisper.types import Task
from serve_app.cli.running import error_message, run
from serve_app.cli.servers import ModelOptions, model_options
from serve_app.cli.transcription.inputs import AudioInput, open_input
from serve_app.cli.transcription.outputs import targets
from serve_app.cli.transcription.results import FORMATS
from serve_app.cli.transcription.run import TranscribeArguments, choose_transcriber, transcribe_all
from serve_app.tasks.transcription.formats import TranscriptFormat


@click.command(epilog="Several inputs are transcribed side by side and printed in their order.")
@click.argument("audio", nargs=-1, required=True, metavar="FILE|URL|-...")
@model_options
@click.option("--format", "kind", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--language", help="Spoken language, as tag (en, en-US, eng) or English name; detected if absent.")
@click.option("--task", type=click.Choice(get_args(Task)), default="transcribe", show_default=True)
@click.option("--word-timestamps", is_flag=True, help="Find the time of every word, which sharpens all times.")
@click.option("--prompt", help="Text that sets style and spelling.")
@click.option("--hotwords", help="Words and phrases to expect.")
@click.option("--beam-size", help="Beams of the search; 1 is greedy.")
@click.option("--temperature", help="Sampling temperature, or a ladder such as 0,0.4,0.8.")
@click.option("--channels", help="mix (default), split (each by itself), left, right, or numbers from 0.")
@click.option("--audio-track", help="Of several audio tracks the one to hear: its number from 0, or its language.")
@click.option("--no-vad", is_flag=True, help="Do not look for speech first; take windows as they come.")
@click.option("--stream", is_flag=True, help="Print segments as they come (text, srt, vtt).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write, or folder for several.")
def transcribe(
    audio: tuple[str, ...],
    options: ModelOptions,
    kind: TranscriptFormat,
    language: str | None,
    task: Task,
    word_timestamps: bool,
    prompt: str | None,
    hotwords: str | None,
    beam_size: str | None,
    temperature: str | None,
    channels: str | None,
    audio_track: str | None,
    no_vad: bool,
    stream: bool,
    output: Path | None,
) -> None:
    """Write down what is said in files, in what URLs lead to, or in standard input (-).

    The API key for a server comes from ANTIPHON_API_KEY.
    """
    if stream and (len(audio) > 1 or kind not in ("text", "srt", "vtt")):
        raise click.UsageError("--stream takes one input, and the format text, srt or vtt.")
    fields = {
        "language": language,
        "prompt": prompt,
        "hotwords": hotwords,
        "beam_size": beam_size,
        "temperature": temperature,
        "channels": channels,
        "audio_track": audio_track,
        "word_timestamps": "true" if word_timestamps else None,
        "vad_filter": "false" if no_vad else None,
    }
    with ExitStack() as stack:
        inputs = _open(audio, stack)
        given = {name: value for name, value in fields.items() if value is not None}
        arguments = TranscribeArguments(inputs, targets(inputs, output, kind), task, kind, given, stream)
        failures = run(transcribe_all(choose_transcriber(options), arguments))
    sys.exit(1 if failures else 0)


def _open(names: tuple[str, ...], stack: ExitStack) -> list[AudioInput]:
    if names.count("-") > 1:
        raise click.UsageError("Standard input (-) can be read once.")
    try:
        return [open_input(name, stack) for name in names]
    except (AntiphonError, OSError) as error:
        raise click.UsageError(error_message(error)) from error

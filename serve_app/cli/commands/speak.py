"""``antiphon speak``: text to speech, by a server or by this process."""

import base64
import sys
from pathlib import Path
from typing import Any, get_args

import click

from deployments.fish_speech.types import NumbersLanguage, TextFormat
from media.encode import AudioFormat
from serve_app.cli.running import run
from serve_app.cli.servers import ModelOptions, model_options
from serve_app.cli.speech.run import SpeakArguments, choose_speaker, speak_text
from serve_app.cli.speech.sound import FORMATS, format_of
from serve_app.cli.speech.transcripts import text_of, transcript_of

STDIN = "-"
TEXT_FORMATS, LANGUAGES = get_args(TextFormat), get_args(NumbersLanguage)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog="A text that begins with a dash comes after --, as in: antiphon speak -o a.wav -- '-5 degrees'"
)
@click.argument("text", metavar="TEXT|-")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write, or - for standard output.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="If the file's ending does not say it.")
@model_options
@click.option("--voice", help="A voice of the library; the model's default voice if absent.")
@click.option("--reference-audio", type=FILE, multiple=True, help="A recording of the voice; may be repeated.")
@click.option(
    "--reference-text",
    multiple=True,
    help="What is said in it, or a text file with that; if absent, the .lab or .txt file beside the recording.",
)
@click.option("--speaker", help="A name that a model of version 1.1 was trained with.")
@click.option("--text-format", type=click.Choice(TEXT_FORMATS), help="How the text is written; plain if absent.")
@click.option("--normalize", type=click.Choice(LANGUAGES), help="Spell numbers out in this language.")
@click.option("--speed", type=float, help="Factor of the tempo, 0.25 to 4.")
@click.option("--volume", "volume_db", type=float, help="Decibels by which to change the volume.")
@click.option("--sample-rate", type=int, help="In Hz; the model's own if absent.")
@click.option("--bit-rate", type=int, help="Bits per second of mp3, opus and aac.")
@click.option("--seed", type=int, help="The same seed gives the same speech.")
@click.option("--temperature", type=float, help="Of sampling; 0 takes the most probable code.")
@click.option("--top-p", type=float, help="Probability of the codes that are drawn from.")
@click.option("--repetition-penalty", type=float, help="Above 1 punishes codes of the last frames.")
@click.option("--max-new-tokens", type=int, help="Most frames of one segment; 0: as many as there is room for.")
@click.option("--chunk-length", type=int, help="Longest segment in bytes; 0 speaks the text in one.")
@click.option("-v", "--verbose", is_flag=True, help="Tell the pace and the seed also if nobody is at a terminal.")
def speak(
    text: str,
    output: Path | None,
    kind: AudioFormat | None,
    options: ModelOptions,
    reference_audio: tuple[Path, ...],
    reference_text: tuple[str, ...],
    bit_rate: int | None,
    verbose: bool,
    **fields: Any,
) -> None:
    """Speak a text, or standard input (-), into a file.

    The format is that of the file's ending. At a terminal you are told the pace, and the seed that repeats it all.
    The API key for a server comes from ANTIPHON_API_KEY.
    """
    target = _target(output)
    body: dict[str, Any] = {"input": _text(text)}
    body |= {name: value for name, value in fields.items() if value is not None}
    if reference_audio or reference_text:
        body["references"] = _references(reference_audio, reference_text)
    arguments = SpeakArguments(body, target, format_of(target, kind), bit_rate, verbose)
    run(speak_text(choose_speaker(options), arguments))


def _target(output: Path | None) -> Path | None:
    if output is None and sys.stdout.isatty():
        raise click.UsageError("Name a file with -o, or pipe the sound into a program.")
    if output is not None and output.is_dir():
        raise click.UsageError(f"--output {output} is a folder; name a file.")
    return None if output is None or str(output) == STDIN else output


def _text(argument: str) -> str:
    if argument != STDIN:
        return argument
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"Byte {error.start + 1} of standard input is not UTF-8.") from error


def _references(audios: tuple[Path, ...], texts: tuple[str, ...]) -> list[dict[str, str]]:
    if texts and len(texts) != len(audios):
        raise click.UsageError(
            f"There are {len(audios)} --reference-audio and {len(texts)} --reference-text; give one for each."
        )
    said = texts or [transcript_of(audio, "--reference-text") for audio in audios]
    return [
        {"audio": base64.b64encode(audio.read_bytes()).decode("ascii"), "text": text_of(one)}
        for audio, one in zip(audios, said, strict=True)
    ]

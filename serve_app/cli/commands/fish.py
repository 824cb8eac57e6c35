"""``antiphon fish``: fish-speech's three manual steps, on checkpoints by their paths."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deployments.fish_speech.types import LARGEST_SEED
from media.encode import AudioFormat
from serve_app.cli.fish.step import pace, run_step
from serve_app.cli.progress import Bar

if TYPE_CHECKING:
    import torch

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PLACE = click.Path(exists=True, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
DEFAULT_CHECKPOINT = Path("checkpoints/fish-speech-1.5")
CODEC_NAMES = ("firefly_gan_vq", "vqgan_pretrain", "vits_decoder_finetune")


@click.group()
def fish() -> None:
    """A voice to codes, a text to codes, codes to sound: fish-speech 1.5 and 1.1, step by step."""


def _codec(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name a codec."""
    path = click.option(
        "--checkpoint-path",
        "-ckpt",
        "checkpoint",
        type=PLACE,
        default=DEFAULT_CHECKPOINT,
        show_default=True,
        help="The codec's file, or the folder that it lies in.",
    )
    name = click.option(
        "--config-name",
        "-cfg",
        type=click.Choice(CODEC_NAMES),
        help="What it is, if its file's name does not say it.",
    )
    return path(name(_device(command)))


def _device(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--device", "-d", default="auto", show_default=True, help="cpu, cuda, or auto: a GPU if there is one."
    )(command)


@fish.command()
@click.option("--input-path", "-i", "source", type=FILE, required=True, help="A recording.")
@click.option(
    "--output-path", "-o", "target", type=click.Path(path_type=Path), default=Path("fake.npy"), show_default=True
)
@_codec
def encode(source: Path, target: Path, checkpoint: Path, config_name: str | None, device: str) -> None:
    """Codes of a recording: int32 (codebooks, frames) in a file of NumPy's."""

    def work(on: "torch.device", bar: Bar) -> str:
        from serve_app.cli.fish.checkpoints import find_codec
        from serve_app.cli.fish.codes import write_codes
        from serve_app.cli.fish.recode import encode, read_sound

        bar.say("loading")
        codec = find_codec(checkpoint, config_name, on)
        bar.say("encoding")
        began = time.monotonic()
        samples = read_sound(source, codec.sample_rate)
        codes = encode(codec, samples)
        write_codes(target, codes)
        seconds = len(samples) / codec.sample_rate
        return (
            f"{target}: {codes.shape[0]} x {codes.shape[1]} codes of {seconds:.2f} s{pace(codes.shape[1], began)}"
        )

    run_step(device, "frames", work)


@fish.command()
@click.option("--text", required=True, help="The text to speak.")
@click.option("--prompt-text", "prompt_texts", multiple=True, help="What is said in a recording of the voice.")
@click.option(
    "--prompt-tokens", "prompt_tokens", type=FILE, multiple=True, help="Its codes; once for each --prompt-text."
)
@click.option("--num-samples", "samples", type=click.IntRange(1, 1_000), default=1, show_default=True)
@click.option(
    "--max-new-tokens",
    type=click.IntRange(0, 32_768),
    default=0,
    show_default=True,
    help="0: as many as there is room for.",
)
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), default=0.7, show_default=True)
@click.option(
    "--repetition-penalty", type=click.FloatRange(0.9, 2), help="1.2 for version 1.5, 1.5 for 1.1 if absent."
)
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.7, show_default=True)
@click.option(
    "--checkpoint-path",
    "checkpoint",
    type=PLACE,
    default=DEFAULT_CHECKPOINT,
    show_default=True,
    help="The folder of a model, or the language model's file of 1.1.",
)
@click.option(
    "--config-name", help="Size of a model of 1.1, if its weights do not tell: dual_ar_2_codebook_medium ..."
)
@click.option("--tokenizer", type=FOLDER, help="Folder with another tokenizer.json, for 1.1.")
@click.option("--compile/--no-compile", "recorded", default=False, help="Record the graphs of a GPU before.")
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=42,
    show_default=True,
    help="Of the first sample; the next has the next.",
)
@click.option("--speaker", help="A name that a model of 1.1 was trained with.")
@click.option("--half/--no-half", default=False, help="float16 in place of bfloat16 (of float32 on a CPU).")
@click.option(
    "--iterative-prompt/--no-iterative-prompt",
    "iterative",
    default=True,
    help="Cut the text into segments, each of which sees the ones before.",
)
@click.option(
    "--max-length", "context", type=click.IntRange(64), default=2_048, show_default=True, help="Context."
)
@click.option(
    "--chunk-length",
    type=click.IntRange(0, 10_000),
    help="Bytes of a segment, 0 cuts nothing; 100, or 150 for 1.1.",
)
@click.option(
    "--output-dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="For codes_N.npy.",
)
@_device
def generate(
    text: str,
    prompt_texts: tuple[str, ...],
    prompt_tokens: tuple[Path, ...],
    checkpoint: Path,
    config_name: str | None,
    tokenizer: Path | None,
    recorded: bool,
    half: bool,
    folder: Path,
    device: str,
    **options: Any,
) -> None:
    """Codes of a text, in codes_0.npy and so on, one for each sample."""
    if len(prompt_texts) != len(prompt_tokens):
        raise click.UsageError(
            f"There are {len(prompt_texts)} --prompt-text and {len(prompt_tokens)} --prompt-tokens; give as many."
        )

    def work(on: "torch.device", bar: Bar) -> str:
        from serve_app.cli.fish.codes import write_codes
        from serve_app.cli.fish.generation import prepare_generation

        bar.say("loading")
        prompts = list(zip(prompt_texts, prompt_tokens, strict=True))
        generation = prepare_generation(
            text, prompts, checkpoint, tokenizer, config_name, on, half=half, **options
        )
        if recorded and on.type == "cuda":
            generation.record(lambda part: bar.say(f"recording {part:.0%}"))
        elif recorded:
            click.echo("--compile does nothing on a CPU.", err=True)
        bar.say("speaking")
        began = time.monotonic()
        samples = generation.run(bar.advance)
        took = pace(generation.frames, began)
        for number, codes in enumerate(samples):
            write_codes(folder / f"codes_{number}.npy", codes)
        return f"{folder / 'codes_0.npy'}{f' and {len(samples) - 1} more' if len(samples) > 1 else ''}{took}"

    run_step(device, "tokens", work)


@fish.command()
@click.option("--input-path", "-i", "source", type=FILE, required=True, help="Codes in a file of NumPy's.")
@click.option(
    "--output-path", "-o", "target", type=click.Path(path_type=Path), default=Path("fake.wav"), show_default=True
)
@click.option("--reference-path", "-r", "reference", type=FILE, help="A recording of the voice, for VITS.")
@click.option("--text", default="-", show_default=True, help="What the codes say, for VITS.")
@click.option("--tokenizer", type=FOLDER, help="Folder with another tokenizer.json, for VITS.")
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=42,
    show_default=True,
    help="Of the noise that 1.1 needs.",
)
@_codec
def decode(
    source: Path,
    target: Path,
    reference: Path | None,
    text: str,
    tokenizer: Path | None,
    seed: int,
    checkpoint: Path,
    config_name: str | None,
    device: str,
) -> None:
    """The sound of codes, in the format of the file's ending."""
    from serve_app.cli.speech.sound import format_of

    kind: AudioFormat = format_of(target, None)

    def work(on: "torch.device", bar: Bar) -> str:
        from media.encode import encode as encoded
        from serve_app.cli.fish.checkpoints import condition_of, find_codec
        from serve_app.cli.fish.codes import read_codes
        from serve_app.cli.fish.recode import decode

        bar.say("loading")
        codes = read_codes(source)
        codec = find_codec(checkpoint, config_name, on)
        condition = condition_of(codec, checkpoint, seed, text=text, reference=reference, tokenizer=tokenizer)
        bar.say("decoding")
        began = time.monotonic()
        sound = decode(codec, codes, condition, bar.advance)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encoded(sound, kind, codec.sample_rate))
        return f"{target}: {len(sound) / codec.sample_rate:.2f} s{pace(codes.shape[1], began)}"

    run_step(device, "frames", work)

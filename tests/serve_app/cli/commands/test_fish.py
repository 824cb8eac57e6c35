"""``antiphon fish``: the three manual steps, on the sample voice and on small random models of version 1.1."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result

from deployments.fish_speech.codec.codec import Condition
from deployments.fish_speech.text.signs import clean_v15
from deployments.fish_speech.text.splitting import split
from deployments.fish_speech.v15.firefly import load_firefly
from media.decode import probe
from media.encode import encode
from tests.deployments.fish_speech.codec.support import GOLDENS, VQGAN, golden, write_vits
from tests.media.sound import decoded, sweep
from tests.serve_app.cli.terminal import ROOT, antiphon

MODEL = ROOT / "samples" / "tts" / "model"
VOICE = ROOT / "samples" / "tts" / "voices" / "slt" / "hello"
FIREFLY = next(MODEL.glob("firefly*.pth"))
TEXT, LONG = "yes green", "yes green " * 50
SAID = VOICE.with_suffix(".lab").read_text().strip()


OPTIONS = (
    "--text --prompt-text --prompt-tokens --num-samples --max-new-tokens --top-p --repetition-penalty "
    "--temperature --checkpoint-path --config-name --tokenizer --compile --no-compile --seed --speaker --half "
    "--no-half --iterative-prompt --max-length --chunk-length --device --output-dir"
)


def fish(*arguments: str | Path) -> Result:
    return antiphon("fish", *arguments)


def done(*arguments: str | Path) -> str:
    """What a step says when it is done."""
    result = fish(*arguments)
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    return result.stderr


def codes_of(folder: Path) -> list[np.ndarray[tuple[int, int], np.dtype[np.int32]]]:
    return [np.load(path) for path in sorted(folder.glob("codes_*.npy"))]


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The codes of the shipped voice."""
    target = tmp_path_factory.mktemp("voice") / "fake.npy"
    done("encode", "-i", VOICE.with_suffix(".wav"), "-o", target, "--checkpoint-path", FIREFLY)
    return target


@pytest.fixture(scope="module")
def old_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 1.1 with its four files, small and random."""
    folder = tmp_path_factory.mktemp("fish-1.1")
    write_vits(folder)
    shutil.copy(VQGAN / "model.pth", folder / "vq-gan-group-fsq-2x1024.pth")
    shutil.copy(VQGAN / "vqgan.json", folder)
    shutil.copy(VQGAN / "vocoder.ckpt", folder / "firefly-gan-base-generator.ckpt")
    shutil.copy(GOLDENS / "dualar_v11" / "model.pth", folder / "text2semantic-sft-medium-v1.1-4k.pth")
    shutil.copy(GOLDENS / "dualar_v11" / "config.json", folder)
    return folder


def test_a_recording_becomes_codes(voice: Path) -> None:
    codes = np.load(voice)
    assert (codes.dtype, codes.shape[0]) == (np.int32, 4)
    samples = decoded(VOICE.with_suffix(".wav").read_bytes(), 16_000)
    ours = load_firefly(FIREFLY, "cpu").encode(torch.from_numpy(samples))
    np.testing.assert_array_equal(codes, ours.numpy())


def test_codes_become_a_recording(voice: Path, tmp_path: Path) -> None:
    message = done("decode", "-i", voice, "-o", tmp_path / "new" / "a.wav", "-ckpt", MODEL)
    codes = np.load(voice)
    codec = load_firefly(FIREFLY, "cpu")
    sound = codec.decode(torch.from_numpy(codes[None]), [Condition()])[0].numpy()
    assert (tmp_path / "new" / "a.wav").read_bytes() == encode(sound, "wav", codec.sample_rate)
    assert re.fullmatch(rf"{tmp_path}/new/a.wav: [\d.]+ s in [\d.]+ s, [\d.]+ tokens/s\n", message)


def test_long_codes_are_decoded_in_windows_as_if_at_once(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 200, (4, 270), dtype=np.int32)
    np.save(tmp_path / "long.npy", codes)
    done("decode", "-i", tmp_path / "long.npy", "-o", tmp_path / "a.wav", "-ckpt", MODEL)
    sound = decoded((tmp_path / "a.wav").read_bytes(), 16_000)
    whole = load_firefly(FIREFLY, "cpu").decode(torch.from_numpy(codes[None]), [Condition()])[0].numpy()
    np.testing.assert_allclose(sound, whole, atol=1e-4)


def test_a_text_becomes_codes_in_a_voice(voice: Path, tmp_path: Path) -> None:
    options = ["--prompt-text", SAID, "--prompt-tokens", voice, "--checkpoint-path", MODEL]
    message = done(
        "generate", "--text", TEXT, *options, "--num-samples", "3", "--output-dir", tmp_path / "out", "--compile"
    )
    samples = codes_of(tmp_path / "out")
    assert len(samples) == 3
    for codes in samples:
        assert (codes.dtype, codes.shape[0]) == (np.int32, 4)
        assert 10 < codes.shape[1] < 100  # two words, at 25 frames a second
        assert 0 <= codes.min() <= codes.max() < 1_024
    assert "--compile does nothing on a CPU." in message
    assert re.search(r"out/codes_0.npy and 2 more in [\d.]+ s, [\d.]+ tokens/s\n$", message)
    done("decode", "-i", tmp_path / "out" / "codes_0.npy", "-o", tmp_path / "a.mp3", "-ckpt", MODEL)
    assert probe(tmp_path / "a.mp3").duration_s == pytest.approx(samples[0].shape[1] / 25, abs=0.1)


def test_seeds_say_what_comes_out(tmp_path: Path) -> None:
    """A sample is the same beside others and alone; each has the next seed."""
    options = ["--text", TEXT, "--checkpoint-path", MODEL, "--max-new-tokens", "20", "--temperature", "1"]
    done("generate", *options, "--num-samples", "2", "--seed", "5", "--output-dir", tmp_path / "two")
    done("generate", *options, "--seed", "6", "--output-dir", tmp_path / "one")
    five, six = codes_of(tmp_path / "two")
    (alone,) = codes_of(tmp_path / "one")
    np.testing.assert_array_equal(six, alone)
    assert not np.array_equal(five, six)


def test_long_texts_are_said_in_segments(tmp_path: Path) -> None:
    text = "Yes green. Hello window. Stop hot left."
    options = ["--text", text, "--checkpoint-path", MODEL, "--chunk-length", "12", "--max-new-tokens", "4"]
    done("generate", *options, "--output-dir", tmp_path / "parts")
    done("generate", *options, "--no-iterative-prompt", "--output-dir", tmp_path / "whole")
    pieces = split(clean_v15(text), 12)
    assert len(pieces) > 2
    assert [codes.shape[1] for codes in codes_of(tmp_path / "parts")] == [4 * len(pieces)]
    assert [codes.shape[1] for codes in codes_of(tmp_path / "whole")] == [4]


def test_version_1_1_step_by_step(old_model: Path, tmp_path: Path) -> None:
    recording = tmp_path / "voice.wav"
    recording.write_bytes(encode(sweep(1.0, 44_100), "wav", 44_100))
    vqgan = old_model / "vq-gan-group-fsq-2x1024.pth"
    done("encode", "-i", recording, "-o", tmp_path / "fake.npy", "--checkpoint-path", vqgan)
    voice = np.load(tmp_path / "fake.npy")
    assert voice.shape[0] == 2
    done(
        "generate", "--text", "Hello.", "--prompt-text", "A sweep.", "--prompt-tokens", tmp_path / "fake.npy",
        "--checkpoint-path", old_model / "text2semantic-sft-medium-v1.1-4k.pth", "--output-dir", tmp_path,
        "--speaker", "someone", "--max-new-tokens", "12", "--max-length", "1024",
    )  # fmt: skip
    (codes,) = codes_of(tmp_path)
    assert codes.shape[0] == 2
    source = ["-i", tmp_path / "fake.npy"]
    done("decode", *source, "-o", tmp_path / "vqgan.wav", "--checkpoint-path", vqgan)
    vits = ["--checkpoint-path", old_model / "vits_decoder_v1.1.ckpt"]
    done("decode", *source, "-o", tmp_path / "vits.wav", *vits, "-r", recording, "--text", "A sweep.")
    done("decode", *source, "-o", tmp_path / "other.wav", *vits, "--text", "A sweep.")
    sounds = [decoded((tmp_path / name).read_bytes(), 44_100) for name in ("vqgan.wav", "vits.wav", "other.wav")]
    assert {sound.size for sound in sounds} == {2_048 * voice.shape[1]}
    assert not np.array_equal(sounds[0], sounds[1])
    assert not np.array_equal(sounds[1], sounds[2])  # the reference says whose voice it is


def test_the_original_s_codes_give_the_original_s_sound(old_model: Path, tmp_path: Path) -> None:
    """Its noise is another one, so this is about the way through the files, not about samples."""
    np.save(tmp_path / "codes.npy", golden(VQGAN)["rand_codes"][0].numpy())
    done(
        "decode",
        "-i",
        tmp_path / "codes.npy",
        "-o",
        tmp_path / "a.wav",
        "-ckpt",
        old_model,
        "-cfg",
        "vqgan_pretrain",
    )
    assert decoded((tmp_path / "a.wav").read_bytes(), 44_100).size == 24_576


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["encode"], "Missing option '--input-path'"),
        (["encode", "-i", "none.wav"], "does not exist"),
        (["generate", "--text", "a"], "'checkpoints/fish-speech-1.5' does not exist"),
        (
            ["generate", "--text", "a", "-d", "cpu", "--checkpoint-path", MODEL, "--prompt-text", "a"],
            "give as many",
        ),
        (["generate", "--text", "a", "--checkpoint-path", MODEL, "--top-p", "0"], "0.0 is not in the range"),
        (["generate", "--text", "a", "--checkpoint-path", MODEL, "--seed", "-1"], "-1 is not in the range"),
        (["decode", "-i", "none.npy"], "does not exist"),
        (["decode", "-i", FIREFLY, "-o", "a.docx", "-ckpt", MODEL], "ends like no format"),
        (["encode", "-i", FIREFLY, "-ckpt", MODEL, "-cfg", "x"], "'x' is not one of"),
    ],
)
def test_wrong_usage_is_a_sentence_and_2(arguments: list[str | Path], sentence: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        result = fish(*arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("text.npy", b"no numbers", "is no file of NumPy's .npy format, or is damaged."),
        ("objects.npy", np.array([{}], object), "is no file of NumPy's .npy format, or is damaged."),
        ("floats.npy", np.zeros((4, 3)), "holds float64 of shape (4, 3); codes are integers"),
        ("flat.npy", np.zeros(3, np.int32), "holds int32 of shape (3,); codes are integers"),
        ("empty.npy", np.zeros((4, 0), np.int32), "holds int32 of shape (4, 0)"),
        ("rows.npy", np.zeros((8, 3), np.int32), "This codec has 4 codebooks of"),
        ("large.npy", np.full((4, 3), 2_000), "rows of numbers from 2000 to 2000."),
        ("negative.npy", np.full((4, 3), -1), "rows of numbers from -1 to -1."),
    ],
)
def test_codes_that_are_none(name: str, data: bytes | np.ndarray, sentence: str, tmp_path: Path) -> None:  # type: ignore[type-arg]
    path = tmp_path / name
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        np.save(path, data, allow_pickle=True)
    result = fish("decode", "-i", path, "-o", tmp_path / "a.wav", "-ckpt", MODEL)
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert not (tmp_path / "a.wav").exists()


def test_what_cannot_be_done_is_a_sentence_and_1(voice: Path, old_model: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no sound")
    short = tmp_path / "short.wav"
    short.write_bytes(encode(np.zeros(100, np.float32), "wav", 16_000))
    target = ["-o", tmp_path / "fake.npy"]
    np.save(tmp_path / "large.npy", np.full((4, 5), 5_000))
    prompts = ["--prompt-text", "a", "--prompt-tokens"]
    lone = tmp_path / "vq-gan.pth"
    shutil.copy(VQGAN / "model.pth", lone)
    for sentence, arguments in {
        "is no codec of fish-speech": ["encode", "-i", short, *target, "-ckpt", MODEL / "model.pth"],
        "There is no vocoder firefly*.ckpt beside": ["encode", "-i", short, *target, "-ckpt", lone],
        "Audio of 100 samples is too short": ["encode", "-i", short, *target, "-ckpt", MODEL],
        "is not audio or video": ["encode", "-i", text, *target, "-ckpt", MODEL],
        "finds no GPU": ["encode", "-i", short, *target, "-ckpt", MODEL, "-d", "cuda:7"],
        "The model lacks the file": ["generate", "--text", "a", "--checkpoint-path", tmp_path],
        "nothing that can be spoken": ["generate", "--text", " . ", "--checkpoint-path", MODEL],
        "Codes of a reference have to be": [
            "generate", "--text", "a", *prompts, tmp_path / "large.npy", "--checkpoint-path", MODEL,
        ],
        "the model has room for 64": [
            "generate", "--text", LONG, "--chunk-length", "0", "--max-length", "64", "--checkpoint-path", MODEL,
        ],
        "There is no configuration 'x'": [
            "generate", "--text", "a", "--checkpoint-path", old_model, "--config-name", "x",
        ],
        "Only a VITS decoder takes a recording": [
            "decode", "-i", voice, "-o", tmp_path / "a.wav", "-ckpt", MODEL, "-r", short,
        ],
    }.items():  # fmt: skip
        result = fish(*arguments)
        assert (result.exit_code, result.stdout) == (1, ""), (sentence, result.stderr)
        assert sentence in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "fake.npy").exists()


def test_help_needs_no_model_and_tells_all_options() -> None:
    help_text = fish("generate", "--help").stdout
    for option in OPTIONS.split():
        assert option in help_text

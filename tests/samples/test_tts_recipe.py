"""The recipe in miniature: speech, codes, a few steps from the shipped weights; the result still speaks."""

import importlib.util
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from samples.tts.recipe.texts import distinct_texts, held_out_texts, respell
from samples.tts.recipe.tokens import SEMANTIC, WORD_TOKENS, encode

ROOT = Path(__file__).parents[2]
MISSING = [
    *(name for name in ("scipy",) if importlib.util.find_spec(name) is None),
    *(name for name in ("flite",) if shutil.which(name) is None),
]
needs_flite = pytest.mark.skipif(bool(MISSING), reason=f"the recipe needs {', '.join(MISSING)}")


def test_training_texts_leave_the_test_set_out() -> None:
    banned = {text for group in held_out_texts().values() for text in group}
    texts = distinct_texts(2_000, 101, banned)
    assert not banned & set(texts)
    assert texts == distinct_texts(2_000, 101, banned)
    longer = [text for text in texts if " " in text]
    assert len(set(longer)) == len(longer)


def test_other_spellings_have_the_same_words() -> None:
    rng = random.Random(1)
    for text in distinct_texts(200, 3):
        spelled = respell(text, rng)
        assert sum(token in WORD_TOKENS for token in encode(spelled)) == len(text.split()), spelled
        assert max(encode(spelled)) < SEMANTIC


@needs_flite
def test_every_frame_has_its_word(tmp_path: Path) -> None:
    from samples.tts.recipe.flite import speak
    from samples.tts.recipe.utterances import join, load_bank, save_bank

    one, two = speak("open the door", tmp_path), speak("seven", tmp_path)
    assert set(one.words.tolist()) == {0, 1, 2, 3}
    assert (np.diff(one.words) >= 0).all()
    assert len(one.audio) == 640 * len(one.words)
    joined = join([one, two])
    assert joined.words.max() == 4
    save_bank(tmp_path / "bank.npz", [one, two])
    again = load_bank(tmp_path / "bank.npz")[1]
    assert again.text == "seven"
    np.testing.assert_array_equal(again.audio, two.audio)
    np.testing.assert_array_equal(again.phones, two.phones)


@needs_flite
def test_recipe_in_miniature(tmp_path: Path) -> None:
    shipped = str(ROOT / "samples" / "tts" / "model")
    command = [sys.executable, "-m", "samples.tts.recipe", "--work", str(tmp_path), "--texts", "12"]
    steps = ["--only", "speech", "encoder", "codes", "head", "model", "--codec", shipped, "--init", shipped]
    short = ["--head-minutes", "0.02", "--head-rate", "1e-6", "--minutes", "0.05", "--rate", "1e-6"]
    subprocess.run([*command, *steps, *short], cwd=ROOT, check=True, capture_output=True, timeout=300)

    from samples.tts.recipe.recognisers import SampleRecogniser
    from samples.tts.recipe.voice import SampleVoice

    with SampleVoice(tmp_path / "model") as voice:
        sound = voice.speak("three nine three seven", 0, 0)
    assert SampleRecogniser().hear(sound) == ["three", "nine", "three", "seven"]

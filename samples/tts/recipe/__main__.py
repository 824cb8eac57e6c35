"""The whole recipe: speech, codec, codes, model, evaluation.

    python -m samples.tts.recipe                                    everything, from nothing, into ./out/tts
    python -m samples.tts.recipe --only codes model --codec samples/tts/model --init samples/tts/model
                                                                    go on from the shipped weights
    python -m samples.tts.recipe --only evaluate --model samples/tts/model

Speech that lies in the work folder already is not made again. Needs the extra "samples" and the program flite, and
for the evaluation PocketSphinx of the extra "dev"; no network and no GPU.
"""

import argparse
import shutil
from pathlib import Path

import torch

from .checkpoint import CODEC, write_settings
from .flite import speak
from .texts import distinct_texts, held_out_texts
from .train import Settings, train
from .train_codec import HEAD_RATE, encode_bank, train_encoder, train_head
from .utterances import load_bank, save_bank

STEPS = ("speech", "encoder", "codes", "head", "model", "evaluate")
CHECKED, CHECKED_SEED, TEXTS_SEED = 100, 7, 101


def main() -> None:
    """Parse the command line and run the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("out/tts"), help="folder for everything that is made")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=STEPS, help="run these steps only")
    parser.add_argument("--texts", type=int, default=17_000, help="texts to train on")
    parser.add_argument("--encoder-minutes", type=float, default=7, help="training of what makes the codes")
    parser.add_argument("--head-minutes", type=float, default=35, help="training of what makes sound of them")
    parser.add_argument("--head-rate", type=float, default=HEAD_RATE, help="its peak learning rate")
    parser.add_argument("--minutes", type=float, default=60, help="training of the language model")
    parser.add_argument("--rate", type=float, default=2e-3, help="its peak learning rate")
    parser.add_argument("--init", type=Path, help="model folder whose language model is trained further")
    parser.add_argument("--codec", type=Path, help="model folder whose codes are kept; only its head is trained")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--model", type=Path, help="model folder to write or to evaluate (default WORK/model)")
    parser.add_argument("--count", type=int, default=1_000, help="texts of each group to evaluate")
    options = parser.parse_args()
    torch.set_num_threads(1)
    work: Path = options.work
    model: Path = options.model or work / "model"
    for folder in (work, model):
        folder.mkdir(parents=True, exist_ok=True)
    training, checked = work / "training.npz", work / "checked.npz"
    if options.codec and not (model / CODEC).is_file():
        shutil.copyfile(options.codec / CODEC, model / CODEC)
    if "speech" in options.only:
        make_speech(training, checked, options.texts)
    if "encoder" in options.only and not options.codec:
        train_encoder(load_bank(training), model / CODEC, options.encoder_minutes, options.seed)
    if "codes" in options.only:
        for path in (training, checked):
            save_bank(path, encode_bank(load_bank(path), model / CODEC))
    if "head" in options.only:
        bank, stored = load_bank(training), model / CODEC
        train_head(bank, stored, stored, options.head_minutes, options.seed, options.head_rate)
    if "model" in options.only:
        write_settings(model)
        settings = Settings(model, options.minutes, options.init, options.rate, seed=options.seed)
        train(load_bank(training), load_bank(checked), settings)
    if "evaluate" in options.only:
        from .evaluate import evaluate, markdown, shuffled, write_results
        from .recognisers import PocketSphinx, SampleRecogniser

        recognisers = {"pocketsphinx": PocketSphinx(work), "sample-asr": SampleRecogniser()}
        found = evaluate(model, held_out_texts(), recognisers, work, options.count)
        write_results(work / "evaluation.json", found)
        print(markdown([*found, *shuffled(found, "sampled")]))


def make_speech(training: Path, checked: Path, count: int) -> None:
    """Speak the texts of both banks, unless they lie there. The test set's texts are left out of both."""
    banned = [text for group in held_out_texts().values() for text in group]
    unseen = distinct_texts(CHECKED, CHECKED_SEED, banned)
    for path, texts in (
        (checked, unseen),
        (training, distinct_texts(count, TEXTS_SEED, [*banned, *unseen])),
    ):
        if not path.is_file():
            save_bank(path, [speak(text, path.parent) for text in texts])
            print(f"{path.name}: {len(texts)} texts", flush=True)


if __name__ == "__main__":
    main()

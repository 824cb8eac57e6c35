"""The whole recipe: banks of speech, training, export, test set, evaluation.

    python -m samples.asr.recipe --minutes 60                       everything, from nothing, into ./out/asr
    python -m samples.asr.recipe --init samples/asr/model           the same, going on from the shipped weights
    python -m samples.asr.recipe --only evaluate --model samples/asr/model

Steps that have their results in the work folder already (banks) are not done again. Needs the extra "samples" and
the programs espeak-ng, flite and festival with the voices kal and ked; no network and no GPU.
"""

import argparse
import json
from pathlib import Path

from .banks import TRAINING_BANKS, make_banks
from .evaluate import evaluate
from .export import export
from .results import markdown
from .testset import held_out_texts, score_testset, write_testset
from .tokens import Tokens
from .train import Settings, train

SHIPPED = Path(__file__).parents[1]
STEPS = ("banks", "train", "export", "testset", "evaluate")


def main() -> None:
    """Parse the command line and run the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("out/asr"), help="folder for everything that is made")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=STEPS, help="run these steps only")
    parser.add_argument("--minutes", type=float, default=60, help="training time")
    parser.add_argument("--init", type=Path, help="start from this checkpoint or exported model")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--flat", type=float, default=0.3, help="part of the time at the peak")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the banks, for trying things out")
    parser.add_argument("--model", type=Path, help="model folder to write or to evaluate (default WORK/model)")
    parser.add_argument("--testset", type=Path, help="test set to complete and score (default WORK/testset)")
    parser.add_argument("--beam", type=int, nargs="+", default=[1], help="beam sizes of the evaluation")
    parser.add_argument("--count", type=int, default=80, help="utterances per row of the evaluation")
    parser.add_argument("--files", type=int, default=10, help="long files per row of the evaluation")
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    model, testset = options.model or work / "model", options.testset or work / "testset"
    settings = Settings(
        work,
        tuple((plan.file, plan.weight) for plan in TRAINING_BANKS),
        options.minutes,
        options.init,
        options.rate,
        options.flat,
        seed=options.seed,
    )
    if "banks" in options.only:
        make_banks(work, held_out_texts(SHIPPED / "testset"), options.scale)
    if "train" in options.only:
        train(settings)
    if "export" in options.only:
        export(settings.checkpoint, Tokens(work / "tokenizer.json"), model)
    if "testset" in options.only:
        write_testset(work, testset)
        print(score_testset(model, testset))
    if "evaluate" in options.only:
        results = [r for beam in options.beam for r in evaluate(model, work, beam, options.count, options.files)]
        (work / "evaluation.json").write_text(
            json.dumps([result.as_json() for result in results], indent=1) + "\n"
        )
        print(markdown(results))


if __name__ == "__main__":
    main()

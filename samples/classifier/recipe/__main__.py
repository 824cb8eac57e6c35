"""The whole recipe: texts, tokenizer, training, evaluation; some minutes on one core, no network.

python -m samples.classifier.recipe                                 everything, into ./out/classifier
python -m samples.classifier.recipe --only evaluate --work samples/classifier    the shipped model
"""

import argparse
import json
import random
from pathlib import Path

from deployments.text_classification.checkpoint import CheckpointConfig, write_checkpoint
from deployments.text_classification.network import NetworkSize
from deployments.text_classification.normalizer import normalize_tweet

from .evaluate import evaluate
from .templates import LABELS
from .texts import training_texts
from .tokenizer import train_tokenizer
from .train import encode, network_size, train

TESTSET = Path(__file__).parents[1] / "testset.jsonl"
STEPS = ("train", "evaluate")
SIZES = sorted(set(NetworkSize.__dataclass_fields__) - {"labels"})


def main() -> None:
    """Parse the command line and run the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("out/classifier"), help="folder for what is made")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=STEPS, help="run these steps only")
    parser.add_argument("--texts", type=int, default=120_000, help="number of texts to train on")
    parser.add_argument("--passes", type=int, default=8, help="how often each is seen")
    parser.add_argument("--sentences", type=int, default=20, help="of each template, to evaluate with")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    model: Path = options.work / "model"
    if "train" in options.only:
        make(model, options.texts, options.passes, options.seed)
    if "evaluate" in options.only:
        results = evaluate(model, TESTSET, options.seed, options.sentences)
        (options.work / "evaluation.json").write_text(json.dumps(results, indent=1) + "\n")
        for name, result in results.items():
            print(f"{name}: {result['accuracy']:.1%} of {result['texts']}, confidence {result['mean_confidence']}")


def make(folder: Path, count: int, passes: int, seed: int) -> None:
    """Train a model and write its folder."""
    texts = training_texts(count, random.Random(seed))
    tokenizer = train_tokenizer(normalize_tweet(text.text) for text in texts)
    network = train(tokenizer, encode(tokenizer, texts), passes, seed)
    size = network_size(tokenizer)
    config = CheckpointConfig(labels=LABELS, **{name: getattr(size, name) for name in SIZES})
    write_checkpoint(folder, config, network.state_dict(), tokenizer.to_str().encode())


if __name__ == "__main__":
    main()

"""Classification over HTTP beside the worker that it replaces: same network, same texts, same cores, one run.

The worker answers one request at a time: normalise, tokenise, a batch of one, no evaluation mode, gradients
recorded. It runs in process, so that it pays for no HTTP. Its model is loaded beforehand, which is kinder than the
original, and once it is loaded with every request, as the original does. The network is RoBERTa-base with random
weights.
"""

import argparse
import itertools
import json
import pickle
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import RobertaConfig, RobertaModel

from benchmarks.serving import ROOT, save, server
from deployments.text_classification.checkpoint import CheckpointConfig, write_checkpoint
from deployments.text_classification.normalizer import normalize_tweet

SAMPLE = ROOT / "samples" / "classifier"
LABELS = ("hate", "abusing", "neutral", "spam")
LEVELS = (1, 32, 256)
BASE = {
    "vocab_size": 50_265,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3_072,
    "max_position_embeddings": 514,
}


class CustomModel(nn.Module):
    """The original's form: transformers' encoder, two linear layers, dropout, log-softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.model = RobertaModel(
            RobertaConfig(**BASE, type_vocab_size=1, pad_token_id=1), add_pooling_layer=False
        )
        self.linear1 = nn.Linear(BASE["hidden_size"], 512)
        self.dropout = nn.Dropout(0.3)
        self.linear2 = nn.Linear(512, len(LABELS))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        first = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state[:, 0]
        logits = self.linear2(self.dropout(torch.relu(self.linear1(first))))
        return torch.log_softmax(logits, dim=-1).exp()


class Worker:
    """The original handler. ``reload`` reads the pickled module and the tokenizer in every call, as it does."""

    def __init__(self, model: CustomModel, pickled: Path, tokenizer: Path, *, reload: bool) -> None:
        self._pickled, self._file, self._reload = pickled, tokenizer, reload
        self._model, self._tokenizer = model, Tokenizer.from_file(str(tokenizer))
        self._one_at_a_time = threading.Lock()

    def __call__(self, text: str) -> dict[str, float]:
        with self._one_at_a_time:
            if self._reload:
                self._model = torch.load(self._pickled, weights_only=False, pickle_module=pickle)
                self._tokenizer = Tokenizer.from_file(str(self._file))
            encoding = self._tokenizer.encode(normalize_tweet(text))
            out = self._model(torch.tensor([encoding.ids]), torch.tensor([encoding.attention_mask]))
            return dict(zip(LABELS, out[0].tolist(), strict=True))


def workload(count: int) -> list[str]:
    """Posts of one or two of the sample's sentences, none of them twice."""
    dice = random.Random(1)
    sentences = [json.loads(line)["text"] for line in (SAMPLE / "testset.jsonl").read_text().splitlines()]
    return [" ".join([*dice.choices(sentences, k=dice.randint(1, 2)), str(number)]) for number in range(count)]


def measure(one: Callable[[str], Any], texts: list[str], clients: int) -> dict[str, float]:
    """Requests per second and latencies, with so many clients at work."""
    latencies: list[float] = []

    def timed(text: str) -> None:
        begin = time.perf_counter()
        one(text)
        latencies.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(timed, texts))
    wall = time.perf_counter() - begin
    ranks = statistics.quantiles(latencies, n=100)
    return {"requests_per_s": len(texts) / wall, "p50_ms": ranks[49] * 1000, "p99_ms": ranks[98] * 1000}


def served(url: str, clients: int) -> Iterator[Callable[[str], Any]]:
    """A client of the server; leaving it closes its connections."""
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    with httpx.Client(timeout=600, limits=limits) as http:

        def classify(text: str) -> None:
            http.post(f"{url}/v1/classify", json={"input": text}).raise_for_status()

        yield classify


def make_models(folder: Path) -> tuple[CustomModel, Path, Path]:
    """The module, the file that it is pickled to, and the folder that we serve: the same weights three times."""
    torch.manual_seed(0)
    module = CustomModel()
    torch.save(module, folder / "model_7")
    config = CheckpointConfig(labels=LABELS, head_size=512, **BASE)
    tensors = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith("_ids")}
    write_checkpoint(folder / "model", config, tensors, (SAMPLE / "model" / "tokenizer.json").read_bytes())
    return module, folder / "model_7", folder / "model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="shorter or longer runs")
    options = parser.parse_args()
    counts = {clients: max(clients, int(max(64, 2 * clients) * options.scale)) for clients in LEVELS}
    texts = workload(max(counts.values()))
    rows: dict[str, dict[int, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as name:
        module, pickled, folder = make_models(Path(name))
        tokenizer = folder / "tokenizer.json"
        engine = {"device": "cpu", "workers": 2, "threads": 2, "max_batch_texts": 16}
        changes = {"source": str(folder), "queue_requests": 1_024}
        worker = Worker(module, pickled, tokenizer, reload=False)

        def take(name: str, one: Callable[[str], Any], clients: int) -> None:
            row = measure(one, texts[: counts[clients]], clients)
            rows.setdefault(name, {}).setdefault(clients, []).append(row)
            print(f"{clients:3d} clients  {name:34s} {row['requests_per_s']:6.1f} requests/s  "
                  f"p50 {row['p50_ms']:7.0f} ms  p99 {row['p99_ms']:7.0f} ms", flush=True)  # fmt: skip

        with (
            server("sample-classifier", **changes, engine={**engine, "dtype": "float32"}) as (exact, _),
            server("sample-classifier", **changes, engine={**engine, "dtype": "bfloat16"}) as (half, _),
        ):
            for clients, _ in itertools.product(LEVELS, range(options.rounds)):
                for label, url in (("Antiphon, float32", exact), ("Antiphon, bfloat16", half)):
                    for classify in served(url, clients):
                        classify(texts[0])
                        take(label, classify, clients)
                worker(texts[0])
                take("worker, model loaded beforehand", worker, clients)
        reloading = Worker(module, pickled, tokenizer, reload=True)
        row = measure(reloading, texts[:8], 1)
        rows["worker, as it is"] = {1: [row]}
        print(f"  1 client   worker, as it is {row['requests_per_s']:.2f} requests/s")
    summary = {name: {str(c): _median(r) for c, r in levels.items()} for name, levels in rows.items()}
    lengths = [
        len(Tokenizer.from_file(str(SAMPLE / "model" / "tokenizer.json")).encode(normalize_tweet(t)).ids)
        for t in texts
    ]
    save("classification", {
        "network": BASE,
        "tokens": {"mean": round(statistics.mean(lengths), 1), "least": min(lengths), "most": max(lengths)},
        "requests": {str(clients): count for clients, count in counts.items()},
        "summary": summary,
        "rounds": {name: {str(c): r for c, r in levels.items()} for name, levels in rows.items()},
    })  # fmt: skip


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(r[key] for r in rounds), 1) for key in rounds[0]}


if __name__ == "__main__":
    main()

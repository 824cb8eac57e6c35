"""What the engine needs of a model, read from one of our own folders or by the transformers library."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from deployments.errors import ModelUnavailable
from deployments.text_classification.checkpoint import TOKENIZER, read_checkpoint
from deployments.text_classification.config import Activation, Normalizer
from deployments.text_classification.network import TweetClassifier

logger = logging.getLogger("ray.serve")

USUAL_MAX_TOKENS = 512  # of models that do not say
LARGEST_MEANT = 1_000_000  # tokenizers without a limit say 1e30
# Models whose positions count from pad_token_id + 1, as RoBERTa's do: the table has more rows than the input may.
POSITIONS_AFTER_PADDING = frozenset({
    "camembert", "data2vec-text", "ibert", "longformer", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta",
    "xlm-roberta-xl", "xmod",
})  # fmt: skip


# Models whose answer for a text stays the same when it is padded on the right and masked, as a test shows.
MASKED = frozenset({
    "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "megatron-bert",
    "modernbert", "mpnet", "rembert", "roberta", "roberta-prelayernorm", "roformer", "xlm-roberta",
    "xlm-roberta-xl",
})  # fmt: skip
Padding = Literal["cheap", "expensive", "unknown"]


@dataclass(frozen=True, slots=True)
class LoadedClassifier:
    """A network of ids (batch, tokens) and mask (batch, tokens), both int64, to logits (batch, labels).

    ``padding`` says what it makes of padding: computes little for it, computes it like text, or does not know it,
    so that only texts of equal length can share a batch.
    """

    network: nn.Module
    tokenizer: Tokenizer
    labels: tuple[str, ...]
    max_tokens: int
    pad_token_id: int
    padding: Padding
    normalizer: Normalizer = "none"
    activation: Activation = "softmax"


def load_own(folder: Path) -> LoadedClassifier:
    """A folder written by ``checkpoint.write_checkpoint``. Raises ModelUnavailable."""
    config, tensors = read_checkpoint(folder)
    with torch.device("meta"):
        network = TweetClassifier(config.size)
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:  # it lists missing, unexpected and misshapen tensors
        raise ModelUnavailable(f"The weights do not fit config.json. {error}") from error
    size = config.size
    return LoadedClassifier(
        network,
        _tokenizer(folder),
        config.labels,
        size.most_tokens,
        size.pad_token_id,
        "cheap",
        normalizer=config.normalizer,
    )


def load_transformers(folder: Path) -> LoadedClassifier:
    """A model for sequence classification, safetensors only, without code of its own. Raises ModelUnavailable."""
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging as library_logging

    library_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # its reports and bars are for those who train
    library_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if not (folder / "config.json").is_file():
        raise ModelUnavailable("The model folder lacks config.json.")
    if not any(folder.glob("*.safetensors")):
        raise ModelUnavailable(
            "The model folder lacks model.safetensors; pickled weights are not read. Save the model again with "
            "save_pretrained of a recent transformers library."
        )
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # of any kind, since the files say which code of the library reads them
        logger.warning("%s cannot be loaded: %s", folder, error)
        raise ModelUnavailable(
            "The files are damaged, or not those of a model for sequence classification. The log says more."
        ) from error
    if invented := sorted(map(str, (*report["missing_keys"], *report.get("mismatched_keys", ())))):
        raise ModelUnavailable(
            f"The weights are not those of a classifier; they lack {', '.join(invented)[:200]}."
        )
    config = model.config
    if config.problem_type == "regression":
        raise ModelUnavailable("This is a regression model: its outputs are no probabilities of labels.")
    independent = config.problem_type == "multi_label_classification" or config.num_labels == 1
    padded = config.pad_token_id is not None
    if not padded:
        config.pad_token_id = -1  # no id is: every token counts as text
    return LoadedClassifier(
        _Logits(model),
        _tokenizer(folder),
        tuple(str(config.id2label[index]) for index in range(config.num_labels)),
        _longest(folder, config),
        config.pad_token_id if padded else 0,
        "expensive" if padded and config.model_type in MASKED else "unknown",
        activation="sigmoid" if independent else "softmax",
    )


class _Logits(nn.Module):
    """A model of the transformers library, whose answer is an object."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self._model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def _longest(folder: Path, config: Any) -> int:
    """The longest input in tokens, as the positions and the tokenizer's own settings permit."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions and config.model_type in POSITIONS_AFTER_PADDING:
        positions -= config.pad_token_id + 1
    stated = _json(folder / "tokenizer_config.json").get("model_max_length")
    limits = [limit for limit in (positions, stated) if isinstance(limit, int) and 0 < limit < LARGEST_MEANT]
    return min(limits, default=USUAL_MAX_TOKENS)


def _tokenizer(folder: Path) -> Tokenizer:
    try:
        if (folder / TOKENIZER).is_file():
            return Tokenizer.from_file(str(folder / TOKENIZER))
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        backend = getattr(tokenizer, "backend_tokenizer", None)
    except Exception as error:  # the library raises Exception itself for a file it cannot read
        logger.warning("the tokenizer in %s cannot be read: %s", folder, error)
        raise ModelUnavailable("The tokenizer's files are damaged. The log has the details.") from error
    if not isinstance(backend, Tokenizer):
        raise ModelUnavailable(f"The model has no tokenizer of the fast kind; it needs a {TOKENIZER}.")
    return backend


def _json(path: Path) -> Mapping[str, Any]:
    try:
        settings = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}

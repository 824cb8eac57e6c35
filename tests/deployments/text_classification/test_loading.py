"""Models for sequence classification as the transformers library saves them, tiny and with random weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import normalizers, processors
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    GPT2Config,
    GPT2ForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLNetConfig,
    XLNetForSequenceClassification,
)

from deployments.errors import ModelUnavailable
from deployments.text_classification.config import TextClassificationConfig
from deployments.text_classification.engine import ClassifierEngine
from deployments.text_classification.loading import MASKED
from tests.deployments.text_classification.support import ROUNDING, SENTENCES, byte_tokenizer

SMALL = {
    "vocab_size": 261,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "pad_token_id": 1,
}
LABELS = {"id2label": {0: "calm", 1: "angry", 2: "sad"}, "label2id": {"calm": 0, "angry": 1, "sad": 2}}


def saved(folder: Path, model: Any) -> Path:
    """The folder, with the model's files and a tokenizer in it."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def engine(folder: Path, **config: Any) -> ClassifierEngine:
    return ClassifierEngine(folder, TextClassificationConfig.model_validate({"source": str(folder), **config}))


def roberta(**changes: Any) -> RobertaForSequenceClassification:
    config = RobertaConfig(**SMALL, max_position_embeddings=66, type_vocab_size=1, **LABELS, **changes)
    return RobertaForSequenceClassification(config).eval()


@torch.inference_mode()
def logits(model: Any, ids: tuple[int, ...]) -> torch.Tensor:
    return model(torch.tensor([ids])).logits[0]


def test_a_roberta_answers_as_the_library_does(tmp_path: Path) -> None:
    model = roberta()
    loaded = engine(saved(tmp_path, model))
    assert loaded.labels == ("calm", "angry", "sad")
    assert loaded.max_tokens == 64, "two positions are never used"
    texts = loaded.encode([sentence for sentence in SENTENCES if len(sentence) < 60])
    for text, row in zip(texts, loaded.run(texts), strict=True):
        assert row == pytest.approx(logits(model, text.ids).softmax(-1).tolist(), abs=1e-5)


def test_independent_labels_have_independent_scores(tmp_path: Path) -> None:
    independent = {"problem_type": "multi_label_classification"}
    config = BertConfig(**SMALL, max_position_embeddings=64, **LABELS, **independent)
    model = BertForSequenceClassification(config).eval()
    loaded = engine(saved(tmp_path, model))
    assert loaded.max_tokens == 64
    texts = loaded.encode(["hello", "what a day this is"])
    for text, row in zip(texts, loaded.run(texts), strict=True):
        assert row == pytest.approx(logits(model, text.ids).sigmoid().tolist(), abs=1e-5)


def test_a_model_without_padding_is_batched_by_equal_length(tmp_path: Path) -> None:
    config = GPT2Config(
        vocab_size=261, n_positions=64, n_embd=32, n_layer=2, n_head=2, pad_token_id=None, **LABELS
    )
    model = GPT2ForSequenceClassification(config).eval()
    loaded = engine(saved(tmp_path, model))
    texts = loaded.encode(["hello", "howdy", "a longer text"])
    assert texts[0].key == texts[1].key != texts[2].key
    for text, row in zip(texts[:2], loaded.run(texts[:2]), strict=True):
        assert row == pytest.approx(logits(model, text.ids).softmax(-1).tolist(), abs=1e-5)


def test_tweets_are_normalised_only_if_told_so(tmp_path: Path) -> None:
    saved(tmp_path, roberta())
    plain, tweets = engine(tmp_path), engine(tmp_path, normalizer="tweet")
    assert plain.encode(["@one hi"]) != plain.encode(["@two hi"])
    assert tweets.encode(["@one hi"]) == tweets.encode(["@two hi"])


def test_the_tokenizers_own_limit_counts(tmp_path: Path) -> None:
    saved(tmp_path, roberta())
    settings = {"model_max_length": 20}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert engine(tmp_path).max_tokens == 20
    settings["model_max_length"] = int(1e30)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert engine(tmp_path).max_tokens == 64


def test_a_regression_is_no_classification(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="regression"):
        engine(saved(tmp_path, roberta(problem_type="regression")))


def test_pickled_weights_are_not_touched(tmp_path: Path) -> None:
    saved(tmp_path, roberta())
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="safetensors"):
        engine(tmp_path)


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path) -> None:
    saved(tmp_path, roberta())
    ran = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(ran)!r}, 'w')\n")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable):
        engine(tmp_path)
    assert not ran.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model_type": 3}', b"\xff\xfe"])
def test_a_broken_configuration_is_said(tmp_path: Path, content: bytes) -> None:
    saved(tmp_path, roberta())
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelUnavailable):
        engine(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 99])
def test_a_broken_tokenizer_is_said(tmp_path: Path, content: bytes) -> None:
    saved(tmp_path, roberta())
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelUnavailable, match="tokenizer"):
        engine(tmp_path)


def test_weights_that_do_not_fit_are_said(tmp_path: Path) -> None:
    saved(tmp_path, roberta())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    with pytest.raises(ModelUnavailable):
        engine(tmp_path)


def test_weights_without_a_trained_head_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, BertModel(BertConfig(**SMALL, max_position_embeddings=64)))
    with pytest.raises(ModelUnavailable, match="classifier"):
        engine(tmp_path)


def test_a_text_without_tokens_is_classified(tmp_path: Path) -> None:
    saved(tmp_path, roberta())
    tokenizer = byte_tokenizer()
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True)
    tokenizer.post_processor = processors.Sequence([])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    loaded = engine(tmp_path)
    (text,) = loaded.encode(["\x01"])
    assert len(text.ids) == 1
    assert sum(loaded.run([text])[0]) == pytest.approx(1)


TINY = {
    "vocab_size": 261, "hidden_size": 32, "embedding_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": 200, "pad_token_id": 1, "num_labels": 3,
    "pooler_hidden_size": 32, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64,
    "input_embedding_size": 16, "output_embedding_size": 16,
    "true_hidden_size": 32, "intra_bottleneck_size": 32, "num_feedforward_networks": 1,
    "relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"],
    "cls_token_id": 0, "sep_token_id": 2, "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(MASKED))
def test_padding_changes_nothing_for_the_kinds_that_are_batched_with_it(kind: str, tmp_path: Path) -> None:
    usual = AutoConfig.for_model(kind)
    sizes = {name: value for name, value in TINY.items() if name == "num_labels" or hasattr(usual, name)}
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(kind, **sizes)).eval()
    loaded = engine(saved(tmp_path, model))
    texts = loaded.encode(["hello", "a text that is somewhat longer than the first", "middling text"])
    together = loaded.run(texts)
    for text, row in zip(texts, together, strict=True):
        assert row == pytest.approx(loaded.run([text])[0], abs=ROUNDING)
    assert together[0] != pytest.approx(together[1], abs=1e-4), "the answers should differ"


def test_other_kinds_are_batched_by_equal_length(tmp_path: Path) -> None:
    model = XLNetForSequenceClassification(
        XLNetConfig(vocab_size=261, d_model=32, n_layer=2, n_head=2, d_inner=64, pad_token_id=1, **LABELS)
    ).eval()
    loaded = engine(saved(tmp_path, model))
    texts = loaded.encode(["hello", "howdy", "a longer text"])
    assert texts[0].key == texts[1].key != texts[2].key

"""Classification's messages: what they ask for, and what is answered."""

from collections.abc import Sequence

from deployments.text_classification.types import ClassificationRequest, TextScores
from serve_app.grpc.errors import UnsuitableModel
from serve_app.grpc.protos import classification_pb2, hate_speech_pb2

LABELS = ("abusing", "hate", "neutral", "spam")


def read_prompt(message: hate_speech_pb2.data, request_id: str) -> ClassificationRequest:
    """The one text to classify. Raises InvalidRequest."""
    return ClassificationRequest.of(message.input.prompt, param="input.prompt", request_id=request_id)


def read_texts(message: classification_pb2.ClassifyRequest, request_id: str) -> ClassificationRequest:
    """The texts to classify. Raises InvalidRequest."""
    return ClassificationRequest.of(
        list(message.texts), param="texts", model=message.model or None, request_id=request_id
    )


def four_scores(text: str, scores: TextScores) -> hate_speech_pb2.output:
    """The answer to a prompt. Raises UnsuitableModel if a label is missing."""
    missing = [label for label in LABELS if label not in scores.scores]
    if missing:
        raise UnsuitableModel(
            f"The classification model of this server has no label {', '.join(missing)}. Call "
            "antiphon.v1.Classification/Classify, which answers with the labels of any model."
        )
    by_label = {label: scores.scores[label] for label in LABELS}
    return hate_speech_pb2.output(output=hate_speech_pb2.results(text=text, **by_label), status="COMPLETED")


def all_scores(scores: Sequence[TextScores], model: str) -> classification_pb2.ClassifyResponse:
    """The answer to texts, in their order."""
    results = (
        classification_pb2.TextScores(
            scores=one.scores, label=one.label, tokens=one.tokens, truncated=one.truncated
        )
        for one in scores
    )
    return classification_pb2.ClassifyResponse(results=results, model=model)

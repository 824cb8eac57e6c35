"""What the newest ``ivrit`` package sends, and how it reads what comes back."""

from typing import Any

import ivrit

MODEL = "org/some-name"


def payload(**arguments: Any) -> dict[str, Any]:
    """The input that the newest client sends for a call of ``transcribe``."""
    model: Any = ivrit.load_model(engine="runpod", model=MODEL, api_key="key", endpoint_id="transcribe")
    kind = next(name for name in ("path", "blob", "url") if name in arguments)
    source = arguments.pop(kind)
    options = {"word_timestamps": True, "extra_data": True} | arguments.pop("output_options", {})
    defaults = {"language": None, "diarize": False, "diarization_args": None, "verbose": False}
    found = model._build_payload(kind=kind, source=source, output_options=options, **{**defaults, **arguments})
    job_input: dict[str, Any] = found["input"]
    return job_input


def decoded(output: list[list[dict[str, Any]]]) -> list[ivrit.types.Segment]:
    """The segments of a typed stream, as the client makes them: it fails on any key that it does not know."""
    found = []
    for entries in output:
        (one,) = entries
        if one["type"] == "segments":
            found += [ivrit.types.Segment(**element) for element in one["data"]]
    return found

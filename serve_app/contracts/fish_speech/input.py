"""A job's input as the body of ``POST /v1/tts`` that it is, read by the same parser."""

import hashlib
from dataclasses import replace

from deployments.errors import InvalidRequest, PayloadTooLarge
from serve_app.concurrency import run_off_loop
from serve_app.contracts.contract import JobContext, JobInput
from serve_app.contracts.options import model_name
from serve_app.request_id import request_id
from serve_app.tasks.speech.fish_parse import parse_tts
from serve_app.tasks.speech.parsed import ParsedSpeech

SEED_BITS = 31  # what every client, in whatever language, can send back


async def read_input(job_input: JobInput, context: JobContext) -> ParsedSpeech:
    """What the job asks for. Without a ``seed`` it gets the one of its id, so that every attempt says the same.

    Raises Unprocessable and InvalidRequest with the field that is wrong, PayloadTooLarge, VoiceNotFound,
    ModelNotFound.
    """
    model = model_name(job_input.get("model"), context)
    context.gateway.models.resolve("speech", model)
    fields = {**_with_voice(job_input), "model": model}
    if fields.get("seed") is None:
        fields["seed"] = seed_of(context.job_id)
    large = bool(job_input.get("references"))
    parsed = await run_off_loop(lambda: parse_tts(fields, request_id=request_id(context.job_id)), large=large)
    if sum(len(audio.data) for audio in parsed.references) > context.upload_bytes:
        raise PayloadTooLarge(
            f"`references` hold more than the {context.upload_bytes} bytes that are taken. Send compressed audio.",
            param="references",
        )
    return replace(parsed, request=parsed.request.model_copy(update={"deadline": context.deadline}))


def seed_of(job_id: str) -> int:
    """The seed of a job that names none."""
    digest = hashlib.sha256(job_id.encode(errors="replace")).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)


def _with_voice(job_input: JobInput) -> JobInput:
    """The input without ``voice``, which is another name of ``reference_id``."""
    voice, rest = job_input.get("voice"), {key: job_input[key] for key in job_input if key != "voice"}
    if voice is None:
        return rest
    if not isinstance(voice, str):
        raise InvalidRequest("`voice` has to be the id of a voice, as text.", param="voice")
    if rest.get("reference_id") not in (None, voice):
        raise InvalidRequest("`voice` and `reference_id` mean the same; send only one of them.", param="voice")
    return {**rest, "reference_id": voice}

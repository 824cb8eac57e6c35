"""The voice library as the hosted service shows it: entities, and how they are chosen and sorted."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AliasChoices, Field

from deployments.fish_speech.types import Voice
from serve_app.tasks.speech.fish_fields import FishBody

AUTHOR = {"_id": "antiphon", "nickname": "Antiphon", "avatar": ""}


class VoiceQuery(FishBody):
    """What ``GET /model`` is asked for. Filters that are absent let everything pass."""

    page_size: int = Field(10, ge=1, le=1_000, description="Voices of one page.")
    page_number: int = Field(1, ge=1, le=1_000_000, description="The page, from 1 on.")
    title: str | None = Field(None, description="A part of the title, in any case.")
    tag: list[str] = Field([], description="Tags of which it has at least one.")
    self_only: bool = Field(
        False, validation_alias=AliasChoices("self", "self_only"), description="Only voices that can be changed."
    )
    author_id: str | None = Field(None, description=f"Only `{AUTHOR['_id']}` is an author here.")
    language: list[str] = Field([], description="Languages of which it has at least one.")
    title_language: list[str] = Field([], description="Taken, but of no effect.")
    sort_by: Literal["task_count", "created_at"] = Field(
        "task_count", description="`created_at` has the newest first; by `task_count` they are sorted by id."
    )
    model: str | None = Field(None, max_length=256, description="The model whose voices they are.")


def page_of(voices: Iterable[Voice], query: VoiceQuery) -> dict[str, Any]:
    """``{total, items}``: how many voices there are, and those of the page."""
    matching = [voice for voice in voices if _is_wanted(voice, query)]
    if query.sort_by == "created_at":
        matching.sort(key=lambda voice: -voice.created)
    begin = (query.page_number - 1) * query.page_size
    return {
        "total": len(matching),
        "items": [entity(voice) for voice in matching[begin : begin + query.page_size]],
    }


def entity(voice: Voice) -> Mapping[str, Any]:
    """A voice with all fields of the hosted service's. What nobody counts here is 0."""
    return {
        "_id": voice.id,
        "type": "tts",
        "title": _title(voice),
        "description": voice.details.description,
        "cover_image": "",
        "train_mode": "fast",
        "state": "trained",
        "tags": list(voice.details.tags),
        "samples": [_sample(voice, number, text) for number, text in enumerate(voice.texts, 1)],
        "created_at": _time(voice.created),
        "updated_at": _time(voice.updated),
        "languages": list(voice.details.languages),
        "visibility": "public" if voice.shipped else "private",
        "lock_visibility": True,
        **dict.fromkeys(("like_count", "mark_count", "shared_count", "task_count"), 0),
        "liked": False,
        "marked": False,
        "author": AUTHOR,
    }


def _is_wanted(voice: Voice, query: VoiceQuery) -> bool:
    return (
        not (query.self_only and voice.shipped)
        and (query.title or "").casefold() in _title(voice).casefold()
        and query.author_id in (None, "", AUTHOR["_id"])
        and _overlap(query.tag, voice.details.tags)
        and _overlap(query.language, voice.details.languages)
    )


def _overlap(wanted: Sequence[str], present: Sequence[str]) -> bool:
    return not wanted or not set(wanted).isdisjoint(present)


def _title(voice: Voice) -> str:
    return voice.details.title or voice.id


def _sample(voice: Voice, number: int, text: str) -> dict[str, str]:
    return {"title": f"Recording {number}", "text": text, "task_id": f"{voice.id}-{number}", "audio": ""}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")

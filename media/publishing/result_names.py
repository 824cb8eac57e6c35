"""Names of published results: paths that every store takes, with the extension of their content type."""

EXTENSIONS = {
    "application/json": ".json",
    "application/jsonl": ".jsonl",
    "application/x-ndjson": ".ndjson",
    "application/x-subrip": ".srt",
    "application/zip": ".zip",
    "audio/aac": ".aac",
    "audio/flac": ".flac",
    "audio/mp4": ".m4a",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/opus": ".opus",
    "audio/pcm": ".pcm",
    "audio/wav": ".wav",
    "audio/wave": ".wav",
    "audio/webm": ".webm",
    "audio/x-flac": ".flac",
    "audio/x-wav": ".wav",
    "text/plain": ".txt",
    "text/tab-separated-values": ".tsv",
    "text/vtt": ".vtt",
}
_KNOWN = tuple({*EXTENSIONS.values(), ".mp4", ".mkv", ".mov", ".wma"})


def named_for(name: str, content_type: str) -> str:
    """The name with the extension of its content type, in place of one of another type.

    ``talk.mp3`` that is ``audio/wav`` becomes ``talk.wav``; a name of a type not in the table stays as it is.
    """
    extension = EXTENSIONS.get(content_type.split(";")[0].strip().lower())
    if extension is None:
        return name
    stem = name
    if name.lower().endswith(_KNOWN):
        stem = name[: name.rindex(".")]
    return stem + extension


def checked_path(path: str, what: str, longest: int = 300) -> str:
    """The path without slashes at its ends; it may be empty. ``longest`` is in bytes of UTF-8.

    Raises ``ValueError`` with a sentence that starts with ``what``.
    """
    path = path.strip("/")
    bad = not path.isprintable() or len(path.encode()) > longest
    if bad or (path and any(part in ("", ".", "..") for part in path.split("/"))):
        raise ValueError(
            f"{what} is a path of at most {longest} bytes, such as results/today, without dots as parts."
        )
    return path

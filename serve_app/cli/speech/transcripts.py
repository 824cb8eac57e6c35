"""What is said in recordings: in an argument, in a file that it names, in a file beside the recording."""

from pathlib import Path

import click

ENDINGS = (".lab", ".txt")
LONGEST_NAME = 255


def beside(recording: Path) -> str | None:
    """The text of the file beside a recording, None if there is none. Raises UsageError for no text."""
    return next((_read(path) for path in map(recording.with_suffix, ENDINGS) if path.is_file()), None)


def transcript_of(recording: Path, option: str) -> str:
    """The same; raises UsageError if there is none, and names the option that says it."""
    text = beside(recording)
    if text is None:
        name = recording.with_suffix(ENDINGS[0]).name
        raise click.UsageError(f"There is no {name} beside {recording}; give what is said by {option}.")
    return text


def text_of(argument: str) -> str:
    """A text, or what is in the text file that it names. Raises UsageError for a file of another kind."""
    if argument.endswith(ENDINGS) and len(argument) <= LONGEST_NAME and Path(argument).is_file():
        return _read(Path(argument))
    return argument


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{path} is no text in UTF-8.") from error

"""Why a file is not converted, in words that are safe to print."""

import contextlib
from collections.abc import Collection, Iterable, Iterator

from deployments.errors import ClientError

MOST_SHOWN = 40  # names in one sentence
LONGEST_SHOWN = 100  # characters of one name


class ConversionRefused(ClientError):
    """The file is not converted. ``names`` are the globals that it names, as far as it was read."""

    def __init__(self, message: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.names = names


def shown(names: Iterable[str]) -> str:
    """Names that came out of a file, for a sentence: no control characters, not too long, not too many."""
    every = list(names)
    texts = [name.encode("unicode_escape").decode("ascii") for name in every[:MOST_SHOWN]]
    cut = [text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..." for text in texts]
    return ", ".join(cut) + (f" and {len(every) - MOST_SHOWN} more" if len(every) > MOST_SHOWN else "")


@contextlib.contextmanager
def naming(names: Collection[str]) -> Iterator[None]:
    """Add the names read so far, a collection that grows while the file is read, to any refusal."""
    try:
        yield
    except ConversionRefused as error:
        read = tuple(names)
        sentence = f"The file names {shown(read)}; none of it was run." if read else "The file names no globals."
        raise ConversionRefused(f"{error.message} {sentence}", read) from error

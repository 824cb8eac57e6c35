"""Texts of clients, checked, and values in the words of an error message."""

from deployments.errors import InvalidRequest

SHOWN = 40  # characters of a wrong value that a message repeats


def check_text(text: str, name: str, *, param: str, remedy: str) -> None:
    """Raise InvalidRequest for a text that is empty, blank, or no Unicode.

    Its sentence calls the text ``name`` and says after a blank one what to do: ``remedy``. ``param`` is the field.
    """
    check_not_blank(text, name, param=param, remedy=remedy)
    check_unicode(text, name, param=param)


def check_not_blank(text: str, name: str, *, param: str, remedy: str) -> None:
    """The part of ``check_text`` that refuses empty and blank texts."""
    if not text.strip():
        raise InvalidRequest(f"{name} is {'blank' if text else 'empty'}; {remedy}.", param=param)


def check_unicode(text: str, name: str, *, param: str) -> None:
    """The part of ``check_text`` that refuses half a surrogate pair. Takes time in proportion to the text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            f"{name} holds half of a surrogate pair at character {error.start + 1}; send whole characters.",
            param=param,
        ) from error


def kind_of(value: object) -> str:
    """What a value is that should have been a text: what comes after "not"."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value!r}"[:SHOWN]
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case bytes():
            return "bytes"
    return "another value"

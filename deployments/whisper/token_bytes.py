"""The bytes behind a token of a byte-level vocabulary (GPT-2's alphabet: a printable character per byte)."""

from faster_whisper.tokenizer import Tokenizer


def _alphabet() -> dict[str, int]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


ALPHABET = _alphabet()


def token_bytes(tokenizer: Tokenizer, token: int) -> bytes:
    """UTF-8 bytes of a text token; a part of a character is possible."""
    written: str = tokenizer.tokenizer.id_to_token(token) or ""
    return bytes(ALPHABET[character] for character in written if character in ALPHABET)

"""The whole way: a pickled module and a tokenizer's source in, a checkpoint folder out."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import torch
from safetensors import SafetensorError

from deployments.text_classification.checkpoint import CheckpointConfig, write_checkpoint
from deployments.text_classification.conversion import hate_speech
from deployments.text_classification.conversion.container import CheckpointContainer
from deployments.text_classification.conversion.module_tree import tensors_of
from deployments.text_classification.conversion.records import Record
from deployments.text_classification.conversion.refusal import ConversionRefused, naming
from deployments.text_classification.conversion.tensors import read_tensors
from deployments.text_classification.conversion.tokenizer import read_tokenizer
from deployments.text_classification.conversion.unpickler import InertUnpickler


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was converted: ``sha256`` of the file that was read, the globals that it names, the tensors that were
    left out, the settings that were assumed since the file does not say them, the number and the types of the
    tensors that were kept, and how many numbers they hold.
    """

    config: CheckpointConfig
    sha256: str
    names: tuple[str, ...]
    left_out: tuple[str, ...]
    assumed: tuple[str, ...]
    tensors: int
    parameters: int
    dtypes: tuple[str, ...]


def convert(model: Path, out: Path, tokenizer: str, *, sha256: str | None = None) -> Conversion:
    """Turn the file ``model`` into the folder ``out``, which is whole afterwards or not there.

    ``tokenizer`` is the model source of the tokenizer, ``sha256`` the hash that ``model`` has to have. Raises
    ConversionRefused for a file that is not understood, ModelUnavailable for a tokenizer that cannot be had.
    """
    out = out.resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConversionRefused(f"{out} is there already; name a folder that is new or empty.")
    with _opened(model) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 is not None and digest != sha256.lower():
            raise ConversionRefused(f"The SHA-256 of {model} is {digest}, not {sha256}; nothing was read.")
        container = CheckpointContainer(file)
        unpickler = InertUnpickler(container.pickle)
        with naming(unpickler.names):
            saved = unpickler.read()
            views, left_out = hate_speech.split(tensors_of(saved))
            settings = hate_speech.encoder_settings(saved) if isinstance(saved, Record) else {}
            config = hate_speech.configuration(views, settings)
        content = read_tokenizer(tokenizer, config.vocab_size)
        tensors = read_tensors(container, views)
    return Conversion(
        config=_write(out, config, tensors, content),
        sha256=digest,
        names=tuple(unpickler.names),
        left_out=tuple(left_out),
        assumed=hate_speech.assumed(config, settings),
        tensors=len(tensors),
        parameters=sum(tensor.numel() for tensor in tensors.values()),
        dtypes=tuple(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()})),
    )


@contextlib.contextmanager
def _opened(model: Path) -> Iterator[BufferedReader]:
    if not model.is_file():
        raise ConversionRefused(f"{model} is no file.")
    try:
        with model.open("rb") as file:
            yield file
    except OSError as error:
        raise ConversionRefused(f"{model} cannot be read: {error.strerror or error}.") from error


def _write(
    out: Path, config: CheckpointConfig, tensors: Mapping[str, torch.Tensor], tokenizer: bytes
) -> CheckpointConfig:
    """Write the folder beside its place, then rename it."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        whole = write_checkpoint(partial, config, tensors, tokenizer)
        partial.rename(out)
    except (OSError, SafetensorError) as error:
        raise ConversionRefused(f"The folder {out} cannot be written: {error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return whole

"""Models of the Hugging Face Hub, kept in the Hub client's cache (``HF_HOME``), read with ``HF_TOKEN``.

The client writes every file under another name first, checks its size and continues broken downloads.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import huggingface_hub
import huggingface_hub.constants
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from deployments.errors import ModelUnavailable
from deployments.model_store.environment import broken_off, disk_error, offline, require_space
from deployments.model_store.progress import Meter, OnProgress
from deployments.model_store.source import HubSource, wanted


def fetch(source: HubSource, patterns: Sequence[str] | None, on_progress: OnProgress) -> Path:
    """The cached snapshot of a repository, downloaded if it is not complete. Raises ModelUnavailable."""
    label = f"{source.repo}@{source.revision}"
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                source.repo,
                revision=source.revision,
                allow_patterns=None if patterns is None else list(patterns),
                local_files_only=offline(),
                tqdm_class=_bars(source, patterns, on_progress),
            )
        )
        _verify(folder, source, patterns, label)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ModelUnavailable(_not_found(error, source)) from error
    except LocalEntryNotFoundError as error:
        raise ModelUnavailable(_not_here(error, source)) from error
    except HfHubHTTPError as error:
        raise ModelUnavailable(_refused(error, label)) from error
    except ModelUnavailable:
        raise
    except OSError as error:
        raise disk_error(error, label) from error
    except Exception as error:  # of the client's HTTP library, of its native chunk store, ...
        raise broken_off(error, label) from error
    return folder


def _files(source: HubSource, patterns: Sequence[str] | None) -> dict[str, int]:
    """Wanted files and their sizes in bytes as the Hub listed them; nothing if it has not done so yet."""
    try:
        tree = huggingface_hub.get_cached_repo_tree(source.repo, revision=source.revision)
    except CachedRepoTreeNotFoundError:
        return {}
    return {file.path: file.size for file in tree if wanted(file.path, patterns)}


def _verify(folder: Path, source: HubSource, patterns: Sequence[str] | None, label: str) -> None:
    sizes = _files(source, patterns)
    if not sizes and not any(wanted(path.name, patterns) for path in folder.glob("*")):
        raise ModelUnavailable(
            f"The repository {label} holds none of the files of a model: {', '.join(patterns or '*')}."
        )
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            raise ModelUnavailable(
                f"The file {name} of {label} is damaged in the cache. Remove it and start again."
            )


def _not_found(error: HfHubHTTPError, source: HubSource) -> str:
    if isinstance(error, RevisionNotFoundError):
        return f"The repository {source.repo} has no revision {source.revision!r}."
    if isinstance(error, GatedRepoError):
        return (
            f"The repository {source.repo} is gated. Ask for access on its page, then set HF_TOKEN to a "
            "token of that account."
        )
    return (
        f"The Hub has no repository {source.repo}, or the token in HF_TOKEN may not read it. Check the name; "
        "a private repository needs a token that can read it."
    )


def _not_here(error: LocalEntryNotFoundError, source: HubSource) -> str:
    label = f"{source.repo}@{source.revision}"
    if offline():
        return (
            f"{label} is not complete in the cache, and HF_HUB_OFFLINE or ANTIPHON_OFFLINE forbids to "
            "download it. Unset it once, or copy the cache (HF_HOME) from a machine that has the model."
        )
    cause = error.__cause__
    if isinstance(cause, HfHubHTTPError):
        return _refused(cause, label)
    return f"The Hub cannot be reached, and {label} is not complete in the cache. Check the network."


def _refused(error: HfHubHTTPError, label: str) -> str:
    status = error.response.status_code
    if status in (401, 403):
        return f"The Hub does not let {label} be read ({status}). Set HF_TOKEN to a token that can read it."
    if status == 429:
        return f"The Hub has too many requests from here ({status}) to deliver {label}. Set HF_TOKEN, or wait."
    return f"The Hub did not deliver {label}: it answered {status}. Try again later."


class _Bar:
    """What the Hub client takes for a progress bar. Those that count bytes move the meter, others nothing.

    One bar counts bytes from the network and another one bytes on disk; the one that is ahead is believed.
    """

    open_meter: ClassVar[Any]

    def __init__(self, *_: object, unit: str = "it", total: float | None = None, **__: object) -> None:
        self._meter: Meter | None = type(self).open_meter() if unit == "B" else None
        self.n, self.total = 0.0, total
        self.format_dict: dict[str, Any] = {}

    def update(self, count: float | None = 1) -> None:
        """``count`` more units are done."""
        self.n += count or 0
        if self._meter is not None:
            self._meter.reach(self.n)

    def refresh(self, *_: object, **__: object) -> None:
        """Nothing is drawn."""

    set_description = set_description_str = set_postfix_str = close = refresh

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""


def _bars(source: HubSource, patterns: Sequence[str] | None, on_progress: OnProgress) -> Any:
    """A class of bars that share one meter. The first bar is made when the list of files is known."""
    meters: list[Meter] = []

    def open_meter() -> Meter:
        if not meters:
            missing = {
                name: size
                for name, size in _files(source, patterns).items()
                if not huggingface_hub.try_to_load_from_cache(source.repo, name, revision=source.revision)
            }
            total = sum(missing.values())
            cache = Path(huggingface_hub.constants.HF_HUB_CACHE)
            require_space(next(place for place in (cache, *cache.parents) if place.exists()), total, source.repo)
            meters.append(Meter(on_progress, total))
        return meters[0]

    return type("_Bars", (_Bar,), {"open_meter": staticmethod(open_meter)})

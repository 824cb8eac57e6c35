"""Where a model comes from: three spellings, parsed and validated; which of its files are wanted."""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from deployments.errors import InvalidRequest

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SPELLINGS = "a local folder, hf://org/name@revision or s3://bucket/prefix"


@dataclass(frozen=True, slots=True)
class LocalSource:
    """A folder on this machine, absolute or relative to the working directory or to the project."""

    path: str


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the Hugging Face Hub at a revision: a commit hash, a tag or a branch."""

    repo: str
    revision: str

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit hash, which names the same files for ever."""
        return _COMMIT.fullmatch(self.revision) is not None


@dataclass(frozen=True, slots=True)
class S3Source:
    """All objects below ``prefix/`` of a bucket; an empty prefix means the whole bucket."""

    bucket: str
    prefix: str


Source = LocalSource | HubSource | S3Source


def parse_source(text: str) -> Source:
    """Take a source's spelling apart. Raises ValueError with a sentence that says what to change."""
    scheme, separator, rest = text.partition("://")
    if not text or "\0" in text or text != text.strip():
        raise ValueError(f"a model source is {_SPELLINGS}")
    if not separator:
        return LocalSource(text)
    match scheme:
        case "hf":
            return _hub(rest)
        case "s3":
            return _s3(rest)
    raise ValueError(f"the scheme {scheme}:// is not known; a model source is {_SPELLINGS}")


def _hub(rest: str) -> HubSource:
    repo, _, revision = rest.partition("@")
    if not revision:
        raise ValueError(
            f"the source hf://{repo} names no revision; pin one, best a commit hash: "
            f"hf://{repo or 'org/name'}@<hash>"
        )
    if not _is_repo(repo):
        raise ValueError(f"{repo!r} is no repository of the form org/name")
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise ValueError(f"{revision!r} is no revision: a commit hash, a tag or a branch is needed")
    return HubSource(repo, revision)


def _s3(rest: str) -> S3Source:
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{bucket!r} is no bucket name; the form is s3://bucket/prefix")
    if any(part in ("", ".", "..") for part in prefix.split("/")) and prefix:
        raise ValueError(f"the prefix {prefix!r} has an empty or a dotted part")
    return S3Source(bucket, prefix)


def _is_repo(name: str) -> bool:
    return _REPO.fullmatch(name) is not None and ".." not in name and "--" not in name


def hub_source(repo: str) -> str:
    """The source of a Hub repository that a request names as ``org/name``: its newest state.

    The caller has found the name on its allow-list. Raises InvalidRequest if it cannot be a repository.
    """
    if not _is_repo(repo):
        raise InvalidRequest(
            f"The model {repo!r} cannot be loaded on demand: a name of the form org/name is needed.",
            param="model",
        )
    return f"hf://{repo}@main"


def wanted(name: str, patterns: Sequence[str] | None) -> bool:
    """Whether a file, named by its path below the model's folder, matches one of the patterns."""
    return patterns is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _validated(text: str) -> str:
    parse_source(text)
    return text


ModelSource = Annotated[str, AfterValidator(_validated)]

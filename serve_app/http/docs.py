"""``/``, ``/openapi.json`` and ``/docs``: a page made from the OpenAPI document, which needs no other server."""

import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from serve_app.fields.schema_words import expectation
from serve_app.http.errors import Json
from serve_app.http.openapi import openapi

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h2 { border-bottom: 1px solid; margin-top: 3rem } h2 span { font: 600 .8em monospace; opacity: .6 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; padding: .3rem }
tr { border-bottom: 1px solid #8884 } code { font-size: .95em } small { opacity: .7 }
@media (prefers-color-scheme: dark) { body { background: #15181c; color: #dde } a { color: #8bf } }
"""


def routes(*, jobs: bool = False) -> list[Route]:
    """The three routes. What they answer is the same for everybody, so it is made once and needs no key.

    ``jobs`` is whether there is a job service.
    """
    document, page = _document_and_page(jobs)

    async def index(request: Request) -> Response:
        return Json({"name": "Antiphon", "version": document["info"]["version"], "docs": "docs", "api": "v1"})

    async def show_openapi(request: Request) -> Response:
        return Json(document)

    async def show_docs(request: Request) -> Response:
        return HTMLResponse(page)

    return [
        Route("/", index, methods=["GET"]),
        Route("/openapi.json", show_openapi, methods=["GET"]),
        Route("/docs", show_docs, methods=["GET"]),
    ]


@cache
def _document_and_page(jobs: bool) -> tuple[Mapping[str, Any], str]:
    """The document and its page; all applications of a process share them."""
    document = openapi(_version(), jobs=jobs)
    return document, docs_page(document)


def docs_page(document: Mapping[str, Any]) -> str:
    """A self-contained HTML page: every operation with its fields and answers."""
    info = document["info"]
    body = "\n".join(
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{info['title']} API</title>"
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>"
        f"<h1>{info['title']} <small>{_text(info['version'])}</small></h1><p>{_text(info['description'])} "
        f"The same as a document: <a href=openapi.json>openapi.json</a>.</p>{body}</html>"
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<h2><span>{method.upper()}</span> {_text(path)}</h2><p>{_text(operation['summary'])} "]
    parts.append(f"{_text(operation.get('description', ''))}</p>")
    if "requestBody" in operation:
        content = next(iter(operation["requestBody"]["content"].values()))  # the same fields in every encoding
        parts.append("<table><tr><th>Field<th>Value<th>Default<th>Meaning")
        parts.extend(_field(name, schema) for name, schema in content["schema"]["properties"].items())
        parts.append("</table>")
    parts.append("<table><tr><th>Status<th>Answer")
    parts.extend(_answer(status, answer) for status, answer in operation["responses"].items())
    return "".join([*parts, "</table>"])


def _field(name: str, schema: Mapping[str, Any]) -> str:
    default = json.dumps(schema["default"], ensure_ascii=False) if "default" in schema else ""
    return (
        f"<tr><td><code>{_text(name)}</code><td>{_text(expectation(schema))}<td>{_text(default)}"
        f"<td>{_text(schema['description'])}"
    )


def _answer(status: str, answer: Mapping[str, Any]) -> str:
    kinds = ", ".join(answer.get("content", ()))
    return f"<tr><td>{status}<td>{_text(answer['description'])} <small>{_text(kinds)}</small>"


def _text(text: str) -> str:
    """Escaped text, whose `code` is set as such."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _version() -> str:
    try:
        return metadata.version("antiphon")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "0"

"""What all settings are made of."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Settings(BaseModel):
    """A part of the configuration: unknown keys are errors, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no network such as 127.0.0.0/8 or 10.1.2.3/32") from error
    return value


def _origin(value: str) -> str:
    origin = value.lower()
    if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s/?#@*]+", origin):
        raise ValueError(f"{value!r} is no origin such as https://app.example.org or http://localhost:3000")
    return origin


Network = Annotated[str, AfterValidator(_network)]
"""A network as CIDR text."""

Origin = Annotated[str, AfterValidator(_origin)]
"""Scheme, host and port of web pages in lower case, as browsers send it, or ``*``."""

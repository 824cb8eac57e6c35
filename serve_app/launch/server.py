"""Runs a configuration file in this process: Ray, Serve, the graph, until a signal ends it."""

import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Self

import ray
from ray import serve

from serve_app.config.app import AppConfig
from serve_app.config.serve_yaml.load import Options, ServeConfig, ServedApplication
from serve_app.failures import StartFailed
from serve_app.launch.proxy_answers import ROUTE_PREFIXES
from serve_app.launch.readiness import ReadinessWatch, Say, last_exception
from serve_app.launch.shutdown import shut_down

Builder = Callable[[AppConfig, Mapping[str, Options]], serve.Application]
LOST_AFTER_S = 60.0
OBJECT_STORE_BYTES = 1 << 30  # uploads on their way; more of them spill to disk instead of filling the memory
GRPC_LIMIT = "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE"  # of Serve's proxies, in bytes; 2 GiB by default
ANY, LOOPBACK = "0.0.0.0", "127.0.0.1"  # noqa: S104 - compared with, not bound


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the command line changes. ``address`` None starts a Ray of our own; a port of 0 takes a free one."""

    host: str | None = None
    port: int | None = None
    grpc_port: int | None = None
    address: str | None = None
    dashboard: bool = False
    verbose: bool = False
    ready_timeout_s: float = 1_800.0


class Stopped(BaseException):
    """A signal asked for the end. A BaseException, so that no `except Exception` on the way handles it."""


def _say(line: str) -> None:
    print(line, flush=True)


def run(
    config: ServeConfig, options: ServerOptions | None = None, *, build: Builder | None = None, say: Say = _say
) -> int:
    """Serve until SIGINT or SIGTERM. The exit status: 0 after a signal, 1 with the reason on stderr.

    ``build`` makes the graph of one application, Antiphon's own by default. Call in the main thread.
    """
    with _Signals() as signals:
        server = _Server(config, options or ServerOptions(), build or _own_graph)
        try:
            say("Antiphon starts; this takes some seconds.")
            server.start(signals)
            server.wait(say)
            server.stay()
        except (StartFailed, Stopped) as error:
            if isinstance(error, StartFailed) and not signals.came:  # else it failed because it was interrupted
                print(f"\n{error}\n{server.logs}".rstrip(), file=sys.stderr, flush=True)
                return 1
            say("Antiphon stops. A second signal ends it at once.")
        finally:
            signals.end_at_once()
            server.stop()
    return 0


class _Server:
    def __init__(self, config: ServeConfig, options: ServerOptions, build: Builder) -> None:
        self._config, self._options, self._build = config, options, build
        self._http, self._grpc = dict(config.http_options), dict(config.grpc_options)
        if options.host is not None:
            self._http["host"] = options.host
        if options.port is not None:
            self._http["port"] = options.port
        if options.grpc_port is not None:
            self._grpc["port"] = options.grpc_port
        self._speaks_grpc = config.proxy_location != "Disabled" and bool(self._grpc["grpc_servicer_functions"])
        self.logs = ""

    def start(self, signals: "_Signals") -> None:
        """Start Ray, Serve and the applications. Raises StartFailed."""
        if self._options.address is None:
            self._http["port"] = free_port(self._http["host"], self._http["port"])
            if self._speaks_grpc:
                self._grpc["port"] = free_port(ANY, self._grpc["port"], option="--grpc-port")
                if self._grpc["port"] == self._http["port"]:
                    raise StartFailed(f"HTTP and gRPC cannot both listen on port {self._http['port']}.")
        prefixes = [app.route_prefix for app in self._config.applications if app.route_prefix]
        os.environ[ROUTE_PREFIXES] = ",".join(prefixes)
        targets = [self._target(app) for app in self._config.applications]
        try:
            self._start_ray()
            signals.catch()  # Ray has put its own handler of SIGTERM there
            serve.start(
                proxy_location=self._config.proxy_location,
                http_options=self._http,
                grpc_options=self._grpc,
                logging_config=self._config.logging_config,
                tracing_config=self._config.tracing_config,
                controller_options=self._config.controller_options,
            )
            serve.run_many(targets, wait_for_applications_running=False)
        except StartFailed:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {last_exception(str(error))}"
            raise StartFailed(f"Ray did not start.\n    {reason}") from error

    def wait(self, say: Say) -> None:
        """Return when every model is ready. Raises StartFailed."""
        reachable = self._config.proxy_location != "Disabled" and not self._http["ssl_certfile"]
        host = {ANY: LOOPBACK, "::": "::1"}.get(self._http["host"], self._http["host"])
        url = spelled_url({**self._http, "host": host}) if reachable else None
        ReadinessWatch(self._config, url, say).wait(self._options.ready_timeout_s)
        say(f"Antiphon listens on {spelled_url(self._http)}")
        if self._speaks_grpc:
            remote = any(app.config.grpc.remote_clients for app in self._config.applications)
            say(f"gRPC listens on port {self._grpc['port']}, for {'all machines' if remote else 'this machine'}")

    def stay(self) -> None:
        """Wait for a signal. Raises StartFailed if Serve, which heals whatever it can, is gone for a minute."""
        seen = time.monotonic()
        while time.monotonic() - seen < LOST_AFTER_S:
            time.sleep(5)
            with contextlib.suppress(Exception):
                serve.status()
                seen = time.monotonic()
        raise StartFailed("Ray has ended, or Serve's controller does not come back.")

    def stop(self) -> None:
        """Let requests end, for half a minute at most, while new ones are refused; then stop everything."""
        shut_down()

    def _target(self, app: ServedApplication) -> serve.api.RunTarget:
        try:
            graph = self._build(app.config, app.overrides)
        except Exception as error:
            raise StartFailed(f"The graph could not be built.\n    {type(error).__name__}: {error}") from error
        return serve.api.RunTarget(
            graph,
            name=app.name,
            route_prefix=app.route_prefix,
            logging_config=app.logging_config,
            external_scaler_enabled=app.external_scaler_enabled,
        )

    def _start_ray(self) -> None:
        environments = [app.runtime_env for app in self._config.applications if app.runtime_env]
        if any(one != environments[0] for one in environments):
            raise StartFailed("Applications with different runtime_env can only be deployed with `serve deploy`.")
        largest = max(app.config.grpc.message_bytes for app in self._config.applications)
        os.environ.setdefault(GRPC_LIMIT, str(largest))  # larger messages are then refused before they are read
        level = logging.INFO if self._options.verbose else logging.WARNING
        context = ray.init(
            address=self._options.address or "local",
            namespace="serve",
            include_dashboard=self._options.dashboard if self._options.address is None else None,
            log_to_driver=self._options.verbose,
            logging_level=level,
            runtime_env=environments[0] if environments else None,
            object_store_memory=OBJECT_STORE_BYTES if self._options.address is None else None,
        )
        if session := getattr(context, "address_info", {}).get("session_dir"):
            self.logs = f"Logs: {session}/logs/serve"
        logging.getLogger("ray.serve").setLevel(level)


def _own_graph(config: AppConfig, overrides: Mapping[str, Options]) -> serve.Application:
    from serve_app.graph.app import build_graph

    return build_graph(config, overrides)


class _Signals:
    """Within the block, the first SIGINT or SIGTERM raises Stopped and the second one ends the process."""

    def __init__(self) -> None:
        self.came = False
        self._before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def catch(self) -> None:
        """Take the signals over, also from whoever took them in between."""
        for number in self._before:
            signal.signal(number, self._stop)

    def end_at_once(self) -> None:
        """From now on every signal ends the process: it stops already."""
        self.came = True
        self.catch()

    def __enter__(self) -> Self:
        self.catch()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.came:
            os._exit(128 + number)
        self.came = True
        raise Stopped


def free_port(host: str, port: int, *, option: str = "--port") -> int:
    """The port, if it can be listened on; a free one for 0. Raises StartFailed, which names the ``option``."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                reason = f"Another program listens on port {port} of {host}. Stop it, or choose another {option}."
            case errno.EACCES:
                reason = f"Port {port} needs privileges. Choose one above 1023 with {option}."
            case _:
                reason = f"{host} is no address of this machine ({error.strerror}). Choose another --host."
        raise StartFailed(reason) from error


def spelled_url(http: Mapping[str, Any]) -> str:
    """The URL of a server with these ``http_options``."""
    host = f"[{http['host']}]" if ":" in http["host"] else http["host"]
    return f"{'https' if http['ssl_certfile'] else 'http'}://{host}:{http['port']}{http['root_path']}"

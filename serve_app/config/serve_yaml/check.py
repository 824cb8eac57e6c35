"""Everything that is checked in a Serve configuration file, and in which order it is reported."""

import difflib
import importlib
from dataclasses import dataclass
from typing import Any

from ray.serve.schema import DeploymentSchema, ServeDeploySchema

from deployments.model_store import find_local, parse_source
from deployments.model_store.source import HubSource, LocalSource
from serve_app.config.app import AppConfig
from serve_app.config.models import RESERVED_IDS
from serve_app.config.serve_yaml.document import ConfigProblems, Document, Place, Problem
from serve_app.config.serve_yaml.strict import hidden_models, strip_unknown, validate

GRPC_SERVICER = "serve_app.grpc:add_services"


@dataclass(frozen=True, slots=True)
class Checked:
    """A file without problems: as Serve reads it, and the ``args`` of each of its applications."""

    schema: ServeDeploySchema
    configs: tuple[AppConfig, ...]
    warnings: tuple[Problem, ...]


def check(document: Document, builder: str) -> Checked:
    """Check a file. Raises ConfigProblems with everything that is wrong."""
    return _Checker(document, builder).check()


def own_deployments(config: AppConfig | None) -> list[str]:
    """Names of the deployments that are no models; all that there can be for a configuration that is wrong."""
    return sorted(RESERVED_IDS - ({"runner"} if config is not None and config.jobs is None else set()))


class _Checker:
    def __init__(self, document: Document, builder: str) -> None:
        self._document, self._builder = document, builder
        self._problems: list[Problem] = list(document.repeated)
        self._warnings: list[Problem] = []

    def check(self) -> Checked:
        """See the function."""
        raw = self._document.data
        if not isinstance(raw, dict):
            self._report((), "must be a mapping with the keys of Ray Serve's configuration file")
            raise ConfigProblems(self._document.path, self._problems)
        data = strip_unknown(ServeDeploySchema, raw, (), self._report)
        self._explicit_host(data)
        self._servicers(data)
        apps = _list(data, "applications")
        configs = [self._application(app, ("applications", index)) for index, app in enumerate(apps)]
        if data.get("applications") == []:
            self._report(("applications",), "must name at least one application")
        # What is inside of an application was checked above; this looks at the file around them.
        outline = data | ({"applications": [_outline(app) for app in apps]} if apps else {})
        validate(ServeDeploySchema, outline, (), self._report)
        schema = None if self._problems else validate(ServeDeploySchema, data, (), self._report)
        if schema is None:
            raise ConfigProblems(self._document.path, self._problems)
        warnings = sorted(self._warnings, key=lambda warning: warning.line or 0)
        return Checked(schema, tuple(filter(None, configs)), tuple(warnings))

    def _application(self, app: Any, place: Place) -> AppConfig | None:
        if not isinstance(app, dict):
            return None
        path = app.get("import_path")
        if isinstance(path, str) and path != self._builder:
            self._report((*place, "import_path"), f"must be {self._builder}{_import_error(path)}")
        for key in ("host", "port"):
            if key in app:
                self._report((*place, key), "belongs to http_options")
        args = strip_unknown(AppConfig, app.get("args", {}), (*place, "args"), self._report)
        config = validate(AppConfig, args, (*place, "args"), self._report, self._warn)
        ids = [model.id for model in config.models] if config else _raw_ids(args)
        seen: set[str] = set()
        for index, entry in enumerate(_list(app, "deployments")):
            where = (*place, "deployments", index)
            if isinstance(entry, dict):
                self._deployment(entry, where, [*own_deployments(config), *ids], seen)
            else:
                self._report(where, "must be a mapping")
        if config is not None:
            self._sources(config, (*place, "args", "models"))
            self._queues(config, app, place)
        return config

    def _deployment(self, entry: dict[str, Any], place: Place, known: list[str], seen: set[str]) -> None:
        name = entry.get("name")
        if isinstance(name, str):
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
                self._report((*place, "name"), f"the graph has no deployment {name!r}{hint}")
            elif name in seen:
                self._report((*place, "name"), f"the deployment {name!r} is given twice")
            seen.add(name)
        rest = dict(entry)
        if isinstance(entry.get("num_replicas"), int) and entry.get("autoscaling_config") is not None:
            self._report(
                (*place, "num_replicas"), "cannot be a number beside autoscaling_config; remove one of them"
            )
            del rest["num_replicas"]
        for field, model, many in hidden_models(DeploymentSchema):
            value = rest.get(field)
            if isinstance(value, dict) and not many:
                validated = [validate(model, value, (*place, field), self._report, self._warn)]
            elif isinstance(value, list) and many:
                places = ((*place, field, i) for i in range(len(value)))
                validated = [
                    validate(model, v, w, self._report, self._warn) for v, w in zip(value, places, strict=True)
                ]
            else:
                continue
            if None in validated:
                del rest[field]
        validate(DeploymentSchema, rest, place, self._report)

    def _explicit_host(self, data: dict[str, Any]) -> None:
        options = data.get("http_options")
        if data.get("proxy_location") == "Disabled" or (isinstance(options, dict) and options.get("host")):
            return
        self._report(
            ("http_options", "host"),
            "must be given; Serve's own default is 0.0.0.0, every network the machine is in",
        )

    def _servicers(self, data: dict[str, Any]) -> None:
        options = data.get("grpc_options")
        place = ("grpc_options", "grpc_servicer_functions")
        for index, path in enumerate(_list(options, place[1]) if isinstance(options, dict) else ()):
            if not isinstance(path, str) or path == GRPC_SERVICER:
                continue
            if error := _import_error(path):
                self._report((*place, index), f"must be {GRPC_SERVICER}{error}")
            else:
                self._warn((*place, index), f"is not Antiphon's; calls of Antiphon need {GRPC_SERVICER}")

    def _sources(self, config: AppConfig, place: Place) -> None:
        for index, model in enumerate(config.models):
            where = (*place, index, "config", "source")
            match parse_source(model.config.source) if model.config.source else None:
                case HubSource() as source if not source.pinned:
                    self._warn(where, f"the revision {source.revision!r} can move; pin a commit hash")
                case LocalSource(path) if find_local(path) is None:
                    self._warn(where, f"there is no folder {path!r} on this machine")

    def _queues(self, config: AppConfig, app: dict[str, Any], place: Place) -> None:
        queues = {model.id: model.config.queue_requests for model in config.models}
        for index, entry in enumerate(_list(app, "deployments")):
            options = entry if isinstance(entry, dict) else {}
            limit, queue = options.get("max_ongoing_requests"), queues.get(options.get("name", ""))
            if isinstance(limit, int) and queue is not None and limit <= queue:
                self._warn(
                    (*place, "deployments", index, "max_ongoing_requests"),
                    f"should be above the model's queue_requests ({queue}): what is beyond it waits in Serve's "
                    "router instead of being answered 429",
                )

    def _report(self, place: Place, message: str) -> None:
        problem = Problem(place, message, self._document.line(place))
        if problem not in self._problems:
            self._problems.append(problem)

    def _warn(self, place: Place, message: str) -> None:
        self._warnings.append(Problem(place, message, self._document.line(place)))


def _list(data: dict[str, Any], key: str) -> list[Any]:
    """The list at ``key``; empty if there is something else, which the schema reports."""
    value = data.get(key)
    return value if isinstance(value, list) else []


def _outline(app: Any) -> Any:
    """An application without what is checked on its own."""
    if not isinstance(app, dict):
        return app
    checked = {"host", "port"} | {key for key in ("args", "deployments") if isinstance(app.get(key), dict | list)}
    return {key: value for key, value in app.items() if key not in checked}


def _raw_ids(args: Any) -> list[str]:
    models = args.get("models") if isinstance(args, dict) else None
    return [m["id"] for m in models or () if isinstance(m, dict) and isinstance(m.get("id"), str)]


def _import_error(path: str) -> str:
    module, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    try:
        imported = getattr(importlib.import_module(module), name)
    except Exception as error:  # the module's own code runs
        return f"; {path} cannot be imported: {type(error).__name__}: {error}"
    return "" if callable(imported) else f"; {path} is no function"

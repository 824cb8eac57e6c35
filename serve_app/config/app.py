"""The application's configuration: the ``args:`` of the Serve YAML, as one model that refuses unknown keys.

Secrets are not in it; they come from the environment (``ANTIPHON_API_KEYS``, ``HF_TOKEN``, AWS's own names).
"""

from pydantic import Field, model_validator

from serve_app.config.jobs import JobsConfig
from serve_app.config.models import AnyEntry, ClassifiedEntry
from serve_app.config.settings import Network, Origin, Settings
from serve_app.config.tasks import BUILT_IN_ENDPOINTS, CONTRACT_TASKS


class HttpConfig(Settings):
    """Limits of the HTTP entrance."""

    upload_bytes: int = Field(128 * 1024**2, ge=1, description="largest request body")
    request_timeout_s: float = Field(3_600, gt=0, description="longest time a request may take")
    retries: int = Field(2, ge=0, le=10, description="tries again after the death of a replica")
    cors_origins: tuple[Origin, ...] = Field(
        (), description="origins (`https://app.example.org`) whose web pages may call the API; `*` for all"
    )


class GrpcConfig(Settings):
    """Limits of the gRPC entrance, which Serve opens on every network that the machine is in."""

    remote_clients: bool = Field(False, description="whether other machines are answered")
    message_bytes: int = Field(128 * 1024**2, ge=4 * 1024**2, lt=2 * 1024**3, description="largest request")


class FetchConfig(Settings):
    """Limits of URLs that requests name."""

    max_bytes: int = Field(2 * 1024**3, ge=1)
    timeout_s: float = Field(600, gt=0)
    max_redirects: int = Field(5, ge=0, le=20)
    allowed_networks: tuple[Network, ...] = Field(
        (), description="networks (CIDR) that may be reached although they are not public"
    )


class AppConfig(Settings):
    """Everything about the graph that is not a deployment option. Without ``jobs`` there is no job service."""

    models: tuple[AnyEntry, ...] = Field(min_length=1)
    http: HttpConfig = HttpConfig()
    grpc: GrpcConfig = GrpcConfig()
    fetch: FetchConfig = FetchConfig()
    jobs: JobsConfig | None = None

    def only(self, entry: AnyEntry) -> "AppConfig":
        """This configuration without jobs and with one model, which it need not have had, and the classifier that
        the model names.
        """
        name = entry.classifier if isinstance(entry, ClassifiedEntry) else None
        used = tuple(model for model in self.models if name is not None and model.id == name)
        return self.model_copy(update={"models": (*used, entry), "jobs": None})

    @model_validator(mode="after")
    def _names_are_unique(self) -> "AppConfig":
        seen: set[str] = set()
        for name in (name for model in self.models for name in (model.id, *model.aliases)):
            if name in seen:
                raise ValueError(f"the model name {name!r} is given twice")
            seen.add(name)
        tasks = {model.task for model in self.models}
        for task in tasks:
            defaults = [model.id for model in self.models if model.task == task and model.default]
            if len(defaults) > 1:
                raise ValueError(f"more than one default model for {task}: {', '.join(defaults)}")
        return self

    @model_validator(mode="after")
    def _endpoints_have_models(self) -> "AppConfig":
        known = {name: model for model in self.models for name in (model.id, *model.aliases)}
        for name, endpoint in (self.jobs.endpoints if self.jobs else {}).items():
            model = known.get(endpoint.model)
            if model is None:
                models = ", ".join(sorted(model.id for model in self.models))
                raise ValueError(
                    f"the endpoint {name!r} is for {endpoint.model!r}, which is no model here; models: {models}"
                )
            if CONTRACT_TASKS.get(endpoint.contract or "", model.task) != model.task:
                raise ValueError(
                    f"the contract {endpoint.contract!r} of the endpoint {name!r} does not go with {model.id!r}, "
                    f"which does {model.task}"
                )
            if name.removesuffix("-legacy") in {*BUILT_IN_ENDPOINTS, *(model.id for model in self.models)}:
                raise ValueError(f"there is an endpoint {name!r} already; give yours another name")
        return self

    @model_validator(mode="after")
    def _classifiers_exist(self) -> "AppConfig":
        known = {model.id: model for model in self.models}
        for model in self.models:
            name = model.classifier if isinstance(model, ClassifiedEntry) else None
            if name is not None and (name not in known or known[name].task != "classification"):
                raise ValueError(f"the classifier {name!r} of {model.id!r} is no text-classification model here")
            if name is not None and known[name].config.source is None:
                raise ValueError(f"the classifier {name!r} of {model.id!r} needs a source of its own")
        return self

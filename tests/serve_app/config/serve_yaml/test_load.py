"""A file read into types; overrides mean what Serve means."""

from pathlib import Path

import pytest
import yaml
from ray import serve
from ray.serve._private.application_state import override_deployment_info
from ray.serve._private.deployment_info import DeploymentInfo
from ray.serve.schema import ServeApplicationSchema

from serve_app.config.serve_yaml.load import deployment_options, load
from tests.serve_app.config.serve_yaml.files import GOOD

CONFIGS = Path(__file__).parents[4] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_files_are_right_and_raise_no_doubt(path: Path) -> None:
    config = load(path)
    assert not config.warnings
    assert config.http_options["host"]
    for app in config.applications:
        assert set(app.overrides) == set(app.deployments), "each deployment's options are spelt out"


def test_a_file_is_read_into_types(tmp_path: Path) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text(GOOD)
    config = load(path)
    (app,) = config.applications
    assert (app.name, app.route_prefix) == ("antiphon", "/")
    assert app.config.models[0].config.source == "samples/asr/model"
    assert app.overrides == {"sample-asr": {"max_ongoing_requests": 300, "ray_actor_options": {"num_cpus": 0}}}
    assert app.deployments == ("ingress", "states", "sample-asr")
    assert config.proxy_location == "EveryNode"
    assert config.http_options["port"] == 8000
    assert config.grpc_options["port"] == 9000
    assert config.raw["applications"][0]["name"] == "antiphon"


@serve.deployment(
    max_ongoing_requests=7, max_surge_percent=100, ray_actor_options={"num_cpus": 0, "num_gpus": 0.5}
)
class Example:
    """A deployment with options in its code."""


@pytest.mark.parametrize(
    "entry",
    [
        "{max_ongoing_requests: 9, max_queued_requests: 3, backpressure_config: {status_code: 429}}",
        "{num_replicas: 3, graceful_shutdown_timeout_s: 5, health_check_period_s: 2, health_check_timeout_s: 4}",
        "{num_replicas: auto, max_surge_percent: 50}",
        "{num_replicas: auto, autoscaling_config: {max_replicas: 5, target_ongoing_requests: 3}}",
        "{autoscaling_config: {min_replicas: 0, max_replicas: 2, downscale_to_zero_delay_s: 9}}",
        "{ray_actor_options: {num_gpus: 1, runtime_env: {env_vars: {B: '3'}}}, user_config: {a: [1]}}",
        "{ray_actor_options: {resources: {x: 1}, label_selector: {gpu: h200}}, max_replicas_per_node: 1}",
        "{logging_config: {encoding: JSON}, request_router_config: {request_routing_stats_period_s: 5}}",
        "{placement_group_bundles: [{CPU: 2, GPU: 1}], placement_group_strategy: PACK}",
    ],
)
def test_overrides_mean_what_serve_makes_of_them(entry: str) -> None:
    runtime_env = {"env_vars": {"A": "1", "B": "2"}}
    override = {"name": "Example", **yaml.safe_load(entry)}
    app = {"import_path": "a:b", "runtime_env": runtime_env, "deployments": [override]}
    info = DeploymentInfo(Example._deployment_config, Example._replica_config, 0, "job")
    expected = override_deployment_info({"Example": info}, ServeApplicationSchema.model_validate(app))["Example"]
    made = Example.options(**deployment_options(override, runtime_env))
    unlike = {"user_configured_option_names"}
    if override.get("num_replicas") == "auto":
        unlike.add("num_replicas")  # Serve clears it, `options` leaves it; beside autoscaling it has no meaning
    ours, theirs = (c.model_dump(exclude=unlike) for c in (made._deployment_config, expected.deployment_config))
    assert ours == theirs
    if "ray_actor_options" in override:
        assert made.ray_actor_options == expected.replica_config.ray_actor_options
    for name in ("placement_group_bundles", "placement_group_strategy", "max_replicas_per_node"):
        assert getattr(made._replica_config, name) == getattr(expected.replica_config, name)


def test_what_options_do_not_know_is_left_to_serve() -> None:
    assert deployment_options({"name": "x", "rolling_update_percentage": 0.5, "num_replicas": 2}) == {
        "num_replicas": 2
    }

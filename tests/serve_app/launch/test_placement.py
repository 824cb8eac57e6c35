"""The hint about CPUs and GPUs is given where it is true, and only there."""

import pytest

from serve_app.launch.placement import waits_to_be_scheduled, why_it_waits


def waiting_message(required: str, available: str, replicas: int = 1) -> str:
    """What Serve says of replicas that have no process after half a minute."""
    return (
        f"Deployment 'ingress' in application 'antiphon' has {replicas} replicas that have taken more than 30s to "
        "be scheduled. This may be due to waiting for the cluster to auto-scale or for a runtime environment to "
        f"be installed. Resources required for each replica: {required}, total resources available: {available}. "
        "Use `ray status` for more details."
    )


@pytest.mark.parametrize(
    ("required", "available"),
    [
        ("{}", "{}"),  # num_cpus: 0, on a machine that is busy
        ('{"CPU": 1.0}', '{"CPU": 1.0}'),
        ('{"CPU": 0.5, "GPU": 0.25}', '{"CPU": 7.0, "GPU": 0.5}'),
        ("UNKNOWN", "UNKNOWN"),
        ('[{"CPU": 1.0}, {"GPU": 1.0}]', "{}"),  # Serve says nothing true about the rest of a placement group
    ],
)
def test_enough_of_everything(required: str, available: str) -> None:
    message = waiting_message(required, available)
    assert waits_to_be_scheduled(message)
    assert why_it_waits(message) == "has waited 30 s for Ray to start its process; Ray goes on trying"


@pytest.mark.parametrize(
    ("required", "available", "said"),
    [
        (
            '{"CPU": 1.0}',
            "{}",
            "1 CPU, of which 0 are left; ray_actor_options: {num_cpus: 0} under `deployments` makes a CPU no "
            "condition",
        ),
        (
            '{"CPU": 1.0, "GPU": 1.0}',
            '{"CPU": 3.0, "GPU": 0.5}',
            "1 GPU, of which 0.5 are left; a fraction, such as ray_actor_options: {num_gpus: 0.5} under "
            "`deployments`, lets replicas share one",
        ),
        ('{"tpu-v5": 2.0, "CPU": 0.5}', '{"CPU": 1.0}', "2 tpu-v5, of which 0 are left"),
    ],
)
def test_too_little(required: str, available: str, said: str) -> None:
    assert why_it_waits(waiting_message(required, available)) == f"waits for a place: a replica asks for {said}"


def test_other_messages() -> None:
    assert not waits_to_be_scheduled("Deployment 'a' has 1 replicas that have taken more than 30s to initialize.")
    assert not waits_to_be_scheduled("")

"""``python -m serve_app.runpod_worker --config configs/runpod.yaml``"""

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from serve_app.launch import environment
from serve_app.runpod_worker import machine
from serve_app.runpod_worker import options as command_line
from serve_app.runpod_worker.options import WorkerOptions
from serve_app.runpod_worker.startup_proxy import StartupProxy, ports

if TYPE_CHECKING:
    from serve_app.config.serve_yaml.load import ServeConfig
    from serve_app.runpod_worker.service import Runtime

EVERYWHERE = "0.0.0.0"  # noqa: S104 - RunPod's load balancer comes from outside


def main() -> int:
    """The exit status: 0 after a signal, 1 if the worker cannot start or a test input failed, 2 if it was started
    wrongly. Call in the main thread.
    """
    options = command_line.read(sys.argv[1:])
    sys.argv[1:] = options.rest  # what is left is read by RunPod's SDK
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    front: StartupProxy | None = None
    if options.load_balancing:
        try:
            front = StartupProxy(
                ports(), host=EVERYWHERE, probe=os.environ.get("HEALTH_CHECK_PATH") or "/ping"
            )  # before everything that takes time
        except (OSError, ValueError) as error:
            return _refuse(f"The worker cannot listen: {error}")
    machine.use_hub_cache(os.environ)
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")  # it would take SIGTERM, and abort
    environment.prepare(new_cluster=True)
    if "RUNPOD_LOG_LEVEL" not in os.environ:  # the SDK's own default writes every output into the log
        os.environ.setdefault("RUNPOD_DEBUG_LEVEL", "INFO")
    os.environ.setdefault(
        "RUNPOD_SKIP_GPU_CHECK", "true"
    )  # it would load the GPU beside the models, which are a check

    from serve_app.config.serve_yaml.document import ConfigProblems
    from serve_app.config.serve_yaml.load import load
    from serve_app.failures import StartFailed

    try:
        config = load(options.config)
    except (ConfigProblems, OSError) as error:
        return _refuse(str(error))
    if len(config.applications) != 1:
        return _refuse("A worker serves one application; the configuration has another number of them.")
    try:
        if front is not None:
            _balance(config, options, front)
        else:
            _work(config, options)
    except (StartFailed, RuntimeError, ValueError) as error:
        return _refuse(str(error), 1)
    return 0


def _work(config: "ServeConfig", options: WorkerOptions) -> None:
    from serve_app.runpod_worker.service import Service

    (app,) = config.applications
    runtime = _runtime(config, options, None)
    service = Service(app.config, runtime, contract=options.contract, lost=_end)
    try:
        from serve_app.runpod_worker import sdk  # takes its time, while the models load

        sdk.start(service, sdk.concurrency(model.config.queue_requests for model in app.config.models))
    finally:
        service.close()


def _balance(config: "ServeConfig", options: WorkerOptions, front: StartupProxy) -> None:
    from serve_app.runpod_worker import load_balancing

    if options.runtime == "local":
        http: load_balancing.HttpServer = load_balancing.InProcessServer(config.applications[0].config)
        runtime = _runtime(config, options, None)
    else:
        from serve_app.launch.server import free_port

        port = free_port("127.0.0.1", 0)
        http, runtime = load_balancing.ServesItself(port), _runtime(config, options, port)
    load_balancing.run(front, runtime, http)


def _runtime(config: "ServeConfig", options: WorkerOptions, port: int | None) -> "Runtime":
    if options.runtime == "local":
        from serve_app.graph.in_process import InProcess

        return InProcess(config.applications[0].config)
    from serve_app.runpod_worker.cluster import Cluster

    return Cluster(config, machine.find(), port=port, ready_timeout_s=options.ready_timeout_s, say=_say)


def _say(line: str) -> None:
    print(line, flush=True)


def _refuse(reason: str, status: int = 2) -> int:
    print(reason, file=sys.stderr, flush=True)
    return status


def _leave(number: int, frame: FrameType | None) -> None:
    """Until RunPod's SDK puts its own handler there, which lets jobs end."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


def _end() -> None:
    """The models are gone: end as if RunPod had asked for it, so that it starts another worker."""
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())

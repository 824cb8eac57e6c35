"""A cluster of two Ray nodes on this machine with a runner on each; run as a program, because it owns its Ray.

``python -m tests.launch.two_nodes CONFIG.json PORT``: prints ``ready`` and ends with its standard input.
"""

import json
import sys
from pathlib import Path

import ray
from ray import serve
from ray.cluster_utils import Cluster

from serve_app.config.app import AppConfig
from serve_app.graph.app import build_graph

OPTIONS = {
    "runner": {"num_replicas": 2, "max_replicas_per_node": 1, "health_check_period_s": 1},
    "ingress": {},
    "states": {},
    "sample-asr": {},
    "sample-classifier": {},
}
FREE = {"ray_actor_options": {"num_cpus": 0}, "graceful_shutdown_timeout_s": 0}


def main() -> None:
    """Start, wait, stop."""
    config = AppConfig.model_validate(json.loads(Path(sys.argv[1]).read_text()))
    size = {"num_cpus": 4, "object_store_memory": 150 * 1024**2}
    cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    cluster.add_node(**size)
    ray.init(address=cluster.address, namespace="serve", log_to_driver=False)
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
    serve.run(build_graph(config, {name: {**FREE, **more} for name, more in OPTIONS.items()}))
    print("ready", flush=True)
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()

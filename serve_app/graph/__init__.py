"""The deployments: the graph, its ingress and runner, the same as plain objects, a case per family."""

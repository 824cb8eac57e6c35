"""A configuration for the graph of ``tests.launch.echo_server``; DESCRIPTION says how its second model behaves."""

CONFIG = """
proxy_location: HeadOnly
http_options: {host: 127.0.0.1}
applications:
  - name: echo
    import_path: serve_app:build
    args:
      models:
        - {id: quick, config: {source: samples/asr/model}}
        - {id: other-one, description: DESCRIPTION, config: {allow: ["org/*"], load: on_demand}}
    deployments:
      - {name: quick, ray_actor_options: {num_cpus: 0}, graceful_shutdown_timeout_s: 1}
      - {name: other-one, ray_actor_options: {num_cpus: 0}, graceful_shutdown_timeout_s: 1}
"""

"""A right file, to be made wrong."""

GOOD = """
http_options: {host: 127.0.0.1, port: 8000}
applications:
  - name: antiphon
    import_path: serve_app:build
    args:
      models:
        - id: sample-asr
          aliases: [other]
          config: {source: samples/asr/model}
    deployments:
      - name: sample-asr
        max_ongoing_requests: 300
        ray_actor_options: {num_cpus: 0}
"""

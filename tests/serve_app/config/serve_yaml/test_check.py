"""Everything that is wrong is found at once, and said with its line."""

from pathlib import Path
from typing import Any

import pytest

from serve_app.config.serve_yaml.load import load
from tests.serve_app.config.serve_yaml.files import GOOD


def test_everything_is_reported_at_once_with_its_place_and_line(problems: Any) -> None:
    assert problems(
        """
proxy_locaton: HeadOnly
http_options: {port: eighty, location: HeadOnly}
applications:
  - name: antiphon
    import_path: serve_app:build
    port: 8000
    args:
      models:
        - id: sample-asr
          config:
            sorce: samples/asr/model
            engine: {workers: 0, device: tpu}
        - id: other
          config: {source: hf://org/name}
      http: {retries: many}
    deployments:
      - name: sample-asr
        max_ongoing_request: 1
        num_replicas: 2
        autoscaling_config: {min_replicas: -1, max_replica: 3}
        backpressure_config: {status: 429}
        ray_actor_options: {num_gpu: 1, num_cpus: -1}
      - name: smple-asr
        request_router_config: {request_router_class: "no_such_module:Router"}
      - {num_replicas: 1}
"""
    ) == [
        "2: proxy_locaton: unknown key; did you mean proxy_location?",
        "3: http_options.host: must be given; Serve's own default is 0.0.0.0, every network the machine is in",
        "3: http_options.location: unknown key; known are host, keep_alive_timeout_s, port, request_timeout_s, "
        "root_path, ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_keyfile_password",
        "3: http_options.port: must be a valid integer, not 'eighty'",
        "7: applications[0].port: belongs to http_options",
        "12: applications[0].args.models[0].config.sorce: unknown key; did you mean source?",
        "13: applications[0].args.models[0].config.engine.device: must be 'cpu', 'cuda' or 'auto', not 'tpu'",
        "13: applications[0].args.models[0].config.engine.workers: must be greater than or equal to 1, not 0",
        "15: applications[0].args.models[1].config.source: the source hf://org/name names no revision; pin one, "
        "best a commit hash: hf://org/name@<hash>",
        "16: applications[0].args.http.retries: must be a valid integer, not 'many'",
        "19: applications[0].deployments[0].max_ongoing_request: unknown key; did you mean max_ongoing_requests?",
        "20: applications[0].deployments[0].num_replicas: cannot be a number beside autoscaling_config; "
        "remove one of them",
        "21: applications[0].deployments[0].autoscaling_config.max_replica: unknown key; "
        "did you mean max_replicas?",
        "21: applications[0].deployments[0].autoscaling_config.min_replicas: "
        "must be greater than or equal to 0, not -1",
        "22: applications[0].deployments[0].backpressure_config.status: unknown key; did you mean status_code?",
        "23: applications[0].deployments[0].ray_actor_options.num_cpus: "
        "must be greater than or equal to 0, not -1",
        "23: applications[0].deployments[0].ray_actor_options.num_gpu: unknown key; did you mean num_gpus?",
        "24: applications[0].deployments[1].name: the graph has no deployment 'smple-asr'; "
        "did you mean sample-asr?",
        "25: applications[0].deployments[1].request_router_config: "
        "ModuleNotFoundError: No module named 'no_such_module'",
        "26: applications[0].deployments[2].name: is missing",
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("name: antiphon", "name: antiphon\n    name: b"), "name: is given twice; the first is in line 4"),
        (("aliases: [other]", "aliases: [sample-asr]"), "the model name 'sample-asr' is given twice"),
        (("id: sample-asr", "id: ingress"), "the id 'ingress' is taken by a deployment of the graph itself"),
        (("id: sample-asr", "id: Sample ASR"), "models[0].id: String should match pattern"),
        (("serve_app:build", "serve_app:biuld"), "must be serve_app:build; serve_app:biuld cannot be"),
        (("serve_app:build", "no_such.app:build"), "no_such.app:build cannot be imported: ModuleNotFoundError"),
        (("serve_app:build", "json:dumps"), "applications[0].import_path: must be serve_app:build"),
        (("    import_path: serve_app:build\n", ""), "4: applications[0].import_path: is missing"),
        (("host: 127.0.0.1, ", ""), "2: http_options.host: must be given"),
        (("max_ongoing_requests: 300", "max_ongoing_requests: many"), "must be a valid integer, not 'many'"),
        (("max_ongoing_requests: 300", "max_queued_requests: 0"), "max_queued_requests must be -1 (no limit)"),
        (("max_ongoing_requests: 300", "max_constructor_retry_count: 1"), "retry_count: unknown key"),
        (("- name: sample-asr\n", "- name: states\n      - name: states\n"), "deployment 'states' is given twice"),
        (("applications:", "applications: 3\nx:"), "applications: must be a list"),
        (("args:\n", "args: 3\n    x:\n"), "applications[0].args: must be a mapping"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_sentence(problems: Any, change: tuple[str, str], sentence: str) -> None:
    found = problems(GOOD.replace(*change, 1))
    assert any(sentence in problem for problem in found), found


def test_doubts_are_warnings(tmp_path: Path) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text(
        GOOD.replace("samples/asr/model", "hf://org/name@main").replace("300", "256")
        + "        autoscaling_config: {look_back_period_s: 1}\n"
    )
    assert [f"{warning.line}: {warning}" for warning in load(path).warnings] == [
        "10: applications[0].args.models[0].config.source: the revision 'main' can move; pin a commit hash",
        "13: applications[0].deployments[0].max_ongoing_requests: should be above the model's queue_requests "
        "(256): what is beyond it waits in Serve's router instead of being answered 429",
        "15: applications[0].deployments[0].autoscaling_config: `look_back_period_s` (1.0) must be greater than "
        "`metrics_interval_s` (10.0). This will raise an exception in a future release. Please set "
        "`look_back_period_s` > `metrics_interval_s`.",
    ]
    path.write_text(GOOD.replace("samples/asr/model", "no/such/folder"))
    (warning,) = load(path).warnings
    assert warning.message == "there is no folder 'no/such/folder' on this machine"


def test_a_models_family_decides_which_keys_it_may_have(problems: Any) -> None:
    assert problems(
        """
http_options: {host: 127.0.0.1}
applications:
  - name: antiphon
    import_path: serve_app:build
    args:
      models:
        - id: asr
          moderation: {threshold: 0.5}
          config: {source: samples/asr/model, max_textes: 3}
        - id: words
          family: text_classification
          moderation: {treshold: 0.5, thresholds: {hate: 2}}
          config: {source: samples/asr/model, max_textes: 3, queue_audio_s: 3, engine: {dtype: int3}}
        - id: other
          family: text_classificaton
          config: {source: samples/asr/model}
"""
    ) == [
        "9: applications[0].args.models[0].moderation: unknown key; did you mean description?",
        "10: applications[0].args.models[0].config.max_textes: unknown key",
        "13: applications[0].args.models[1].moderation.thresholds.hate: must be less than or equal to 1, not 2",
        "13: applications[0].args.models[1].moderation.treshold: unknown key; did you mean threshold?",
        "14: applications[0].args.models[1].config.engine.dtype: must be 'auto', 'float32', 'bfloat16' or "
        "'float16', not 'int3'",
        "14: applications[0].args.models[1].config.max_textes: unknown key; did you mean max_texts?",
        "14: applications[0].args.models[1].config.queue_audio_s: unknown key; did you mean queue_tokens?",
        "15: applications[0].args.models[2]: the family of a model is whisper, text_classification or fish_speech",
    ]


def test_a_classifier_has_to_be_there(problems: Any) -> None:
    text = """
http_options: {{host: 127.0.0.1}}
applications:
  - name: antiphon
    import_path: serve_app:build
    args:
      models:
        - {{id: asr, classifier: {name}, config: {{source: samples/asr/model}}}}
        - {{id: any, family: text_classification, config: {{allow: [org/*]}}}}
        - {{id: words, family: text_classification, config: {{source: samples/asr/model}}}}
"""
    (said,) = problems(text.format(name="word"))
    assert said.endswith("the classifier 'word' of 'asr' is no text-classification model here")
    (said,) = problems(text.format(name="asr"))
    assert said.endswith("the classifier 'asr' of 'asr' is no text-classification model here")
    (said,) = problems(text.format(name="any"))
    assert said.endswith("the classifier 'any' of 'asr' needs a source of its own")


def test_thresholds_are_for_categories(problems: Any) -> None:
    text = """
http_options: {{host: 127.0.0.1}}
applications:
  - name: antiphon
    import_path: serve_app:build
    args:
      models:
        - id: words
          family: text_classification
          moderation: {moderation}
          config: {{source: samples/asr/model}}
"""
    (said,) = problems(text.format(moderation="{thresholds: {haet: 0.9}}"))
    assert said.endswith("there is a threshold for 'haet', which is no category")
    (said,) = problems(text.format(moderation="{categories: {junk: spam}, thresholds: {spam: 0.9, junk: 0.1}}"))
    assert said.endswith("there is a threshold for 'junk', which is no category")

"""The command line and the environment of the worker."""

import pytest

from serve_app.runpod_worker import options


@pytest.mark.parametrize(
    ("line", "environment", "balanced"),
    [
        ([], {}, False),
        ([], {"PORT": "80"}, True),
        ([], {"PORT": "80", "RUNPOD_WEBHOOK_GET_JOB": "http://x"}, False),
        (["--test_input", "{}"], {"PORT": "80"}, False),
        (["--load-balancing"], {"RUNPOD_WEBHOOK_GET_JOB": "http://x"}, True),
    ],
)
def test_which_of_the_two_kinds_of_worker_it_is(
    line: list[str], environment: dict[str, str], balanced: bool
) -> None:
    assert options.read(line, environment).load_balancing is balanced


def test_the_environment_chooses_and_the_sdks_flags_stay() -> None:
    environment = {"RUNTIME": "local", "ANTIPHON_CONTRACT": "ivrit-legacy", "RUNPOD_INIT_TIMEOUT": "600"}
    found = options.read(["--rp_log_level", "DEBUG", "--test_input", "{}"], environment)
    assert (found.runtime, found.contract, found.ready_timeout_s) == ("local", "ivrit-legacy", 600)
    assert found.rest == ("--rp_log_level", "DEBUG", "--test_input", "{}")


@pytest.mark.parametrize(("line", "environment"), [(["--runtme", "ray"], {}), ([], {"RUNTIME": "docker"})])
def test_wrong_options_are_refused(
    line: list[str], environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        options.read(line, environment)
    assert "runt" in capsys.readouterr().err

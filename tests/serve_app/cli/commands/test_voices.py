"""``antiphon voices`` as its users see it, against the real routes."""

from pathlib import Path

import pytest

from tests.serve_app.cli.commands.test_speak import server
from tests.serve_app.cli.terminal import UTT01, antiphon
from tests.serve_app.http.stub import TEXT


def test_voices_are_added_listed_and_deleted(tmp_path: Path) -> None:
    recording = tmp_path / "anna.wav"
    recording.write_bytes(Path(UTT01).read_bytes())
    with server() as (gateway, url):
        made = antiphon("voices", "add", "--server", url, "anna", recording)
        assert (made.exit_code, made.stdout) == (0, f"{TEXT}\n")  # the server wrote it down
        assert gateway.references == [[recording.read_bytes()]]
        recording.with_suffix(".lab").write_text("From the file.")
        options = [
            "--id",
            "ben-2",
            "--description",
            "Calm.",
            "--language",
            "en",
            "--language",
            "de",
            "--tag",
            "low",
        ]
        made = antiphon("voices", "add", "--server", url, "Ben", recording, *options)
        assert (made.exit_code, made.stdout) == (0, "")
        assert gateway.library["ben-2"].texts == ("From the file.",)
        made = antiphon(
            "voices", "add", "--server", url, "eve", recording, recording, "--text", "One.", "--text", "Two."
        )
        assert made.exit_code == 0
        assert gateway.library["eve"].texts == ("One.", "Two.")
        ben = gateway.library["ben-2"].details
        assert (ben.title, ben.description, ben.languages, ben.tags) == ("Ben", "Calm.", ("en", "de"), ("low",))
        listed = antiphon("voices", "list", "--server", url)
        assert [line.split() for line in listed.stdout.splitlines()] == [
            ["voice", "name", "languages", "recordings"],
            ["anna", "anna", "-", "1"],
            ["ben-2", "Ben", "en", "de", "1"],
            ["eve", "eve", "-", "2"],
        ]
        gone = antiphon("voices", "delete", "--server", url, "anna", "nobody", "eve")
        assert (gone.exit_code, gone.stderr) == (1, "Error: There is no voice 'nobody'.\n")
        assert list(gateway.library) == ["ben-2"]
        again = antiphon("voices", "add", "--server", url, "ben-2", recording)
        assert (again.exit_code, again.stderr) == (1, "Error: There is a voice 'ben-2' already.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", "anna"], "Missing argument 'RECORDING...'"),
        (["add", "anna", "none.wav"], "does not exist"),
        (["add", "anna", UTT01, "--text", "a", "--text", "b"], "There are 1 recordings and 2 --text"),
        (["delete"], "Missing argument"),
        (["list", "--server", "localhost"], "is no URL such as"),
    ],
)
def test_wrong_usage_of_voices(arguments: list[str], sentence: str) -> None:
    result = antiphon("voices", *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())

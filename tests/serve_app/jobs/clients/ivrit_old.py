"""What users of ivrit 0.1.8 do, against the server of the first argument; prints what they get as JSON.

The second argument is the API key, the third a recording.
"""

import asyncio
import json
import sys
from typing import Any

import ivrit

from tests.serve_app.jobs.clients.ivrit_host import send_to


def main(url: str, key: str, path: str) -> dict[str, Any]:
    send_to(url, setattr)

    def model(endpoint: str = "transcribe-legacy", name: str = "org/some-name") -> Any:
        return ivrit.load_model(engine="runpod", model=name, api_key=key, endpoint_id=endpoint)

    async def texts() -> list[str]:
        return [segment.text async for segment in model().transcribe_async(path=path, language="en")]

    stream = model("transcribe-legacy", "large").transcribe(url="https://example.com/slow.wav", stream=True)
    first = next(stream).text
    stream.close()
    found = {
        "file": model().transcribe(path=path, language="en"),
        "url": [s.text for s in model().transcribe(url="https://example.com/speech.wav", stream=True)],
        "async": asyncio.run(texts()),
        "closed": first,
        "failed": model(name="nobody").transcribe(url="https://example.com/speech.wav")["text"],
    }
    try:
        ivrit.load_model(
            engine="runpod", model="org/some-name", api_key="wrong", endpoint_id="transcribe-legacy"
        ).transcribe(path=path)
    except Exception as error:
        found["key"] = str(error)
    return found


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), default=vars))

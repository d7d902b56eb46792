"""A server ends on SIGTERM: it takes nothing new, lets replies end, cancels them after the grace period, and exits with 0."""

import threading
import time

import openai
import pytest

from tests.engine.serving.servers import MODEL, running

ASKED = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "temperature": 0}


def _in_thread(work):
    result = []
    thread = threading.Thread(target=lambda: result.append(_result(work)))
    thread.start()
    return thread, result


def _result(work):
    try:
        return work()
    except Exception as error:
        return error


def test_what_is_short_is_finished(served_home):
    with running(served_home, "--grace-seconds", "60") as server, server.client() as client:
        thread, result = _in_thread(lambda: client.chat.completions.create(**ASKED, max_tokens=300))
        server.wait_for_work(lambda n: n == 1)
        assert server.end() == 0
        thread.join()
        assert result[0].usage.completion_tokens == 300, result
        with pytest.raises(openai.APIConnectionError):
            client.models.list()


def test_what_is_long_is_cancelled_after_a_while(served_home):
    with running(served_home, "--grace-seconds", "1", "--max-tokens", "30000") as server, server.client() as client:
        whole, answer = _in_thread(lambda: client.chat.completions.create(**ASKED, max_tokens=30000))
        stream = client.chat.completions.create(**ASKED, max_tokens=30000, stream=True)
        streamed, ending = _in_thread(lambda: [chunk.choices[0].delta.content for chunk in stream])
        server.wait_for_work(lambda n: n == 2)
        asked = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - asked < 20
        whole.join()
        streamed.join()
        assert isinstance(answer[0], openai.InternalServerError) and answer[0].status_code == 503
        assert isinstance(ending[0], openai.APIError) and "stopped this reply" in str(ending[0])
        assert "Traceback" not in server.log.read_text()

import asyncio
import json
import threading
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic_ai import models
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

from gne_analytics.agents.model import (
    AgentModel,
    ModelUnreachable,
    Question,
    Ready,
    llm_check,
    model_from_env,
    openai_model,
)
from gne_analytics.errors import ModelError
from gne_analytics.testing.models import ScriptedModel

ASK = Question(rules="Answer.", material="Say ready")


@pytest.fixture(autouse=True)
def _no_real_requests():
    with models.override_allow_model_requests(False):
        yield


def layer(*texts: str) -> AgentModel:
    answers = iter(texts)
    made = FunctionModel(lambda messages, info: ModelResponse(parts=[TextPart(next(answers))]))
    return AgentModel("layered", lambda: nullcontext(made))


def test_the_agent_layer_returns_a_typed_answer_and_its_cost():
    reply = layer('{"word": "ready"}').ask(ASK, Ready)
    assert reply.value == Ready(word="ready")
    assert reply.tokens > 0


def test_an_answer_out_of_the_schema_is_asked_once_more_then_given_up():
    assert layer("nonsense", '{"word": "ready"}').ask(ASK, Ready).value.word == "ready"
    with pytest.raises(ModelError, match="answered out of its schema"):
        layer("nonsense", "still nonsense").ask(ASK, Ready)


def test_it_works_below_a_running_loop_as_in_a_notebook():
    async def cell() -> str:
        return layer('{"word": "ready"}').ask(ASK, Ready).value.word

    assert asyncio.run(cell()) == "ready"


def test_real_requests_are_forbidden_in_tests():
    with pytest.raises(ModelError, match="ALLOW_MODEL_REQUESTS"):
        openai_model("m", base_url="http://127.0.0.1:9/v1").ask(ASK, Ready)


def test_no_environment_means_no_model():
    assert model_from_env({}) is None
    with pytest.raises(ModelError, match="set GNE_MODEL"):
        llm_check({})


def test_the_environment_names_model_and_server():
    model = model_from_env(
        {"GNE_MODEL": "small", "GNE_MODEL_BASE_URL": "http://localhost:1234/v1", "OPENAI_BASE_URL": "x"}
    )
    assert model is not None
    assert (model.name, model.endpoint) == ("small", "localhost:1234")


def test_llm_check_says_that_a_model_can_be_used():
    assert (
        llm_check({}, ScriptedModel([{"word": "ready"}])) == "The model scripted answers in its schema; it can be used."
    )


class Server:
    """A local server of Chat Completions whose answers are set by the test."""

    def __init__(self) -> None:
        self.status, self.content, self.seen, self.slow = 200, '{"word": "ready"}', [], threading.Event()
        self.slow.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.seen.append((self.path, json.loads(body)))
                outer.slow.wait(5)
                answer = {"error": {"message": "no"}} if outer.status != 200 else outer.completion()
                data = json.dumps(answer).encode()
                self.send_response(outer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def completion(self):
        message = {"role": "assistant", "content": self.content}
        return {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "small",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
        }


@pytest.fixture
def server():
    made = Server()
    with models.override_allow_model_requests(True):
        yield made
    made.slow.set()
    made.http.shutdown()
    made.http.server_close()


def test_chat_completions_are_spoken_over_the_wire(server):
    reply = openai_model("small", base_url=server.url).ask(ASK, Ready)
    path, body = server.seen[0]
    assert (reply.value.word, reply.tokens, path, body["model"]) == ("ready", 25, "/v1/chat/completions", "small")


@pytest.mark.parametrize(
    ("status", "says"), [(401, "refuses the key"), (404, "does not know the model 'small'"), (400, "failed")]
)
def test_a_refusal_says_what_to_do_and_that_asking_again_is_of_no_use(server, status, says):
    server.status = status
    with pytest.raises(ModelUnreachable, match=says):
        openai_model("small", base_url=server.url).ask(ASK, Ready)


def test_a_slow_server_is_given_up(server):
    server.slow.clear()
    with pytest.raises(ModelUnreachable, match="did not answer"):
        openai_model("small", base_url=server.url, timeout=0.2).ask(ASK, Ready)


def test_a_server_that_is_not_there_is_named():
    with (
        models.override_allow_model_requests(True),
        pytest.raises(ModelUnreachable, match=r"127\.0\.0\.1:9 cannot be reached"),
    ):
        openai_model("small", base_url="http://127.0.0.1:9/v1").ask(ASK, Ready)

"""The worker's web server: a request waits for its invocation, and is answered by what that returned."""

from typing import Any

from AgentOperatingSystem.hosting.functions.web import Answer, Receive, Request, Scope, Send, WebApp

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"x-ms-invocation-id", b"7")]}


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b""}


async def answered(app: WebApp) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app.get_app()(SCOPE, receive, send)
    return sent


async def test_the_application_answers_the_request_itself() -> None:
    app, seen = WebApp(), []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        await send({"type": "http.response.start", "status": 204, "headers": []})

    @app.route
    async def handler(request: Request) -> Answer:
        seen.append(request.headers.get("x-ms-invocation-id"))
        return Answer(application)

    assert (await answered(app))[0]["status"] == 204
    assert seen == ["7"]


async def test_an_invocation_that_fails_is_answered_and_tells_nothing() -> None:
    app = WebApp()

    @app.route
    async def handler(request: Request) -> Answer:
        raise RuntimeError("the connection string is wrong: secret")

    sent = await answered(app)
    assert sent[0]["status"] == 500
    assert b"secret" not in sent[1]["body"]

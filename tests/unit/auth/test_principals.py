import base64
import json
from pathlib import Path

import pytest

from AgentOperatingSystem.auth.easy_auth import user_in
from AgentOperatingSystem.auth.principals import SHARED, Callers, Principal
from AgentOperatingSystem.auth.tokens_file import TokensFile
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import InvalidInput, NotFound, Unauthorized

TOKEN = "the-shared-token"
EASY = {b"x-ms-client-principal-name": b"alice@example.org", b"x-ms-client-principal-id": b"42"}


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {token}".encode()}


def test_holders_are_known_by_their_tokens(bare: Path) -> None:
    file = TokensFile(bare / "tokens.json")
    callers = Callers(AOSConfig(tokens_file=bare / "tokens.json"), TOKEN)
    assert callers.of(bearer(TOKEN)) == SHARED
    alice, gateway = file.add("alice"), file.add("gateway", speaks_for_others=True)
    assert callers.of(bearer(alice)) == Principal("alice")
    assert callers.of(bearer(gateway)) == Principal("gateway", True)
    assert alice not in (bare / "tokens.json").read_text()
    assert file.remove("alice") == 1
    with pytest.raises(Unauthorized, match="the token is wrong"):
        callers.of(bearer(alice))


def test_a_broken_file_lets_nobody_in_who_is_named_there(bare: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = bare / "tokens.json"
    alice = TokensFile(path).add("alice")
    callers = Callers(AOSConfig(tokens_file=path), TOKEN)
    assert callers.of(bearer(alice)).name == "alice"
    path.write_text('{"tokens": [')
    with pytest.raises(Unauthorized):
        callers.of(bearer(alice))
    assert callers.of(bearer(TOKEN)) == SHARED
    assert "nobody who is named there is let in" in caplog.text


@pytest.mark.parametrize("headers", [{}, bearer(""), {b"authorization": b"Bearer"}, {b"authorization": b"Basic eDp5"}])
def test_without_a_token_nobody_is_let_in_even_where_there_is_no_shared_one(
    bare: Path, headers: dict[bytes, bytes]
) -> None:
    with pytest.raises(Unauthorized):
        Callers(AOSConfig(tokens_file=bare / "tokens.json"), "").of(headers)


def test_whose_decision_it_is() -> None:
    assert SHARED.who("bob") == "bob"
    assert Principal("alice").who("bob") == Principal("alice").who("") == "alice"
    assert (Principal("gateway", True).who("bob"), Principal("gateway", True).who("")) == ("bob", "gateway")


def test_easy_auth_is_believed_only_where_it_is_said_to_be_there(bare: Path) -> None:
    assert Callers(AOSConfig(easy_auth=True), TOKEN).of(EASY) == Principal("alice@example.org")
    with pytest.raises(Unauthorized):
        Callers(AOSConfig(), TOKEN).of(EASY)
    assert Callers(AOSConfig(), TOKEN).of(EASY | bearer(TOKEN)) == SHARED


def test_the_claims_alone_name_the_user_too() -> None:
    claims = {"auth_typ": "aad", "name_typ": "n", "claims": [{"typ": "n", "val": "bob@example.org"}]}
    packed = base64.b64encode(json.dumps(claims).encode())
    assert user_in({b"x-ms-client-principal": packed}) == "bob@example.org"
    for broken in (b"!", base64.b64encode(b"[]"), base64.b64encode(b'{"claims": []}')):
        with pytest.raises(Unauthorized):
            user_in({b"x-ms-client-principal": broken})
    with pytest.raises(Unauthorized):
        user_in({b"x-ms-client-principal-name": b"a\x01b"})


def test_names_are_names(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        TokensFile(tmp_path / "tokens.json").add("a\nb")
    with pytest.raises(NotFound):
        TokensFile(tmp_path / "tokens.json").remove("nobody")

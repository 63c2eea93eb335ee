"""What Schemathesis cannot know from the OpenAPI document: who signs in, and which things exist.

Half of all requests about a thing ask about one that exists, so that more than refusals is met.
Callers sign in all the time, because requests block, delete and sign out accounts; the owner's
own account is left out.
"""

import json
import os
import random
import urllib.request
from typing import Any

import schemathesis

API_URL = os.environ["FUZZ_API_URL"]
OWNER = os.environ["FUZZ_OWNER_LOGIN"], os.environ["FUZZ_OWNER_PASSWORD"]
LISTS = {
    "repository_registry": "repositories_registry",
    "repos": "repos",
    "units": "units",
    "unit_nodes": "unit_nodes",
    "users": "users",
}
KNOWN_IDS_MAX = 20
SIGN_IN_SECONDS = 1

dice = random.Random(os.environ["FUZZ_SEED"])
known: list[str] = []


def ask(method: str, path: str, body: object = None, token: str | None = None) -> Any:
    request = urllib.request.Request(f"{API_URL}/{path}", method=method)
    request.add_header("content-type", "application/json")
    if token is not None:
        request.add_header("x-auth-token", token)
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=30) as answer:
        return json.load(answer)


def sign_in(login: str, password: str) -> str:
    return str(ask("POST", "users/auth", {"credentials": login, "password": password})["token"])


def learn(token: str) -> None:
    found = [
        row["uuid"]
        for path, name in LISTS.items()
        for row in ask("GET", f"{path}?limit={KNOWN_IDS_MAX}", token=token)[name]
        if row.get("login") != OWNER[0]
    ]
    known[:] = found


@schemathesis.auth(refresh_interval=SIGN_IN_SECONDS)
class Caller:
    """The owner of the things, or a newcomer made for the purpose."""

    def get(self, case: Any, context: Any) -> str:
        owner = sign_in(*OWNER)
        learn(owner)
        if dice.random() < 0.7:
            return owner
        login = f"fuzz{dice.randrange(10**9)}"
        ask("POST", "users", {"login": login, "password": "Fuzz-4711"})
        return sign_in(login, "Fuzz-4711")

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers = {**(case.headers or {}), "x-auth-token": data}


def with_known(parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    for name in parameters or ():
        if "uuid" in name and known and dice.random() < 0.5:
            value = parameters[name]  # type: ignore[index]
            pick = dice.choice(known)
            parameters[name] = [pick] if isinstance(value, list) else pick  # type: ignore[index]
    return parameters


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    return with_known(path_parameters)


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    return with_known(query)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    return with_known(body) if isinstance(body, dict) else body

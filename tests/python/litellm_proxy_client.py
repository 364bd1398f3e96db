"""litellm's own client of its proxy manages keys here, and OpenAI's client uses them."""

import time

import openai
import requests
from litellm.proxy.client import Client
from litellm.proxy.client.exceptions import NotFoundError, UnauthorizedError
from litellm.proxy.client.users import UsersManagementClient

from stand import GATEWAY, KEY, TEXT, V1, balance, fails, messages, same, sent

PATIENCE = 20
proxy = Client(base_url=GATEWAY, api_key=KEY)


def status(expected, call):
    """What `call` raises when the gateway answers with this status; the message it gives."""
    error = fails(requests.exceptions.HTTPError, call)
    same(error.response.status_code, expected)
    told = error.response.json()["error"]
    same((told["code"], set(told) >= {"message", "type", "param"}), (str(expected), True))
    return told["message"]


def until(ready):
    """A change reaches the gateway within a second; a busy machine has longer."""
    end = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)


def opens(key):
    try:
        Client(base_url=GATEWAY, api_key=key).models.list()
        return True
    except UnauthorizedError:
        return False


def keys():
    made = proxy.keys.generate(models=["mock"], key_alias="py", duration="1h", user_id="anna")
    key = made["key"]
    until(lambda: opens(key))
    same(proxy.keys.info(key)["info"]["key_alias"], "py")
    same(proxy.keys.update(key, models=["mock", "gone"])["models"], ["mock", "gone"])
    listed = proxy.keys.list(user_id="anna", return_full_object=True, include_team_keys=False)
    same([row["key_alias"] for row in listed["keys"]], ["py"])
    own = Client(base_url=GATEWAY, api_key=key)
    until(lambda: [model["id"] for model in own.models.list()] == ["mock", "gone"])
    same({model["model_name"] for model in own.models.info()}, {"mock", "gone"})
    same({group["model_group"] for group in own.model_groups.info()}, {"mock", "gone"})
    answer = own.chat.completions("mock", messages("usage=3/4"))
    assert sent(answer["id"])
    status(403, lambda: own.keys.generate(models=["mock"]))
    status(400, lambda: proxy.keys.generate(team_id="nowhere", models=["x" * 300]))
    fails(UnauthorizedError, lambda: Client(base_url=GATEWAY, api_key="sk-no").keys.list())
    return key


def users_and_teams():
    users = UsersManagementClient(GATEWAY, KEY)
    made = users.create_user({"user_id": "bert", "user_email": "bert@acme.test"})
    same(made["user_id"], "bert")
    same(users.get_user("bert")["user_info"]["user_email"], "bert@acme.test")
    same(users.get_user_v2("bert")["user_email"], "bert@acme.test")
    assert len(users.get_user()["keys"]) >= 2
    assert {"anna", "bert"} <= {user["user_id"] for user in users.list_users()}
    fails(NotFoundError, lambda: users.get_user("nobody"))
    same(users.delete_user(["bert"]), 1)
    team = {"team_id": "blue", "team_alias": "Blue"}
    proxy.http.request("POST", "/team/new", json=team)
    same([team["team_id"] for team in proxy.teams.list()], ["blue"])
    same(proxy.teams.list_v2(team_alias="Blue")["total"], 1)
    same(proxy.teams.list_v2(team_id="red")["teams"], [])
    same(proxy.teams.get_available(), [])


def absent():
    assert "configuration" in status(501, proxy.credentials.list)
    new = lambda: proxy.models.new("m", {"model": "openai/m"})
    assert "model_list" in status(501, new)


def used_by_openai(key):
    client = openai.OpenAI(base_url=V1, api_key=key, max_retries=0)
    same([model.id for model in client.models.list()], ["mock", "gone"])
    answer = client.chat.completions.create(model="mock", messages=messages("usage=5/6"))
    assert sent(answer.id)
    same(answer.choices[0].message.content, TEXT)
    ask = lambda: client.chat.completions.create(model="gpt-4o", messages=messages("usage=5/6"))
    fails(openai.PermissionDeniedError, ask, code="403", type="key_model_access_denied",
          param="model")
    body = {"max_budget": 0, "enforcement": "strict"}
    poor = proxy.http.request("POST", "/key/generate", json=body)["key"]
    spender = openai.OpenAI(base_url=V1, api_key=poor, max_retries=0)

    def refused():
        try:
            spender.chat.completions.create(model="mock", messages=messages("usage=5/6"))
        except openai.UnprocessableEntityError as error:
            same((error.code, error.type), ("422", "budget_exceeded"))
            return True
        except openai.AuthenticationError:
            pass
        return False

    until(refused)
    proxy.keys.delete(keys=[key])
    until(lambda: not opens(key))
    fails(openai.AuthenticationError, client.models.list, code="401")


key = keys()
users_and_teams()
absent()
used_by_openai(key)
# Beside the two that were answered, a model that was denied and a budget that was spent.
balance(2, 2)

"""Microsoft's side of a Teams bot: keys, sign-in and Bot Connector, with every call of the bot kept. Tokens are signed by
PyJWT and judged by the token rules of microsoft-teams-apps. One line `{ready}` when it listens."""

import asyncio
import time

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from microsoft_teams.apps.auth.token_validator import JwtValidationOptions, TokenValidator

from serving import serve

ENDORSED = ["msteams", "webchat"]
calls, keys, tokens = [], {}, set()
fetched = {"token": 0, "keys": 0}
members = []
lost = [0]


def make(kid, endorsements, published=True):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    keys[kid] = (key, endorsements, published)


make("good", ENDORSED)
make("unendorsed", ["skype"])
make("unpublished", ENDORSED, published=False)


def jwk(kid, key, endorsements):
    known = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return known | {"kid": kid, "use": "sig", "x5t": kid, "endorsements": endorsements}


async def metadata(request):
    uri = f"http://{request.host}/keys"
    return web.json_response({"issuer": "https://api.botframework.com", "jwks_uri": uri,
                              "id_token_signing_alg_values_supported": ["RS256"]})


async def published(request):
    fetched["keys"] += 1
    return web.json_response({"keys": [jwk(k, key, e) for k, (key, e, shown) in keys.items() if shown]})


async def sign_in(request):
    form = await request.post()
    if form.get("grant_type") != "client_credentials" or form.get("client_secret") != "teams-secret":
        return web.json_response({"error": "invalid_client"}, status=401)
    assert form["scope"] == "https://api.botframework.com/.default", form["scope"]
    fetched["token"] += 1
    token = f"bot-token-{fetched['token']}"
    tokens.add(token)
    return web.json_response({"token_type": "Bearer", "expires_in": 3600, "access_token": token})


def known(request):
    return request.headers.get("Authorization", "").removeprefix("Bearer ") in tokens


async def connector(request):
    if not known(request):
        return web.json_response({"error": {"code": "Unauthorized", "message": "no token"}}, status=401)
    body = await request.json() if request.can_read_body else None
    path = request.match_info["path"]
    calls.append({"method": request.method, "path": "/" + path, "body": body, "at": time.time()})
    number = len(calls)
    if request.method == "GET" and path.endswith("/pagedMembers"):
        return web.json_response({"members": members})
    if request.method == "GET":
        found = [member for member in members if path.endswith("/members/" + member["id"])]
        return web.json_response(found[0] if found else {}, status=200 if found else 404)
    if path == "conversations":
        # The same person, the same conversation.
        return web.json_response({"id": "a:" + body["members"][0]["id"]}, status=201)
    if request.method == "PUT":
        return web.json_response({"id": path.rsplit("/", 1)[1]})
    if lost[0] > 0:
        # The card is there, and whoever sent it never hears of it.
        lost[0] -= 1
        calls[-1]["lost"] = f"activity-{number}"
        return web.Response(status=504)
    return web.json_response({"id": f"activity-{number}"}, status=201)


async def sign(request):
    asked = await request.json()
    headers = {"kid": asked.get("kid", asked["key"])}
    if asked.get("alg") == "HS256":
        token = jwt.encode(asked["claims"], "x" * 32, algorithm="HS256", headers=headers)
    elif asked.get("alg") == "none":
        token = jwt.encode(asked["claims"], None, algorithm="none", headers=headers)
    else:
        key = keys[asked["key"]][0]
        token = jwt.encode(asked["claims"], key, algorithm=asked.get("alg", "RS256"), headers=headers)
    return web.json_response({"token": token})


async def judge(request):
    asked = await request.json()
    options = JwtValidationOptions(
        valid_issuers=["https://api.botframework.com"],
        valid_audiences=TokenValidator._default_audiences(asked["app_id"]),
        jwks_uri=f"http://{request.host}/keys",
    )
    validator = TokenValidator(options)

    def run():
        try:
            asyncio.run(validator.validate_token(asked["token"], asked["service_url"]))
            return True
        except jwt.PyJWTError:
            return False

    accepted = await asyncio.get_running_loop().run_in_executor(None, run)
    return web.json_response({"accepted": accepted})


async def know(request):
    members[:] = await request.json()
    return web.json_response({})


async def lose(request):
    lost[0] = (await request.json())["answers"]
    return web.json_response({})


async def rotate(request):
    asked = await request.json()
    make(asked["kid"], ENDORSED)
    return web.json_response({})


async def log(request):
    return web.json_response({"calls": calls, "fetched": fetched})


async def revoke(request):
    tokens.clear()
    return web.json_response({})


app = web.Application()
app.add_routes([
    web.get("/metadata", metadata), web.get("/keys", published), web.post("/token", sign_in),
    web.route("*", "/v3/{path:.*}", connector), web.post("/_sign", sign), web.post("/_judge", judge),
    web.post("/_members", know), web.post("/_rotate", rotate), web.get("/_log", log), web.post("/_revoke", revoke),
    web.post("/_lose", lose),
])


serve(app)

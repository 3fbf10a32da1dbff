"""An identity provider made of Authlib: discovery, keys, sign-in page, PKCE, client secret, ID tokens.

Everybody's password is `sso`. It knows browsers that signed in before, as providers do, and asks anew for `prompt=login`.
"""

import json
import logging
import sys
import threading
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from flask import Flask, jsonify, redirect, request, session
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)
settings = json.loads(sys.stdin.readline())
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
codes, challenges = {}, []


class Client(ClientMixin):
    def get_client_id(self):
        return settings["client_id"]

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return " ".join(word for word in scope.split() if word in ("openid", "email"))

    def check_redirect_uri(self, uri):
        return uri.startswith("http://127.0.0.1:") and uri.endswith("/sign-in/callback")

    def check_client_secret(self, secret):
        return secret == settings["client_secret"]

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_post"

    def check_response_type(self, kind):
        return kind == "code"

    def check_grant_type(self, kind):
        return kind == "authorization_code"


class Code:
    def __init__(self, **fields):
        self.__dict__.update(fields)

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return self.auth_time

    def get_acr(self):
        return None

    def get_amr(self):
        return None


class User:
    def __init__(self, name):
        self.name = name

    def get_user_id(self):
        return self.name


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]

    def save_authorization_code(self, code, asked):
        data = asked.payload.data
        codes[code] = Code(
            code=code,
            user=asked.user.name,
            redirect_uri=asked.payload.redirect_uri,
            scope=asked.payload.scope,
            nonce=data.get("nonce"),
            code_challenge=data.get("code_challenge"),
            code_challenge_method=data.get("code_challenge_method"),
            auth_time=session["at"],
        )

    def query_authorization_code(self, code, client):
        return codes.get(code)

    def delete_authorization_code(self, code):
        codes.pop(code.code, None)

    def authenticate_user(self, code):
        return User(code.user)


class IdTokens(OpenIDCode):
    def exists_nonce(self, nonce, asked):
        return False

    def get_client_algorithm(self, client):
        return "RS256"

    def get_encode_header(self, client):
        return {"alg": "RS256", "kid": "one"}

    def resolve_client_private_key(self, client):
        return KEY

    def get_jwt_config(self, grant, client=None):
        return {"key": KEY.as_dict(private=True), "alg": "RS256", "iss": url, "exp": 300, "kid": "one"}

    def get_client_claims(self, client):
        return {"iss": url}

    def generate_user_info(self, user, scope):
        return UserInfo(sub=f"sub-{user.name}", email=f"{user.name}@plant1.example", email_verified=True)


app = Flask(__name__)
app.secret_key = "only-in-tests"
server = AuthorizationServer(
    app,
    query_client=lambda id: Client() if id == settings["client_id"] else None,
    save_token=lambda token, asked: None,
)
server.register_grant(CodeGrant, [IdTokens(require_nonce=True), CodeChallenge(required=True)])


@app.get("/.well-known/openid-configuration")
def discovery():
    return jsonify(
        issuer=url,
        authorization_endpoint=f"{url}/authorize",
        token_endpoint=f"{url}/token",
        jwks_uri=f"{url}/keys",
        response_types_supported=["code"],
        subject_types_supported=["public"],
        id_token_signing_alg_values_supported=["RS256"],
        token_endpoint_auth_methods_supported=["client_secret_post"],
    )


@app.get("/keys")
def keys():
    return jsonify(keys=[KEY.as_dict(private=False)])


@app.route("/authorize", methods=["GET", "POST"])
def authorize():
    grant = server.get_consent_grant(end_user=None)
    must_ask = request.args.get("prompt") == "login" or request.args.get("max_age") == "0"
    if request.method == "POST":
        if request.form.get("password") != "sso":
            return "wrong", 401
        session["user"], session["at"] = request.form["username"], int(time.time())
    elif "user" not in session or must_ask:
        return '<form method="post"><input name="username"><input name="password" type="password"><button>Go</button></form>'
    return server.create_authorization_response(grant=grant, grant_user=User(session["user"]))


@app.post("/token")
def token():
    return server.create_token_response()


http = make_server("127.0.0.1", 0, app, threaded=True)
url = f"http://127.0.0.1:{http.server_port}"
print(json.dumps({"url": url}), flush=True)
threading.Thread(target=http.serve_forever, daemon=True).start()
# Ends with the test that started it.
sys.stdin.read()

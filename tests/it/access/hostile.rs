//! A provider that lies: each token is wrong in one way, and every one is refused and audited.

use super::{
    newest,
    oidc::{console_with, path_of},
    release,
};
use crate::support::console::{Console, Page, Visitor};
use axum::{Json, Router, extract::State, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use reqwest::StatusCode;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use takt::{site::Claim, store::gates};

struct Liar {
    url: String,
    key: EcdsaKeyPair,
    /// The token that is given for any code.
    token: Mutex<String>,
}

impl Liar {
    async fn start() -> Arc<Self> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let liar = Arc::new(Self { url, key: key.expect("a key"), token: Mutex::default() });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(Self::discovery))
            .route("/keys", get(Self::keys))
            .route("/token", axum::routing::post(Self::give))
            .with_state(liar.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        liar
    }

    async fn discovery(State(liar): State<Arc<Self>>) -> Json<Value> {
        let at = |path: &str| format!("{}/{path}", liar.url);
        Json(json!({
            "issuer": liar.url, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
            "jwks_uri": at("keys"),
        }))
    }

    async fn keys(State(liar): State<Arc<Self>>) -> Json<Value> {
        let point = liar.key.public_key().as_ref();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Json(json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256",
                                "x": part(&point[1..33]), "y": part(&point[33..]) }] }))
    }

    async fn give(State(liar): State<Arc<Self>>) -> Json<Value> {
        Json(json!({ "id_token": *liar.token.lock().expect("a token"), "token_type": "Bearer" }))
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn good(&self, nonce: &str) -> Value {
        let now = Utc::now().timestamp();
        json!({ "iss": self.url, "aud": "takt", "sub": "sam", "nonce": nonce, "iat": now, "exp": now + 300,
                "auth_time": now })
    }
}

/// Begins a sign-in and comes back with the token that `lie` makes.
async fn come_back(
    liar: &Liar,
    browser: &mut Visitor,
    start: &str,
    lie: impl FnOnce(&Liar, &str) -> String,
) -> Page {
    let sent = browser.get(start).await.location.expect("the provider's address");
    let url = reqwest::Url::parse(&sent).expect("an address");
    let query = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs.find(|(given, _)| given == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    assert_eq!((query("code_challenge_method").as_str(), query("response_type").as_str()), ("S256", "code"));
    *liar.token.lock().expect("a token") = lie(liar, &query("nonce"));
    let back = format!("{}?code=any&state={}", path_of(&query("redirect_uri")), query("state"));
    browser.get(&back).await
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "k" })
}

type Lie = (&'static str, fn(&Liar, &str) -> String);

/// A good token with one claim changed.
fn with(liar: &Liar, nonce: &str, claim: &str, value: Value) -> String {
    let mut claims = liar.good(nonce);
    claims[claim] = value;
    liar.sign(&header(), &claims)
}

const LIES: [Lie; 15] = [
    ("token-nonce", |liar, _| liar.sign(&header(), &liar.good("another"))),
    ("token-nonce", |liar, nonce| with(liar, nonce, "nonce", Value::Null)),
    ("token-issuer", |liar, nonce| with(liar, nonce, "iss", json!("https://other.example"))),
    ("token-audience", |liar, nonce| with(liar, nonce, "aud", json!("another-program"))),
    ("token-audience", |liar, nonce| with(liar, nonce, "aud", json!(["takt", "another-program"]))),
    ("token-audience", |liar, nonce| with(liar, nonce, "azp", json!("another-program"))),
    ("token-time", |liar, nonce| with(liar, nonce, "exp", json!(Utc::now().timestamp() - 120))),
    ("token-time", |liar, nonce| with(liar, nonce, "exp", json!("never"))),
    ("token-time", |liar, nonce| with(liar, nonce, "iat", json!(Utc::now().timestamp() + 600))),
    ("token-nobody", |liar, nonce| with(liar, nonce, "sub", json!(""))),
    ("token-algorithm", |liar, nonce| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&json!({ "alg": "none" })), part(&liar.good(nonce)))
    }),
    ("token-algorithm", |liar, nonce| liar.sign(&json!({ "alg": "HS256", "kid": "k" }), &liar.good(nonce))),
    ("token-signature", |liar, nonce| {
        let token = liar.sign(&header(), &liar.good(nonce));
        let (message, _) = token.rsplit_once('.').expect("three parts");
        let other = liar.sign(&header(), &liar.good("x"));
        format!("{message}.{}", other.rsplit_once('.').expect("three parts").1)
    }),
    ("token-signature", |liar, nonce| {
        liar.sign(&json!({ "alg": "ES256", "kid": "nobody's" }), &liar.good(nonce))
    }),
    ("token-signature", |_, _| "no token".to_owned()),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_lie_is_refused_and_audited_and_the_truth_is_not() {
    let liar = Liar::start().await;
    let console = console_with(&liar.url, Claim::Subject).await;
    let mut browser = console.visitor();
    for (cause, lie) in LIES {
        let page = come_back(&liar, &mut browser, "/sign-in/oidc", lie).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{cause}: {}", page.text);
        let (actor, action, detail) = newest(&console).await;
        assert_eq!((actor.as_str(), action.as_str()), ("nobody", "sign_in.refused"));
        assert_eq!(detail, json!({ "via": "oidc", "cause": cause }));
        assert!(browser.cookies.iter().all(|(name, _)| name != "takt_session"), "{cause}");
    }
    let truth = |liar: &Liar, nonce: &str| liar.sign(&header(), &liar.good(nonce));
    let page = come_back(&liar, &mut browser, "/sign-in/oidc", truth).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_counts_where_nobody_doubts_it_and_a_time_may_have_a_fraction() {
    let liar = Liar::start().await;
    let console = console_with(&liar.url, Claim::Email).await;
    let cases = [
        (Some(json!("false")), false),
        (Some(json!(0)), false),
        (Some(Value::Null), false),
        (Some(json!(false)), false),
        (Some(json!("true")), true),
        (Some(json!(true)), true),
        (None, true),
    ];
    for (verified, is_taken) in cases {
        let mut browser = console.visitor();
        let told = verified.clone();
        let token = move |liar: &Liar, nonce: &str| {
            let mut claims = liar.good(nonce);
            claims["email"] = json!("sam@plant1.example");
            claims["exp"] = json!(Utc::now().timestamp() as f64 + 300.5);
            if let Some(told) = told {
                claims["email_verified"] = told;
            }
            liar.sign(&header(), &claims)
        };
        let page = come_back(&liar, &mut browser, "/sign-in/oidc", token).await;
        assert_eq!(page.status == StatusCode::SEE_OTHER, is_taken, "{verified:?}: {}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_sign_in_is_no_signature() {
    let liar = Liar::start().await;
    let console = console_with(&liar.url, Claim::Subject).await;
    let gate = release(&console).await;
    let mut browser = console.visitor();
    let truth = |liar: &Liar, nonce: &str| liar.sign(&header(), &liar.good(nonce));
    come_back(&liar, &mut browser, "/sign-in/oidc", truth).await;
    let start = format!("/gates/{gate}/sign");
    let hour_ago =
        |liar: &Liar, nonce: &str| with(liar, nonce, "auth_time", json!(Utc::now().timestamp() - 3600));
    let silent = |liar: &Liar, nonce: &str| with(liar, nonce, "auth_time", Value::Null);
    // In milliseconds it would be later than everything.
    let far_ahead =
        |liar: &Liar, nonce: &str| with(liar, nonce, "auth_time", json!(Utc::now().timestamp_millis()));
    for lie in [&hour_ago as &dyn Fn(&Liar, &str) -> String, &silent, &far_ahead] {
        let page = come_back(&liar, &mut browser, &start, lie).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
        let (actor, action, detail) = newest(&console).await;
        assert_eq!((actor.as_str(), action.as_str()), ("sam", "sign.refused"));
        assert_eq!(detail["cause"], "not-again");
        answer_is_not_taken(&console, &mut browser, gate).await;
    }
}

async fn answer_is_not_taken(console: &Console, browser: &mut Visitor, gate: takt::run::GateId) {
    let csrf = browser.get(&format!("/gates/{gate}")).await.field("csrf");
    let fields = [("csrf", csrf.as_str()), ("proposal", "hash-of-the-proposal"), ("decision", "approve")];
    browser.post(&format!("/gates/{gate}/answer"), &fields).await;
    let mut db = console.store.connection().await.expect("a connection");
    assert!(gates::vote(&mut db, gate).await.expect("asking").is_none());
}

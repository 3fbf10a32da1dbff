//! Sign-in, signature and embedded question in a real Chromium, at the widths they are used at.
//!
//! The pictures in `target/tmp/pages/` are for people to look at.

use super::{links, oidc, provider, release, service, token_of};
use crate::support::{
    browser::{Browser, PHONE, Window},
    console::{Console, PASSWORD},
    seed,
};
use fantoccini::Locator;
use serde_json::{Value, json};
use std::{net::TcpListener, time::Duration};
use takt::site::{Claim, Embed, Scope};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// As wide as the widget of another program leaves.
const WIDGET: Window = Window { width: 290, height: 640, scripts: true, dark: false };
const JOURNEY_MAX: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_signed_on_a_phone() {
    let journey = async {
        // Nobody is asked there: the page only shows the button.
        let sso = provider("http://127.0.0.1:9", Claim::Email);
        let console = Console::with(|site| site.access.sign_in.oidc = Some(sso)).await;
        let gate = release(&console).await;
        let browser = Browser::open(&console.url, PHONE).await;
        browser.go("/").await;
        assert_eq!(browser.see(".sso .button").await, "Sign in with Plant SSO");
        browser.picture("access-1-sign-in").await;
        browser.sign_in("sam", PASSWORD).await;
        browser.go(&format!("/gates/{gate}")).await;
        browser.picture("access-2-signed-question").await;
        browser.tap(r#"button[value="approve"]"#).await;
        let dialog = browser.see(".sign-dialog").await;
        assert!(dialog.contains("I release this lot for shipment"), "{dialog}");
        browser.picture("access-3-signature").await;
        browser.type_into("#sign-name", "sam").await;
        browser.type_into("#sign-password", PASSWORD).await;
        browser.tap(".sign-dialog button").await;
        let answered = browser.see(".answered").await;
        assert!(answered.contains("Signed by Sam Carter on 24 Nov 2036, 06:10"), "{answered}");
        browser.picture("access-4-signed").await;
        browser.go("/me").await;
        browser.see("form .danger").await;
        browser.picture("access-5-me").await;
        browser.close().await;
    };
    tokio::time::timeout(JOURNEY_MAX, journey).await.expect("the journey comes to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_usable_in_a_narrow_frame() {
    let journey = async {
        let console = links::console().await;
        let (_, gate) = seed::three_plans(&console).await;
        let made = super::call(
            &console,
            "POST",
            &format!("/api/gates/{gate}/embed"),
            &token_of("plex"),
            Some("sam"),
            Value::Null,
        )
        .await;
        let path = links::link(&made);
        let browser = Browser::open(&console.url, WIDGET).await;
        browser.go(&path).await;
        browser.see(".options").await;
        for button in browser.places(".option button").await {
            let is_inside = button.left >= 0.0 && button.left + button.width <= f64::from(WIDGET.width);
            assert!(is_inside && button.height >= 44.0, "{button:?}");
        }
        browser.picture("access-6-embedded").await;
        browser.tap(".option:first-child button").await;
        let answered = browser.see(".answered").await;
        assert!(answered.contains("Sam Carter chose 1"), "{answered}");
        browser.picture("access-7-embedded-answered").await;

        let ask = json!({ "partner": "acme", "order": "PO-7704", "title": "When do the castings come?",
                          "question": "The line needs 400 pieces by Friday." });
        let made = super::call(&console, "POST", "/api/partner-links", &token_of("portal"), None, ask).await;
        browser.go(&links::link(&made)).await;
        browser.see(".partner-answer").await;
        browser.picture("access-8-partner").await;
        let width = browser.page_width().await;
        assert!(width <= f64::from(WIDGET.width), "the partner's page is {width} wide");
        browser.close().await;
    };
    tokio::time::timeout(JOURNEY_MAX, journey).await.expect("the journey comes to its end");
}

/// A page of another origin, as the console of Plex is one.
async fn parent_of(frame: &str, listener: TcpListener) -> MockServer {
    let parent = MockServer::builder().listener(listener).start().await;
    let page = format!(
        "<!doctype html><title>Plex</title><iframe src=\"{frame}\" width=\"320\" height=\"700\"></iframe>"
    );
    let page = ResponseTemplate::new(200).set_body_raw(page, "text/html");
    Mock::given(wiremock::matchers::any()).respond_with(page).mount(&parent).await;
    parent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_inside_the_page_of_the_program_that_may_show_it_and_of_no_other() {
    let journey = async {
        // Its address is known before the question is.
        let port = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let listener = port();
        let parent = format!("http://{}", listener.local_addr().expect("an address"));
        let console = Console::with(|site| {
            site.access.embed = Some(Embed { frame_ancestors: vec![parent.clone()] });
            site.access.service_accounts = vec![service("plex", &[Scope::GatesAnswer])];
        })
        .await;
        let (_, gate) = seed::three_plans(&console).await;
        let make = format!("/api/gates/{gate}/embed");
        let made = super::call(&console, "POST", &make, &token_of("plex"), Some("sam"), Value::Null).await;
        let frame = format!("{}{}", console.url, links::link(&made));

        let stranger = parent_of(&frame, port()).await;
        let browser = Browser::open(&stranger.uri(), WIDGET).await;
        browser.go("/").await;
        let inside = browser.enter_frame("iframe").await;
        let shown = inside.source().await.expect("a page");
        assert!(!shown.contains("PRESS-4") && !shown.contains("Choose 1"), "{shown}");
        browser.close().await;

        let served = parent_of(&frame, listener).await;
        let browser = Browser::open(&served.uri(), PHONE).await;
        browser.go("/").await;
        let inside = browser.enter_frame("iframe").await;
        let find = async |css: &'static str| {
            inside
                .wait()
                .for_element(Locator::Css(css))
                .await
                .unwrap_or_else(|error| panic!("{css}: {error}"))
        };
        find(".option:first-child button").await.click().await.expect("a tap");
        let answered = find(".answered").await.text().await.expect("its words");
        assert!(answered.contains("Sam Carter chose 1"), "{answered}");
        browser.picture("access-9-in-a-frame").await;
        browser.close().await;
    };
    tokio::time::timeout(JOURNEY_MAX, journey).await.expect("the journey comes to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_sign_in_in_a_browser_comes_back_to_the_page_that_was_wanted() {
    let journey = async {
        let sso = oidc::Provider::start().await;
        let console = oidc::console_with(&sso.url, Claim::Email).await;
        let browser = Browser::open(&console.url, PHONE).await;
        browser.go("/runs").await;
        browser.tap(".sso .button").await;
        browser.type_into("input[name=username]", "sam").await;
        browser.type_into("input[name=password]", "sso").await;
        browser.tap("button").await;
        browser.see("nav.sections").await;
        assert_eq!(browser.see("h1").await, "Runs");
        browser.close().await;
    };
    tokio::time::timeout(JOURNEY_MAX, journey).await.expect("the journey comes to its end");
}

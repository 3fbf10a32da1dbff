//! Mail: questions with one-time links for each person. A mail cannot be changed after it was sent, so the page behind
//! its links says who was faster.

mod letter;

use crate::{
    notify::{Contact, Destination, Message, Notifier, NotifyError, Receipt, Sending},
    site::{self, Encryption, Site},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message as Letter, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
    transport::smtp::{self, authentication::Credentials},
};
use rustls::crypto::{CryptoProvider, ring};
use secrecy::ExposeSecret;
use serde_json::json;
use std::{error::Error, time::Duration};

/// The name of this channel in the outbox.
pub const CHANNEL: &str = "mail";
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("mail.from in takt.yaml is no mail address: write one like Takt <takt@plant1.example>")]
    From,
    #[error("mail.host in takt.yaml cannot be used with TLS: {0}")]
    Tls(smtp::Error),
}

pub struct MailNotifier {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    notices: bool,
    site_name: String,
    zone: Tz,
}

impl MailNotifier {
    pub fn new(mail: &site::Mail, site_name: &str, zone: Tz) -> Result<Self, MailError> {
        if CryptoProvider::get_default().is_none() {
            let _ = ring::default_provider().install_default();
        }
        let from = mail.from.parse().map_err(|_| MailError::From)?;
        let host = mail.host.as_str();
        let builder = match mail.encryption {
            Encryption::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(host),
            Encryption::StartTls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host),
            Encryption::None => Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)),
        };
        let mut builder = builder.map_err(MailError::Tls)?.port(mail.port).timeout(Some(TIMEOUT));
        if let Some((user, password)) = &mail.credentials {
            builder =
                builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        let notices = mail.notices;
        Ok(Self { transport: builder.build(), from, notices, site_name: site_name.to_owned(), zone })
    }
}

#[async_trait]
impl Notifier for MailNotifier {
    fn channel(&self) -> &'static str {
        CHANNEL
    }

    fn destinations(
        &self,
        site: &Site,
        role: Option<&str>,
        person: Option<&str>,
        at: DateTime<Utc>,
    ) -> Vec<Destination> {
        let named = person.and_then(|id| site.person(id)).into_iter();
        let of_role = role.map(|role| site.people_in_role(role, at)).unwrap_or_default();
        let with_address = named.chain(of_role).filter(|person| person.email.is_some());
        with_address.map(|person| Destination::Person(Contact::of(person, None))).collect()
    }

    fn carries(&self, message: &Message, of_gate: bool) -> bool {
        match message {
            Message::Ask(_) => true,
            Message::Tell(_) => of_gate || self.notices,
            Message::Decided(_) | Message::Follow(_) => false,
        }
    }

    fn has_links(&self) -> bool {
        true
    }

    async fn send(&self, sending: &Sending<'_>) -> Result<Receipt, NotifyError> {
        let Destination::Person(Contact { name, email: Some(email), .. }) = sending.to else {
            return Err(NotifyError::lasting("this person has no mail address in takt.yaml"));
        };
        let address = email.parse().map_err(|_| {
            NotifyError::lasting(format!("the mail address of {name} in takt.yaml cannot be used"))
        })?;
        let written = letter::write(sending.message, &self.site_name, self.zone);
        // The same at every attempt, so that a mail program shows a repeated mail once.
        let id = format!("<{}@{}>", sending.id, self.from.email.domain());
        let letter = Letter::builder()
            .from(self.from.clone())
            .to(Mailbox::new(Some(name.clone()), address))
            .subject(written.subject)
            .message_id(Some(id.clone()))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(written.text, written.html))
            .map_err(|error| NotifyError::lasting(format!("the mail cannot be written: {error}")))?;
        self.transport.send(letter).await.map_err(|error| not_sent(&error))?;
        Ok(Receipt(json!({ "message_id": id })))
    }

    async fn update(&self, _receipt: &Receipt, _message: &Message) -> Result<(), NotifyError> {
        Ok(())
    }
}

/// Servers say why in their answer; what was sent to them is not part of it.
fn not_sent(error: &smtp::Error) -> NotifyError {
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let message = format!("the mail server did not take the mail: {why}");
    if error.is_permanent() { NotifyError::lasting(message) } else { NotifyError::passing(message) }
}

/// Keeps out-of-office answers away (RFC 3834).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

//! Credentials that everybody can read in Takt's repository: fine on one's own computer, an open door on a network.

use super::{Site, Verification};
use secrecy::ExposeSecret;

/// Of everybody in the sample site.
const PASSWORD: &str = "takt-demo";
/// The simulator signs with it.
const WEBHOOK_SECRET: &str = "whsec_c2ltdWxhdG9yLXBsYW50LTEtd2ViaG9vay1zZWNyZXQ=";

impl Site {
    /// What of this site opens with a published credential, one sentence each. Hashes passwords: slow on purpose.
    pub fn published_credentials(&self) -> Vec<String> {
        let people = self.people.iter().filter(|person| person.verify_password(PASSWORD));
        let people: Vec<&str> = people.map(|person| person.id.as_str()).collect();
        let mut found = Vec::new();
        if !people.is_empty() {
            found.push(format!(
                "the demo password signs in {}: give them a `password_hash` of their own, or none",
                people.join(", ")
            ));
        }
        for (name, source) in &self.sources {
            let Verification::StandardWebhooks { secret } = &source.verify;
            if secret.expose_secret() == WEBHOOK_SECRET {
                found.push(format!(
                    "`sources: {name}` takes events that are signed with the simulator's secret: give it another one"
                ));
            }
        }
        found
    }
}

//! `slack`, `teams`, `teams_webhook` and `mail` of a site.

use super::{
    access::is_mail_address,
    address::{host_of, is_safe, is_this_computer},
    *,
};
use crate::site::channels::{Encryption, Mail, MailFile, Teams, TeamsFile, TeamsWebhook, TeamsWebhookFile};
use secrecy::ExposeSecret;

const SLACK: &str = "Slack";
const SLACK_BASE_URL: &str = "https://slack.com/api";
const TEAMS_SERVICE_URL: &str = "https://smba.trafficmanager.net";
const TEAMS_ISSUER: &str = "https://api.botframework.com";
const TEAMS_METADATA_URL: &str = "https://login.botframework.com/v1/.well-known/openidconfiguration";
const TEAMS_LOGIN_URL: &str = "https://login.microsoftonline.com";
/// Where Microsoft serves Workflows webhooks.
const WEBHOOK_HOSTS: [&str; 2] = ["logic.azure.com", "api.powerplatform.com"];

impl Reading<'_> {
    pub(super) fn slack(&mut self, file: SlackFile) -> Option<Slack> {
        let doors = [file.signing_secret.as_ref(), file.app_token.as_ref()];
        if self.is_off(SLACK, file.optional, [Some(&file.bot_token)]) {
            return None;
        }
        // Either door will do: what an optional Slack does not have is left out.
        let has = |door: &&Text| !file.optional || resolve(&door.value, self.environment).is_ok();
        let (signing_secret, app_token) = (doors[0].filter(has), doors[1].filter(has));
        if signing_secret.is_none() && app_token.is_none() {
            if file.optional {
                self.notices.push(
                    "Slack is off: it takes the signing secret or, for Socket Mode, the app token".to_owned(),
                );
                return None;
            }
            let message =
                "Slack needs `signing_secret`, or `app_token` where nothing may come in from outside";
            self.problem(file.bot_token.referenced, message);
        }
        let declared =
            file.base_url.as_ref().map_or_else(|| SLACK_BASE_URL.to_owned(), |url| self.address(url));
        self.not_empty(&file.default_channel, "name the channel of messages that have no other");
        Some(Slack {
            base_url: self.overrides.slack.clone().unwrap_or(declared),
            bot_token: self.secret(&file.bot_token),
            signing_secret: signing_secret.map(|secret| self.secret(secret)),
            app_token: app_token.map(|token| self.secret(token)),
            default_channel: file.default_channel.value,
        })
    }

    pub(super) fn teams(&mut self, file: TeamsFile) -> Option<Teams> {
        if self.is_off("Teams", file.optional, [&file.app_id, &file.client_secret, &file.tenant].map(Some)) {
            return None;
        }
        let tenant = self.text(&file.tenant);
        let mut service_urls: Vec<String> = file.service_urls.iter().map(|url| self.address(url)).collect();
        if service_urls.is_empty() {
            service_urls.push(TEAMS_SERVICE_URL.to_owned());
        }
        let mut address =
            |url: &Option<Text>, usual: String| url.as_ref().map_or(usual, |url| self.address(url));
        let metadata_url = address(&file.metadata_url, TEAMS_METADATA_URL.to_owned());
        let token_url = address(&file.token_url, format!("{TEAMS_LOGIN_URL}/{tenant}/oauth2/v2.0/token"));
        Some(Teams {
            app_id: self.text(&file.app_id),
            client_secret: self.secret(&file.client_secret),
            tenant,
            default_conversation: file.default_conversation,
            service_urls,
            issuer: file.issuer.unwrap_or_else(|| TEAMS_ISSUER.to_owned()),
            metadata_url,
            token_url,
        })
    }

    pub(super) fn teams_webhook(
        &mut self,
        file: TeamsWebhookFile,
        roles: &BTreeSet<String>,
    ) -> Option<TeamsWebhook> {
        if self.is_off("the Workflows webhook of Teams", file.optional, [Some(&file.url)]) {
            return None;
        }
        let mut hosts: Vec<String> = file.hosts.iter().map(|host| self.text(host)).collect();
        hosts.extend(WEBHOOK_HOSTS.map(str::to_owned));
        let mut of_roles = BTreeMap::new();
        for (role, url) in &file.roles {
            if !roles.contains(role) {
                let hint = did_you_mean(role, roles.iter().map(String::as_str));
                self.problem(url.referenced, format!("there is no role `{role}`{hint}"));
            }
            of_roles.insert(role.clone(), self.webhook(url, &hosts));
        }
        Some(TeamsWebhook { url: self.webhook(&file.url, &hosts), roles: of_roles })
    }

    /// The address is a secret, so it is not named when it is wrong.
    fn webhook(&mut self, text: &Text, hosts: &[String]) -> SecretString {
        let url = self.secret(text);
        let address = url.expose_secret();
        let host = host_of(address);
        let allowed = host.is_some_and(|host| {
            let (name, _) = host.split_once(':').unwrap_or((host, ""));
            hosts.iter().any(|known| {
                known == host
                    || known == name
                    || name.strip_suffix(known.as_str()).is_some_and(|rest| rest.ends_with('.'))
            })
        });
        let is_good = address.is_empty() || (allowed && is_safe(address));
        if !is_good {
            let known = hosts.join(", ");
            let message =
                format!("a webhook must be at https://… of one of these hosts: {known} (more: `hosts`)");
            self.problem(text.referenced, message);
        }
        url
    }

    pub(super) fn mail(&mut self, file: MailFile) -> Option<Mail> {
        let wanted = [Some(&file.host), file.user.as_ref(), file.password.as_ref()];
        if self.is_off("mail", file.optional, wanted) {
            return None;
        }
        let host = self.text(&file.host);
        let encryption = match file.encryption.as_ref().map(|text| (text, self.text(text))) {
            None => Encryption::StartTls,
            Some((text, word)) => self.encryption(text, &word, &host),
        };
        let usual = match encryption {
            Encryption::Tls => 465,
            Encryption::StartTls => 587,
            Encryption::None => 25,
        };
        let port = file.port.as_ref().map_or(usual, |text| {
            let port = self.text(text);
            if port.is_empty() {
                return usual;
            }
            port.parse().unwrap_or_else(|_| {
                self.problem(text.referenced, format!("`{port}` is no port: write a number up to 65535"));
                usual
            })
        });
        let credentials = match (&file.user, &file.password) {
            (Some(user), Some(password)) => Some((self.text(user), self.secret(password))),
            (None, None) => None,
            (Some(text), None) | (None, Some(text)) => {
                self.problem(text.referenced, "`user` and `password` belong together: write both or none");
                None
            }
        };
        let from = self.text(&file.from);
        let address = from.rsplit_once('<').map_or(from.as_str(), |(_, rest)| rest.trim_end_matches('>'));
        if !from.is_empty() && (!is_mail_address(address) || from.contains(char::is_control)) {
            let message = format!("`{from}` is no mail address: write one like Takt <takt@plant1.example>");
            self.problem(file.from.referenced, message);
        }
        Some(Mail { host, port, encryption, credentials, from, notices: file.notices })
    }

    fn encryption(&mut self, text: &Text, word: &str, host: &str) -> Encryption {
        match word {
            "tls" => Encryption::Tls,
            "starttls" | "" => Encryption::StartTls,
            "none" if is_this_computer(host) => Encryption::None,
            "none" => {
                let message = "mail without encryption goes only to a server on this computer";
                self.problem(text.referenced, message);
                Encryption::None
            }
            other => {
                let message = format!("`{other}` is no encryption: write tls, starttls or none");
                self.problem(text.referenced, message);
                Encryption::StartTls
            }
        }
    }

    /// Whether something optional is off since one of these is not set; says so where others of them are.
    fn is_off<const N: usize>(&mut self, what: &str, optional: bool, wanted: [Option<&Text>; N]) -> bool {
        let found: Vec<_> =
            wanted.into_iter().flatten().map(|text| resolve(&text.value, self.environment)).collect();
        let is_begun = found.iter().any(Result::is_ok) || what == SLACK;
        let Some(why) = found.into_iter().find_map(Result::err).filter(|_| optional) else { return false };
        if is_begun {
            self.notices.push(format!("{what} is off: {why}"));
        }
        true
    }

    /// An address that secrets are sent to: encrypted, or on this computer.
    fn address(&mut self, text: &Text) -> String {
        let url = self.text(text);
        if !url.is_empty() && !is_safe(&url) {
            self.problem(text.referenced, format!("`{url}` must begin with https://"));
        }
        url.trim_end_matches('/').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::site::{Encryption, Environment, Overrides, Site};
    use secrecy::ExposeSecret;

    const PLANT: &str = "
name: Small
time_zone: UTC
shifts: [{ id: A, starts: '00:00', ends: '00:00' }]
roles: { lead: { title: Lead } }
people: [{ id: ann, name: Ann, roles: [lead] }]
";

    fn parse(section: &str) -> Result<Site, String> {
        let environment = Environment::of([
            ("SECRET", "s3cret"),
            ("HOOK", "https://prod-1.westeurope.logic.azure.com/workflows/s3cret"),
            ("EVIL", "https://logic.azure.com.evil.example/s3cret"),
            ("PLAIN", "http://prod-1.logic.azure.com/s3cret"),
            ("USERINFO", "https://logic.azure.com@evil.example/s3cret"),
        ]);
        let text = format!("{PLANT}{section}\n");
        Site::parse("takt.yaml", &text, &environment, &Overrides::default())
            .map_err(|error| error.to_string())
    }

    fn wrong(section: &str) -> String {
        parse(section).expect_err(section)
    }

    #[test]
    fn teams_has_good_defaults_and_sends_secrets_to_safe_addresses_only() {
        let teams = "teams: { app_id: a-1, client_secret: '${env:SECRET}', tenant: t-1 }";
        let read = parse(teams).expect("a site").teams.expect("teams");
        assert_eq!(read.service_urls, ["https://smba.trafficmanager.net"]);
        assert_eq!(read.token_url, "https://login.microsoftonline.com/t-1/oauth2/v2.0/token");
        assert_eq!(read.issuer, "https://api.botframework.com");
        for key in [
            "service_urls: ['http://teams.example']",
            "metadata_url: 'http://teams.example'",
            "token_url: 'ftp://x'",
        ] {
            let said = wrong(&teams.replace(" }", &format!(", {key} }}")));
            assert!(said.contains("must begin with https://"), "{said}");
        }
        assert!(
            wrong("teams: { app_id: a, client_secret: written-here, tenant: t }")
                .contains("does not belong in this file")
        );
    }

    #[test]
    fn a_webhook_goes_to_microsofts_hosts_and_its_address_is_never_shown() {
        let read =
            parse("teams_webhook: { url: '${env:HOOK}', roles: { lead: '${env:HOOK}' } }").expect("a site");
        assert!(read.teams_webhook.expect("a webhook").url.expose_secret().ends_with("s3cret"));
        for variable in ["EVIL", "PLAIN", "USERINFO"] {
            let said = wrong(&format!("teams_webhook: {{ url: '${{env:{variable}}}' }}"));
            assert!(said.contains("one of these hosts") && !said.contains("s3cret"), "{said}");
        }
        let said = wrong("teams_webhook: { url: '${env:HOOK}', roles: { laed: '${env:HOOK}' } }");
        assert!(said.contains("there is no role `laed`: did you mean `lead`?"), "{said}");
    }

    #[test]
    fn mail_is_encrypted_unless_it_stays_here() {
        let read = |section: &str| parse(section).expect("a site").mail.expect("mail");
        let mail = read("mail: { host: smtp.plant1.example, from: takt@plant1.example }");
        assert_eq!((mail.port, mail.encryption), (587, Encryption::StartTls));
        let mail = read("mail: { host: 127.0.0.1, port: 2525, encryption: none, from: takt@plant1.example }");
        assert_eq!((mail.port, mail.encryption), (2525, Encryption::None));
        let said = wrong("mail: { host: smtp.plant1.example, encryption: none, from: takt@plant1.example }");
        assert!(said.contains("only to a server on this computer"), "{said}");
        assert!(wrong("mail: { host: h, user: takt, from: a@b.c }").contains("belong together"));
        assert!(
            wrong("mail: { host: h, encryption: ssl, from: a@b.c }").contains("write tls, starttls or none")
        );
    }

    #[test]
    fn slack_has_one_door_or_both_and_what_is_begun_says_what_is_missing() {
        let slack =
            |keys: &str| format!("slack: {{ bot_token: '${{env:SECRET}}', default_channel: '#t', {keys} }}");
        let socket = parse(&slack("app_token: '${env:SECRET}'")).expect("a site").slack.expect("slack");
        assert!(socket.signing_secret.is_none() && socket.app_token.is_some());
        assert!(wrong(&slack("optional: false")).contains("`signing_secret`, or `app_token`"));
        let off = parse(&slack("optional: true, app_token: '${env:NOT_SET}'")).expect("a site");
        assert!(off.slack.is_none() && off.notices.iter().any(|notice| notice.starts_with("Slack is off")));
        let begun = parse(
            "teams: { app_id: '${env:SECRET}', client_secret: '${env:NOT_SET}', tenant: t, optional: true }",
        );
        let begun = begun.expect("a site").notices;
        assert_eq!(begun, ["Teams is off: the environment variable NOT_SET is not set"]);
        let unwanted =
            parse("mail: { host: '${env:NOT_SET}', from: a@b.c, optional: true }").expect("a site");
        assert!(unwanted.mail.is_none() && unwanted.notices.is_empty());
    }
}

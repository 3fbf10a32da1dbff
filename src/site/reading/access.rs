//! Checks the part of `takt.yaml` about who gets in.

use super::{
    Names, Reading,
    address::{is_origin, is_plain, is_safe},
    people::is_id,
};
use crate::site::{
    Access, Embed, Line, Module, Oidc, Partner, Person, Reach, Section, SignIn, access_file::*,
    environment::resolve, file::Text, load::did_you_mean,
};
use serde_saphyr::Spanned;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

const SESSION_MIN: Duration = Duration::from_secs(60);
const SESSION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Enough of one that a letter to it does not become another letter.
pub(super) fn is_mail_address(text: &str) -> bool {
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.contains(|letter: char| {
                letter.is_whitespace() || letter.is_control() || "<>,;@".contains(letter)
            })
    };
    text.split_once('@').is_some_and(|(name, host)| is_plain(name) && is_plain(host))
}

/// The sections as they stand in the file.
pub(super) struct AccessFile {
    pub lines: BTreeMap<String, Spanned<LineFile>>,
    pub modules: BTreeMap<String, Spanned<ModuleFile>>,
    pub reading: BTreeMap<Section, Spanned<Vec<Text>>>,
    pub sign_in: SignInFile,
    pub service_accounts: BTreeMap<String, Spanned<ServiceAccountFile>>,
    pub partners: BTreeMap<String, Spanned<PartnerFile>>,
    pub embed: Option<EmbedFile>,
}

impl Reading<'_> {
    pub(super) fn access(&mut self, file: AccessFile, people: &[Person], names: &Names) -> Access {
        let mut taken = BTreeMap::new();
        let mut lines = BTreeMap::new();
        for (id, line) in file.lines {
            let line = self.line(&id, line.value, &mut taken);
            lines.insert(id, line);
        }
        let modules = file.modules.into_iter().map(|(id, module)| {
            let ModuleFile { title, workflows } = module.value;
            self.mention_workflows(&workflows);
            (id, Module { title, workflows: workflows.into_iter().map(|text| text.value).collect() })
        });
        let modules = modules.collect();
        for roles in file.reading.values().filter(|roles| roles.value.is_empty()) {
            self.problem(
                roles.referenced,
                "nobody could read this: name a role, or leave the line out for everybody",
            );
        }
        file.reading
            .values()
            .flat_map(|roles| &roles.value)
            .for_each(|role| self.known("role", role, &names.roles));
        let words = |texts: Vec<Text>| texts.into_iter().map(|text| text.value).collect();
        let reading =
            file.reading.into_iter().map(|(section, roles)| (section, words(roles.value))).collect();
        Access {
            lines,
            modules,
            reading,
            service_accounts: self.service_accounts(file.service_accounts, names),
            partners: file.partners.into_iter().map(|(id, partner)| self.partner(id, partner)).collect(),
            embed: file.embed.map(|embed| self.embed(embed)),
            sign_in: self.sign_in(file.sign_in, people),
        }
    }

    fn line(&mut self, id: &str, file: LineFile, taken: &mut BTreeMap<String, String>) -> Line {
        let mut work_centers = BTreeSet::new();
        for at in file.work_centers {
            if let Some(other) = taken.insert(at.value.clone(), id.to_owned()) {
                let message = format!("the work center `{}` is on the line `{other}` already", at.value);
                self.problem(at.referenced, message);
            }
            work_centers.insert(at.value);
        }
        Line { title: file.title, work_centers }
    }

    /// A person's roles, and where those are held that are not held everywhere.
    pub(super) fn held(
        &mut self,
        held: Vec<Spanned<HeldFile>>,
        names: &Names,
    ) -> (Vec<String>, BTreeMap<String, Reach>) {
        let (mut roles, mut reach) = (Vec::new(), BTreeMap::new());
        for held in held {
            let at = held.referenced;
            let HeldFile { role, lines, work_centers, modules, is_limited } = held.value;
            let named = [("role", std::slice::from_ref(&role), &names.roles)];
            let named = named.into_iter().chain([
                ("line", lines.as_slice(), &names.lines),
                ("module", modules.as_slice(), &names.modules),
            ]);
            for (kind, words, known) in named {
                for word in words.iter().filter(|word| !known.contains(*word)) {
                    let hint = did_you_mean(word, known.iter().map(String::as_str));
                    self.problem(at, format!("there is no {kind} `{word}`{hint}"));
                }
            }
            work_centers.iter().for_each(|word| self.known_work_center(at, word, names));
            if is_limited && lines.is_empty() && work_centers.is_empty() && modules.is_empty() {
                let message = format!(
                    "say where `{role}` is held with `lines`, `work_centers` or `modules`, or write the role alone"
                );
                self.problem(at, message);
            }
            if roles.contains(&role) {
                self.problem(
                    at,
                    format!("the role `{role}` is given twice: name all its lines in one place"),
                );
            }
            if is_limited {
                let set = |words: Vec<String>| words.into_iter().collect();
                let limits =
                    Reach { lines: set(lines), work_centers: set(work_centers), modules: set(modules) };
                reach.insert(role.clone(), limits);
            }
            roles.push(role);
        }
        (roles, reach)
    }

    fn partner(&mut self, id: String, file: Spanned<PartnerFile>) -> (String, Partner) {
        if !is_id(&id) {
            let message = format!("`{id}` is no id: write lower-case letters, digits, `_`, `.` or `-`");
            self.problem(file.referenced, message);
        }
        if file.value.name.trim().is_empty() {
            self.problem(file.referenced, format!("the partner `{id}` has a `name`: its page shows it"));
        }
        (id, Partner { name: file.value.name })
    }

    fn embed(&mut self, file: EmbedFile) -> Embed {
        let mut frame_ancestors = Vec::new();
        for origin in &file.frame_ancestors {
            let value = self.text(origin);
            if !is_origin(&value) {
                let message = format!(
                    "`{value}` is no origin: write one like https://plant1.example, without a path; `*.` only before a \
                     whole domain"
                );
                self.problem(origin.referenced, message);
            }
            frame_ancestors.push(value);
        }
        Embed { frame_ancestors }
    }

    fn sign_in(&mut self, file: SignInFile, people: &[Person]) -> SignIn {
        let default = SignIn::default();
        let lengths = (file.idle.as_ref(), file.length.as_ref());
        let mut time =
            |text: Option<&Text>, default: Duration| text.map_or(default, |text| self.duration(text));
        let (idle, length) = (time(lengths.0, default.idle), time(lengths.1, default.length));
        for (text, length) in [(lengths.0, idle), (lengths.1, length)] {
            if let Some(text) = text.filter(|_| !(SESSION_MIN..=SESSION_MAX).contains(&length)) {
                self.problem(text.referenced, "a session holds between 1m and 30d");
            }
        }
        let oidc_at = file.oidc.as_ref().map(|oidc| oidc.referenced);
        let oidc = file.oidc.and_then(|oidc| self.oidc(oidc.value));
        let local = file.local.as_ref().is_none_or(|local| local.value);
        if let (Some(switch), None, false) = (&file.local, oidc_at, local) {
            self.problem(switch.referenced, "nobody could sign in: declare `oidc`, or leave `local` on");
        }
        if let (Some(at), Some(oidc)) = (oidc_at, &oidc)
            && oidc.claim == crate::site::Claim::Email
            && !local
            && people.iter().all(|person| person.email.is_none())
        {
            self.problem(at, "nobody could sign in: with `claim: email` people need an `email`");
        }
        let proxies = file.proxies.iter().filter_map(|proxy| self.proxy(proxy)).collect();
        SignIn { local, idle, length, oidc, proxies }
    }

    fn proxy(&mut self, proxy: &Text) -> Option<IpAddr> {
        let value = self.text(proxy);
        let address = value.parse::<IpAddr>().map(|address| address.to_canonical());
        let message = format!("`{value}` is no address: write one like 127.0.0.1");
        address.map_err(|_| self.problem(proxy.referenced, message)).ok()
    }

    fn oidc(&mut self, file: OidcFile) -> Option<Oidc> {
        let missing = [Some(&file.issuer), Some(&file.client_id), file.client_secret.as_ref()];
        let missing =
            missing.into_iter().flatten().find_map(|text| resolve(&text.value, self.environment).err());
        if let Some(why) = missing.filter(|_| file.optional) {
            self.notices.push(format!("single sign-on is off: {why}"));
            return None;
        }
        let issuer = self.text(&file.issuer);
        if !issuer.is_empty() && (!is_safe(&issuer) || !is_plain(&issuer)) {
            let message = "the issuer must be an https:// address, as its provider writes it in its tokens";
            self.problem(file.issuer.referenced, message);
        }
        let client_id = self.text(&file.client_id);
        if client_id.trim().is_empty() && self.is_resolved(&file.client_id) {
            self.problem(
                file.client_id.referenced,
                "this is empty: the provider knows Takt by its `client_id`",
            );
        }
        let mut scopes = vec!["openid".to_owned()];
        if file.claim == crate::site::Claim::Email {
            scopes.push("email".to_owned());
        }
        scopes.extend(file.scopes.into_iter().filter(|scope| scope != "openid" && scope != "email"));
        Some(Oidc {
            title: file.title.unwrap_or_else(|| "single sign-on".to_owned()),
            issuer,
            client_id,
            client_secret: file.client_secret.map(|secret| self.secret(&secret)),
            claim: file.claim,
            scopes,
        })
    }
}

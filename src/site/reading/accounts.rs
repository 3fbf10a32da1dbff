//! Service accounts of takt.yaml: what each program may do, and where.

use super::{Names, Reading, people::is_id};
use crate::site::{ROOT_ACCOUNT, Scope, ServiceAccount, access_file::ServiceAccountFile, load::did_you_mean};
use secrecy::{ExposeSecret, SecretString};
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};

impl Reading<'_> {
    pub(super) fn service_accounts(
        &mut self,
        files: BTreeMap<String, Spanned<ServiceAccountFile>>,
        names: &Names,
    ) -> Vec<ServiceAccount> {
        let mut hashes: BTreeMap<String, String> = BTreeMap::new();
        let mut accounts = Vec::new();
        for (id, file) in files {
            if !is_id(&id) {
                let message = format!("`{id}` is no id: write lower-case letters, digits, `_`, `.` or `-`");
                self.problem(file.referenced, message);
            }
            if id == ROOT_ACCOUNT {
                let message =
                    format!("`{id}` is whoever has the site's own token, TAKT_API_TOKEN: call it otherwise");
                self.problem(file.referenced, message);
            }
            let at = file.value.token_hash.referenced;
            let account = self.service_account(id, file, names);
            let hash = account.token_hash.expose_secret();
            if let Some(other) = hashes.get(hash).filter(|_| !hash.is_empty()) {
                let message = format!(
                    "`{}` and `{other}` have the same token: what one of them does would be the other's (`takt token new` \
                     makes another)",
                    account.id
                );
                self.problem(at, message);
            }
            hashes.insert(hash.to_owned(), account.id.clone());
            accounts.push(account);
        }
        accounts
    }

    fn service_account(
        &mut self,
        id: String,
        file: Spanned<ServiceAccountFile>,
        names: &Names,
    ) -> ServiceAccount {
        let at = file.referenced;
        let file = file.value;
        if file.scopes.is_empty() {
            let known = Scope::ALL.map(Scope::word).join(", ");
            self.problem(at, format!("`{id}` may do nothing: give it scopes (there are: {known})"));
        }
        let mut scopes = BTreeSet::new();
        for word in &file.scopes {
            match Scope::ALL.into_iter().find(|scope| scope.word() == word.value) {
                Some(scope) => {
                    scopes.insert(scope);
                }
                None => {
                    let hint = did_you_mean(&word.value, Scope::ALL.iter().map(|scope| scope.word()));
                    self.problem(word.referenced, format!("there is no scope `{}`{hint}", word.value));
                }
            }
        }
        file.lines.iter().for_each(|line| self.known("line", line, &names.lines));
        file.modules.iter().for_each(|module| self.known("module", module, &names.modules));
        for work_center in &file.work_centers {
            self.known_work_center(work_center.referenced, &work_center.value, names);
        }
        self.mention_workflows(&file.workflows);
        let set = |texts: Vec<super::Text>| texts.into_iter().map(|text| text.value).collect::<BTreeSet<_>>();
        let (workflows, lines) = (set(file.workflows), set(file.lines));
        let (work_centers, modules) = (set(file.work_centers), set(file.modules));
        let token_hash = self.token_hash(&id, &file.token_hash);
        let reach = crate::site::Reach { lines, work_centers, modules };
        ServiceAccount { id, title: file.title, token_hash, scopes, workflows, reach }
    }

    fn token_hash(&mut self, id: &str, text: &super::Text) -> SecretString {
        let given = self.secret(text);
        let hash = given.expose_secret();
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash && self.is_resolved(text) {
            let message = format!(
                "the token_hash of `{id}` is no SHA-256 in hexadecimal: `takt token new` prints token and hash"
            );
            self.problem(text.referenced, message);
        }
        hash.to_ascii_lowercase().into()
    }
}

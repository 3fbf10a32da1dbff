//! `systems:` of a site: where other systems are reached, or which program is started instead.

use super::*;

impl Reading<'_> {
    pub(super) fn system(&mut self, file: Spanned<SystemFile>) -> System {
        let (place, mut file) = (file.referenced, file.value);
        let command = self.command(place, &mut file);
        let (at, declared) = match (&file.base_url, &command) {
            (Some(base_url), _) => (base_url.referenced, self.text(base_url)),
            (None, Some(_)) => (place, String::new()),
            (None, None) => {
                self.problem(place, "a system has a `base_url`, or a `command` that Takt starts");
                (place, String::new())
            }
        };
        let base_url = match (&self.overrides.simulator, declared.split_once("://")) {
            _ if !declared.is_empty() && !address::is_plain(&declared) => {
                let message = "base_url must be a whole address, like https://connect.plex.com, without a name, a \
                               password or a query in it: secrets go under `secrets`";
                self.problem(at, message);
                declared
            }
            (Some(origin), Some((_, rest))) if file.simulator => {
                let path = rest.find('/').map_or("", |slash| &rest[slash..]);
                format!("{}{path}", origin.trim_end_matches('/'))
            }
            _ => declared,
        };
        let secrets: BTreeMap<_, _> =
            file.secrets.into_iter().map(|(name, secret)| (name, self.secret(&secret))).collect();
        System {
            base_url: base_url.trim_end_matches('/').to_owned(),
            command,
            secrets,
            simulator: file.simulator,
        }
    }

    fn command(&mut self, at: Location, file: &mut SystemFile) -> Option<Command> {
        let Some(program) = &file.command else {
            if !file.args.is_empty() || !file.env.is_empty() {
                self.problem(at, "`args` and `env` belong to a `command`");
            }
            return None;
        };
        if file.base_url.is_some() || file.simulator || !file.secrets.is_empty() {
            let message = "a system with a `command` has no `base_url`, no `simulator` and no `secrets`: what it may \
                           know stands under `env`";
            self.problem(at, message);
        }
        let program = self.text(program);
        let args = file.args.iter().map(|arg| self.text(arg)).collect();
        let mut env = BTreeMap::new();
        let mut references = Vec::new();
        for (name, value) in &file.env {
            if value.value.contains("${") {
                references.push(name.clone());
            }
            env.insert(name.clone(), self.text(value).into());
        }
        Some(Command { program, args, env, references })
    }
}

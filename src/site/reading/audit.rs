//! `audit:` of a site, checked.

use super::*;
use crate::site::audit::{Audit, AuditFile};
use secrecy::ExposeSecret;

impl Reading<'_> {
    pub(super) fn audit(&mut self, file: AuditFile) -> Audit {
        let signing_key = file.signing_key.as_ref().map(|key| self.secret(key));
        // Empty where secrets are not needed, and the file could not be read.
        let signing_key = signing_key.filter(|key| !key.expose_secret().is_empty());
        let checkpoints = file.checkpoints.as_ref().map(|folder| {
            let path = PathBuf::from(self.text(folder));
            if !path.is_absolute() {
                let message = "write the whole path of the folder, such as /mnt/worm/takt: it should not lie in the site";
                self.problem(folder.referenced, message);
            }
            path
        });
        if let (None, Some(folder)) = (&file.signing_key, &file.checkpoints) {
            let message = "a checkpoint is signed: name the key too, `signing_key: ${file:/etc/takt/audit.key}` \
                           (`takt audit key` makes one)";
            self.problem(folder.referenced, message);
        }
        let details = file.details.as_ref().map(|text| self.whole_days(text));
        let details_before = file.details_before.as_ref().map(|text| self.whole_days(text));
        Audit { signing_key, checkpoints, details, details_before }
    }

    fn whole_days(&mut self, text: &Text) -> Duration {
        let kept = self.duration(text);
        if kept < Duration::from_secs(24 * 3600) {
            self.problem(text.referenced, "history is kept in whole days: write at least 1d");
        }
        kept
    }
}

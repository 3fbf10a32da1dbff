//! `takt new`: a workflow from a template, with its messages, its test and a fixture, that passes `takt check` and
//! `takt test` as it is.

use crate::{
    app::AppError,
    site::{Role, Site},
};
use chrono::{DateTime, Days, NaiveDate, TimeZone, Utc};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Write a new workflow with messages, test and fixture, that checks and passes at once
#[derive(Debug, clap::Args)]
pub struct NewArgs {
    /// Its id: lower case letters, digits and `_`
    pub name: String,

    /// What it begins as
    #[arg(long, value_enum, default_value_t = Template::Approval)]
    pub template: Template,

    /// The role that is asked; the first one that somebody has when left out
    #[arg(long, value_name = "ROLE")]
    pub ask: Option<String>,

    /// Folder that holds takt.yaml, workflows/, connectors/ and the rest
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR")]
    pub site: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// A person asks for something, another approves it
    Approval,
    /// An event that lasts is acknowledged, and waited for until it is over
    Alarm,
    /// A question at fixed times
    Schedule,
}

#[derive(Debug, thiserror::Error)]
pub enum NewError {
    #[error(transparent)]
    Site(#[from] AppError),
    #[error("`{0}` is no id: use lower case letters, digits and `_`, a letter first")]
    Name(String),
    #[error("{0} exists already: choose another name, or remove it")]
    Exists(PathBuf),
    #[error("nobody in takt.yaml has the role `{0}` at any time: choose another one with --ask")]
    NobodyAsked(String),
    #[error("takt.yaml has no role that somebody fills: add people and roles first")]
    NoRole,
    #[error("{path} cannot be written: {cause}")]
    Write { path: PathBuf, cause: io::Error },
}

impl Template {
    /// The workflow and its test.
    fn files(self) -> (&'static str, &'static str) {
        match self {
            Self::Approval => (include_str!("approval.yaml"), include_str!("approval.test.yaml")),
            Self::Alarm => (include_str!("alarm.yaml"), include_str!("alarm.test.yaml")),
            Self::Schedule => (include_str!("schedule.yaml"), include_str!("schedule.test.yaml")),
        }
    }

    /// Ending of the name and text of each message.
    fn messages(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Approval => &[
                ("", "{{inputs.what}}: do you approve?\nAsked for by {{trigger.by}}.\n"),
                ("_done", "{{inputs.what}} was approved\n{{steps.approve.by_name}} approved it.\n"),
                ("_failed", FAILED),
            ],
            Self::Alarm => &[
                ("", "{{trigger.machine}}: {{trigger.reason}}\nAcknowledge when somebody looks after it.\n"),
                ("_still", "{{trigger.machine}} is still in alarm\n{{trigger.reason}}\n"),
                ("_failed", FAILED),
            ],
            Self::Schedule => &[
                ("", "The round of {{time trigger.time}}\nAcknowledge when it is done.\n"),
                ("_failed", FAILED),
            ],
        }
    }

    fn fixture(self) -> &'static str {
        match self {
            Self::Approval => "{ \"what\": \"A day of overtime on line 2\" }\n",
            Self::Alarm => {
                "{ \"machine\": \"M-1\", \"status\": \"RAISED\", \"reason\": \"oil pressure low\" }\n"
            }
            Self::Schedule => "{ \"rounds\": 1 }\n",
        }
    }
}

/// The event of the alarm template, where a site describes its events.
const ALARM: (&str, &str) = (
    "events/plant.alarm.json",
    r#"{
  "title": "A machine raises an alarm, or clears it",
  "type": "object",
  "properties": {
    "machine": { "type": "string" },
    "status": { "enum": ["RAISED", "CLEARED"] },
    "reason": { "type": "string" }
  },
  "required": ["machine", "status", "reason"]
}
"#,
);

const FAILED: &str =
    "This could not be finished\n{{#if failure}}{{failure.message}}{{/if}}\nPlease go on by hand.\n";

/// Writes nothing when one of the files is there already.
pub fn run(args: &NewArgs) -> Result<(), NewError> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !args.name.starts_with(|c: char| c.is_ascii_lowercase()) || !args.name.chars().all(is_word) {
        return Err(NewError::Name(args.name.clone()));
    }
    let plant = super::plant_of(&args.site)?;
    let asked = Asked::of(&plant.site, args.ask.as_deref())?;
    let files = files(&args.name, args.template, &plant.site, &asked);
    if let Some((path, _)) = files.iter().find(|(path, _)| args.site.join(path).exists()) {
        return Err(NewError::Exists(path.clone()));
    }
    for (path, text) in &files {
        write(&args.site.join(path), text)?;
        println!("{}", path.display());
    }
    eprintln!("takt check workflows/{0}.yaml && takt test workflows/{0}.yaml", args.name);
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), NewError> {
    let failed = |cause| NewError::Write { path: path.to_owned(), cause };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

fn files(name: &str, template: Template, site: &Site, asked: &Asked) -> Vec<(PathBuf, String)> {
    let title = name.replace('_', " ");
    let mut title: Vec<char> = title.chars().collect();
    if let Some(first) = title.first_mut() {
        *first = first.to_ascii_uppercase();
    }
    let title: String = title.into_iter().collect();
    let start = asked.at.with_timezone(&site.time_zone);
    let fill = |text: &str| {
        text.replace("NAME", name)
            .replace("TITLE", &title)
            .replace("ROLE", &asked.role)
            .replace("PERSON", &asked.person)
            .replace("EXPIRY", if asked.has_ladder { "escalate" } else { "fail" })
            .replace("ZONE", site.time_zone.name())
            .replace("START", &start.to_rfc3339())
    };
    let (workflow, test) = template.files();
    let mut files = vec![
        (PathBuf::from(format!("workflows/{name}.yaml")), fill(workflow)),
        (PathBuf::from(format!("workflows/{name}.test.yaml")), fill(test)),
        (PathBuf::from(format!("workflows/fixtures/{name}.json")), template.fixture().to_owned()),
    ];
    let messages = template.messages().iter();
    files.extend(
        messages.map(|(ending, text)| {
            (PathBuf::from(format!("messages/{name}{ending}.hbs")), (*text).to_owned())
        }),
    );
    if template == Template::Alarm
        && site.folder.join("events").is_dir()
        && !site.folder.join(ALARM.0).exists()
    {
        files.push((PathBuf::from(ALARM.0), ALARM.1.to_owned()));
    }
    files
}

/// Who is asked in the new workflow, and a time at which they can be.
struct Asked {
    role: String,
    person: String,
    at: DateTime<Utc>,
    has_ladder: bool,
}

impl Asked {
    fn of(site: &Site, role: Option<&str>) -> Result<Self, NewError> {
        let roles: Vec<(&String, &Role)> = match role {
            Some(role) => site.roles.iter().filter(|(id, _)| id.as_str() == role).collect(),
            None => {
                let (with, without): (Vec<_>, Vec<_>) =
                    site.roles.iter().partition(|(_, role)| role.ladder.is_some());
                with.into_iter().chain(without).collect()
            }
        };
        let found = roles.into_iter().find_map(|(id, declared)| {
            let (person, at) = hours(site).find_map(|at| {
                let later = at + chrono::TimeDelta::minutes(30);
                let people = site.people_in_role(id, at);
                let stays = people.into_iter().find(|person| site.holds_role(&person.id, id, later))?;
                Some((stays.id.clone(), at))
            })?;
            Some(Self { role: id.clone(), person, at, has_ladder: declared.ladder.is_some() })
        });
        found.ok_or_else(|| role.map_or(NewError::NoRole, |role| NewError::NobodyAsked(role.to_owned())))
    }
}

/// Every full hour of a working week, in the plant's time.
fn hours(site: &Site) -> impl Iterator<Item = DateTime<Utc>> {
    let monday = NaiveDate::from_ymd_opt(2027, 1, 11).unwrap_or_default();
    (0..7 * 24).filter_map(move |hour: u64| {
        let day = monday.checked_add_days(Days::new(hour / 24))?;
        let time = day.and_hms_opt(u32::try_from(hour % 24).ok()?, 0, 0)?;
        site.time_zone.from_local_datetime(&time).earliest().map(|at| at.with_timezone(&Utc))
    })
}

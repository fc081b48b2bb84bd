//! `report`: what users say of each other.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::{
    AdminRequest, Desk,
    client::Client,
    failure::{Failure, Problem},
    output::Out,
};
use crate::{
    clock,
    core::{
        account::rfc3339_millis,
        safety::{self, ReportId, Speaker},
    },
    store::ReportFilter,
};

#[derive(Subcommand)]
pub(crate) enum Report {
    List(List),
    Show(Show),
    Resolve(Resolve),
}

impl Report {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(client, out).await,
            Self::Show(show) => show.run(client, out).await,
            Self::Resolve(resolve) => resolve.run(client, out).await,
        }
    }
}

/// A report as operators see it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    id: String,
    filed_at: String,
    reporter: Option<String>,
    reported: Option<String>,
    room: String,
    reason: String,
    lines: Vec<Line>,
    resolution: Option<Resolution>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    by: Speaker,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Resolution {
    note: String,
    at: String,
}

impl Row {
    fn new(id: ReportId, report: &safety::Report) -> Self {
        let line = |line: &safety::Line| Line { by: line.by, text: line.text.clone() };
        Self {
            id: id.to_string(),
            filed_at: rfc3339_millis(report.filed_at),
            reporter: report.reporter.map(|user| user.to_string()),
            reported: report.reported.map(|user| user.to_string()),
            room: report.room.to_string(),
            reason: report.reason.clone(),
            lines: report.lines.iter().map(line).collect(),
            resolution: report.resolution.as_ref().map(|resolution| Resolution {
                note: resolution.note.clone(),
                at: rfc3339_millis(resolution.at),
            }),
        }
    }

    fn state(&self) -> String {
        self.resolution
            .as_ref()
            .map_or_else(|| "open".into(), |made| format!("{}: {}", made.at, made.note))
    }
}

fn user(id: Option<&String>) -> String {
    id.map_or_else(|| "(deleted)".into(), Clone::clone)
}

/// List reports, the newest first; only open ones unless --all.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct List {
    /// Those that were resolved, too
    #[arg(long)]
    all: bool,
    /// Only those about this user: id, username or e-mail address
    #[arg(long, value_name = "USER")]
    about: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

impl AdminRequest for List {
    const NAME: &'static str = "report list";
    type Answer = Vec<Row>;

    async fn answer(self, desk: &Desk) -> Result<Vec<Row>, Problem> {
        let store = &desk.services.store;
        let reported = match self.about {
            Some(named) => {
                let found = store.find_account(named.clone()).await?;
                let none = || Problem::not_found(format!("there is no user {named}"));
                Some(found.ok_or_else(none)?.id)
            }
            None => None,
        };
        let limit = Some(self.limit as usize);
        let filter = ReportFilter { resolved: self.all, reported, limit };
        let reports = store.reports(filter).await?;
        Ok(reports.iter().map(|(id, report)| Row::new(*id, report)).collect())
    }
}

impl List {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let rows = client.ask(self).await?;
        Ok(out.rows(&rows, ["ID", "FILED", "ABOUT", "REASON", "STATE"], |row| {
            [
                row.id.clone(),
                row.filed_at.clone(),
                user(row.reported.as_ref()),
                row.reason.clone(),
                row.state(),
            ]
        })?)
    }
}

/// Show a report with the last that was said in the room.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Show {
    /// As `report list` shows it
    #[arg(value_name = "REPORT")]
    id: ReportId,
}

impl AdminRequest for Show {
    const NAME: &'static str = "report show";
    type Answer = Row;

    async fn answer(self, desk: &Desk) -> Result<Row, Problem> {
        let report = desk.services.store.report(self.id).await?;
        report.map(|report| Row::new(self.id, &report)).ok_or_else(|| none(self.id))
    }
}

impl Show {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let row = client.ask(self).await?;
        let fields = [
            ("id", row.id.clone()),
            ("filed", row.filed_at.clone()),
            ("by", user(row.reporter.as_ref())),
            ("about", user(row.reported.as_ref())),
            ("room", row.room.clone()),
            ("reason", row.reason.clone()),
            ("state", row.state()),
        ];
        out.fields(&row, fields)?;
        if !out.is_json() {
            out.rows(&row.lines, ["BY", "SAID"], |line| {
                let by = match line.by {
                    Speaker::Reporter => "reporter",
                    Speaker::Reported => "reported",
                };
                [by.to_owned(), line.text.clone()]
            })?;
        }
        Ok(())
    }
}

/// Note what was made of a report; it leaves the list of open ones.
#[derive(Args, Serialize, Deserialize)]
#[command(after_help = "\
Example:
  meoww-server report resolve 01890a5d-ac96-774b-bcce-b302099a8057 --note 'banned for a week'")]
pub(crate) struct Resolve {
    /// As `report list` shows it
    #[arg(value_name = "REPORT")]
    id: ReportId,
    /// For the operators
    #[arg(long, value_name = "TEXT")]
    note: String,
}

impl AdminRequest for Resolve {
    const NAME: &'static str = "report resolve";
    type Answer = Row;

    async fn answer(self, desk: &Desk) -> Result<Row, Problem> {
        let report = desk.services.store.resolve_report(self.id, self.note, clock::now()).await?;
        report.map(|report| Row::new(self.id, &report)).ok_or_else(|| none(self.id))
    }
}

impl Resolve {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let row = client.ask(self).await?;
        Ok(out.one(&row, &format!("{} is resolved", row.id))?)
    }
}

fn none(id: ReportId) -> Problem {
    Problem::not_found(format!("there is no report {id}"))
}

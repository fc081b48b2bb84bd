//! `db check`: whether the database is what it should be.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    admin::{
        AdminRequest, Desk,
        client::Client,
        failure::{Failure, Kind, Problem},
        output::Out,
    },
    store::{Finding, MAX_FINDINGS},
};

/// Read every record and follow every reference; exit code 9 if something is wrong.
///
/// A running server goes on meanwhile. At most a thousand findings are listed.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Check {}

#[derive(Serialize, Deserialize)]
pub(crate) struct Checked {
    records: Vec<(String, u64)>,
    findings: Vec<Finding>,
}

impl AdminRequest for Check {
    const NAME: &'static str = "db check";
    type Answer = Checked;

    async fn answer(self, desk: &Desk) -> Result<Checked, Problem> {
        let (records, findings) = desk.services.store.check().await?;
        Ok(Checked { records, findings })
    }
}

impl Check {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let checked = client.ask(self).await?;
        if out.is_json() {
            let counts: serde_json::Map<_, _> =
                checked.records.iter().map(|(name, n)| (name.clone(), (*n).into())).collect();
            let report = serde_json::json!({ "records": counts, "findings": checked.findings });
            out.one(&report, "")?;
        } else {
            out.rows(&checked.records, ["TYPE", "RECORDS"], |(name, n)| {
                [name.clone(), n.to_string()]
            })?;
        }
        if checked.findings.is_empty() {
            return Ok(());
        }
        if !out.is_json() {
            out.rows(&checked.findings, ["TYPE", "KEY", "FINDING"], |finding| {
                [finding.place.clone(), finding.key.clone(), finding.what.clone()]
            })?;
        }
        let message = match checked.findings.len() {
            MAX_FINDINGS.. => format!("{MAX_FINDINGS} findings or more"),
            few => format!("{few} findings"),
        };
        Err(Problem::new(Kind::FoundWrong, message).into())
    }
}

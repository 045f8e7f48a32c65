//! Step 9: the audit log, sealed and verified from the data folder while the server runs.

use super::Story;
use crate::demo::say;
use crate::demo::wait::{Seen, until};
use anyhow::{Result, bail};

impl Story {
    pub(super) async fn account(&self) -> Result<()> {
        let options = store::Options::embedded(&self.data);
        let report = until("the audit log to be sealed", async || {
            let report = store::audit::verify(&options, None).await?;
            if let Some(problem) = report.problems.first() {
                bail!("the audit log is not whole: {}", problem.what);
            }
            Ok(match report.unsealed {
                0 if report.sealed > 0 => Seen::Yes(report),
                unsealed => Seen::NotYet(format!("{unsealed} rows are not sealed yet")),
            })
        })
        .await?;
        say::good(&format!(
            "{} acts and decisions, sealed in a Merkle log with {} signed checkpoints",
            report.sealed, report.checkpoints
        ));
        say::good(
            "every row is as it was sealed; policies, keys, teams and grants are as the log says",
        );
        say::plain("An edit by hand would be named: countersign audit verify ends with 3 then.");
        Ok(())
    }
}

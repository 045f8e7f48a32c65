//! `/break-glass`.

use reqwest::Method;

use super::with_query;
use crate::api::break_glass::{BreakGlass, NewBreakGlass};
use crate::{Client, Error};

impl Client {
    /// Asks that a gate be opened for one image. It stays shut until somebody else confirms it.
    pub async fn ask_break_glass(&self, new: &NewBreakGlass) -> Result<BreakGlass, Error> {
        self.write(Method::POST, self.api(&["break-glass"])?, new)
            .await
    }

    /// Confirms what somebody else asked for.
    pub async fn confirm_break_glass(&self, id: i64) -> Result<BreakGlass, Error> {
        let url = self.api(&["break-glass", &id.to_string(), "confirm"])?;
        self.ask(Method::POST, url)
            .await?
            .json(crate::limits::ANSWER_BYTES_MAX)
            .await
    }

    /// Those that wait or are in force, the newest first; with `all`, those that ended too.
    pub async fn break_glasses(&self, all: bool) -> Result<Vec<BreakGlass>, Error> {
        let all = all.then_some("true");
        self.list(with_query(self.api(&["break-glass"])?, &[("all", all)]))
            .await
    }

    /// Ends one before its time.
    pub async fn end_break_glass(&self, id: i64) -> Result<(), Error> {
        self.act(Method::DELETE, self.api(&["break-glass", &id.to_string()])?)
            .await
    }
}

//! A file that says anything at all.

use serde_json::Value;
use trust::tuf::{Content, Problem, RoleName};

/// The `signed` part of a file, as it is.
#[derive(Debug, Clone)]
pub struct Raw(pub Value);

impl Content for Raw {
    fn read(signed: &Value, _: &RoleName) -> Result<Self, Problem> {
        Ok(Self(signed.clone()))
    }

    fn to_value(&self) -> Value {
        self.0.clone()
    }

    fn renew(&mut self, _: i64, _: i64) {}

    fn version(&self) -> i64 {
        0
    }

    fn expires(&self) -> i64 {
        0
    }
}

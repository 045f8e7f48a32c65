//! Answers in words, as the wire has them: trees of nodes as JSON, and drawn.

use crate::error::{ApiError, ApiResult};
use policy::decision::Node;
use serde::Serialize;
use serde_json::Value;

/// One part of an answer that another crate defines.
pub(crate) fn value(part: &impl Serialize) -> ApiResult<Value> {
    serde_json::to_value(part).map_err(|error| ApiError::internal(&error))
}

/// Several of them.
pub(crate) fn values<T: Serialize>(parts: &[T]) -> ApiResult<Vec<Value>> {
    parts.iter().map(value).collect()
}

/// Trees below each other, as text.
pub(crate) fn tree(roots: &[Node]) -> String {
    let trees: Vec<String> = roots.iter().map(Node::tree).collect();
    trees.join("\n")
}

//! `/policies`, and the gate that they make.

use reqwest::Method;
use serde_json::Value;

use super::{accepted, with_query};
use crate::api::gate::{GateAnswer, VerifyAnswer};
use crate::api::policies::{
    LintReport, LintRequest, Policy, PolicyReport, PolicySummary, PutPolicy,
};
use crate::limits::{ANSWER_BYTES_MAX, WORK_TIMEOUT};
use crate::transport::malformed;
use crate::{Client, Error};

impl Client {
    /// The policies in force.
    pub async fn policies(&self) -> Result<Vec<PolicySummary>, Error> {
        self.list(self.api(&["policies"])?).await
    }

    /// One policy with its text.
    pub async fn policy(&self, name: &str) -> Result<Policy, Error> {
        self.read(self.api(&["policies", name])?).await
    }

    /// Applies a policy; with `dry_run`, only tells what would change for the images in stock.
    pub async fn put_policy(
        &self,
        name: &str,
        policy: &PutPolicy,
        dry_run: bool,
    ) -> Result<PolicyReport, Error> {
        let url = with_query(
            self.api(&["policies", name])?,
            &[("dryRun", dry_run.then_some("true"))],
        );
        let request = self.as_caller(Method::PUT, url.clone()).json(policy);
        accepted(request, &url, WORK_TIMEOUT)
            .await?
            .json(ANSWER_BYTES_MAX)
            .await
    }

    /// Takes a policy out of force.
    pub async fn delete_policy(&self, name: &str) -> Result<(), Error> {
        self.act(Method::DELETE, self.api(&["policies", name])?)
            .await
    }

    /// Checks a policy against the people, teams and policies that the server knows.
    pub async fn lint_policy(&self, request: &LintRequest) -> Result<LintReport, Error> {
        self.write(Method::POST, self.api(&["lint"])?, request)
            .await
    }

    /// What a gate answers for an image (`shop/web:1` or `shop/web@sha256:…`); for `principal`, or for whoever it holds.
    pub async fn gate(
        &self,
        image: &str,
        gate: &str,
        principal: Option<&str>,
    ) -> Result<GateAnswer, Error> {
        let parameters = [
            ("ref", Some(image)),
            ("gate", Some(gate)),
            ("principal", principal),
        ];
        self.read(with_query(self.api(&["gate"])?, &parameters))
            .await
    }

    /// What the signatures on an image (`shop/web:1` or `shop/web@sha256:…`) come to, for these stages or for all.
    pub async fn verify(&self, image: &str, stages: &[String]) -> Result<VerifyAnswer, Error> {
        let stages = stages.join(",");
        let parameters = [
            ("ref", Some(image)),
            (
                "stage",
                Some(stages.as_str()).filter(|stages| !stages.is_empty()),
            ),
        ];
        self.read(with_query(self.api(&["verify"])?, &parameters))
            .await
    }

    /// Whether anybody whose key is registered has attested a predicate type, a URI, of an image.
    ///
    /// # Errors
    /// Besides those of every call: the answer is about something else. A server that does not know the question passes over the type
    /// and answers about signatures.
    pub async fn verify_attested(
        &self,
        image: &str,
        predicate_type: &str,
    ) -> Result<VerifyAnswer, Error> {
        let parameters = [("ref", Some(image)), ("type", Some(predicate_type))];
        let url = with_query(self.api(&["verify"])?, &parameters);
        let answer: VerifyAnswer = self.read(url.clone()).await?;
        let is_meant =
            |each: &Value| each.get("attested").and_then(Value::as_str) == Some(predicate_type);
        if answer.verifications.is_empty() || !answer.verifications.iter().all(is_meant) {
            return Err(malformed(
                &url,
                "it is not about attestations of the type that was asked for: the server is too old for `--type`",
            ));
        }
        Ok(answer)
    }
}

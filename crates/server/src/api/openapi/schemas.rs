//! The wire types as schemas: a name, and its fields as `name: type`, with `?` behind the name of one that may be absent. Types
//! are `string`, `integer`, `boolean`, `time`, `time or null`, `any`, `reason` (its code), `limit`, the strings `digest`,
//! `repository` and `tag`, words between bars, `[type]`, `{type}` for a map, and the names of other schemas.

use super::reference;
use policy::reason::Code;
use serde_json::{Map, Value, json};

/// A schema: its name, and its fields.
type Row = (&'static str, &'static str);

const SCHEMAS: &[Row] = &[
    ("ErrorBody", "error: ErrorDetail"),
    (
        "ErrorDetail",
        "code: string; message: string; next?: string; detail?: any; requestId?: string",
    ),
    // Accounts
    (
        "Whoami",
        "kind: person|robot|anonymous; name: string; teams: [string]; roles: [RoleAt]",
    ),
    ("RoleAt", "role: string; pattern: string"),
    ("NewUser", "name: string; password?: string"),
    (
        "User",
        "name: string; active: boolean; createdAt: time; password?: string",
    ),
    ("NewRobot", "name: string; owner?: string"),
    (
        "Robot",
        "name: string; owner: string; active: boolean; createdAt: time",
    ),
    ("PrincipalChange", "active?: boolean; password?: string"),
    ("NewTeam", "name: string"),
    ("Team", "name: string; createdAt: time; members: [Member]"),
    ("Member", "kind: person|robot|anonymous; name: string"),
    ("NewGrant", "to: Grantee; role: string; pattern: string"),
    (
        "Grant",
        "id: integer; to: Grantee; role: string; pattern: string; createdAt: time",
    ),
    (
        "NewToken",
        "name: string; expiresInDays?: integer; for?: string; scope?: [string]",
    ),
    (
        "Token",
        "id: integer; name: string; principal: string; scope?: [string]; createdAt: time; expiresAt?: time; revokedAt?: time",
    ),
    (
        "CreatedToken",
        "token: string; id: integer; name: string; principal: string; scope?: [string]; createdAt: time; expiresAt?: time; \
         revokedAt?: time",
    ),
    // Keys
    ("NewChallenge", "publicKeyPem: string; principal?: string"),
    (
        "Challenge",
        "nonce: string; statement: string; expiresAt: time",
    ),
    (
        "NewKey",
        "nonce?: string; publicKeyPem: string; signature?: string; name: string; scope: [string]; principal?: string",
    ),
    (
        "Key",
        "id: string; name: string; principal: string; publicKeyPem: string; scope: [string]; registeredAt: time; \
         revokedAt?: time; revokedFrom?: time; heldFor?: string; endsAt?: time; succeeds?: string",
    ),
    (
        "NewHeldKey",
        "name: string; stage: string; scope: [string]; principal?: string",
    ),
    (
        "NewHeldSignature",
        "repository: repository; digest: digest; tag?: string; stage: string",
    ),
    ("HeldSignature", "key: string; bundle: string"),
    ("NewSuccessor", "publicKeyPem: string"),
    (
        "SuccessorProof",
        "publicKeyPem: string; nonce: string; oldSignature: string; newSignature: string",
    ),
    ("RevokeKey", "from?: time; dryRun?: boolean"),
    (
        "KeyRevocation",
        "revoked: boolean; from?: time; images: [KeyHit]; complete: boolean",
    ),
    (
        "KeyHit",
        "repository: string; digest: digest; tags: [string]; signatures: integer; kept: integer; gates: [GateTurn]",
    ),
    (
        "GateTurn",
        "policy: string; gate: string; before: string; after: string; sentence: string",
    ),
    // Receipts
    (
        "Receipt",
        "repository: repository; digest: digest; policy: string; gate: string; manifest: digest; key: string; sequence: integer; \
         issuedAt: time; validUntilAt: time; bundle: string",
    ),
    (
        "ReceiptKey",
        "id: string; verifier: string; publicKeyPem: string",
    ),
    // Room on the disk
    ("AskCollection", "sweep?: boolean; dryRun?: boolean"),
    (
        "Collection",
        "id: integer; askedBy?: string; askedAt: time; sweep: boolean; startedAt?: time; finishedAt?: time; phase: string; \
         toLookAt: integer; lookedAt: integer; links: integer; blobs: integer; files: integer; orphans: integer; \
         bytes: integer; failed: integer",
    ),
    ("TagsDeleted", "tags: [tag]; kept: integer; next?: string"),
    (
        "ManifestsDeleted",
        "manifests: integer; tags: integer; kept: integer; next?: string",
    ),
    // Policies and gates
    (
        "PolicySummary",
        "name: string; revision: integer; digest: string; repositories: [string]; stages: [string]; gates: [string]; \
         appliedAt: time; appliedBy?: string",
    ),
    (
        "Policy",
        "name: string; revision: integer; digest: string; repositories: [string]; stages: [string]; gates: [string]; \
         appliedAt: time; appliedBy?: string; document: string",
    ),
    ("PutPolicy", "document: string"),
    ("LintRequest", "name: string; document: string"),
    ("LintReport", "valid: boolean; lints: [Lint]"),
    (
        "Lint",
        "severity: error|warning; code: string; message: string; line?: integer; column?: integer",
    ),
    (
        "PolicyReport",
        "applied: boolean; revision?: integer; digest?: string; changes: [PolicyChange]; images: integer; lints: [Lint]",
    ),
    (
        "PolicyChange",
        "repository: string; digest: digest; tags: [string]; gate: string; before?: string; after?: string; sentence: string",
    ),
    (
        "GateAnswer",
        "outcome: allow|warn|deny|not-ready; sentence: string; tree: string; explanation: [Node]; decisions: [Decision]",
    ),
    (
        "VerifyAnswer",
        "verified: boolean; repository: repository; digest: digest; sentence: string; tree: string; explanation: [Node]; \
         verifications: [Verification]",
    ),
    (
        "Node",
        "kind: gate|policy|break-glass|rule|limit|reason|candidate|exception|warning|until; mark: pass|fail|wait|note; text: string; \
         code?: reason; next?: string; candidate?: Candidate; children: [Node]",
    ),
    (
        "Candidate",
        "counts: boolean; signer?: string; format: string; evidence: integer; manifest: digest; storedAt: time; \
         countsUntil?: time",
    ),
    (
        "Decision",
        "outcome: allow|warn|deny|not-ready; wouldBe?: allow|warn|deny|not-ready; gate: string; policy: string; \
         policyDigest: string; repository: repository; digest: digest; mode: enforce|warn|dry-run; rules: [RuleResult]; \
         warnings: [string]; exceptionsUsed: [ExceptionUsed]; breakGlass?: BreakGlassUsed; holdsUntil: time or null; decidedAt: time",
    ),
    (
        "Verification",
        "verified: boolean; attested?: string; policy: string; policyDigest: string; repository: repository; digest: digest; \
         rules: [RuleResult]; others: [Reason]; warnings: [string]; holdsUntil: time or null; decidedAt: time",
    ),
    (
        "RuleResult",
        "rule: Rule; satisfied: boolean; automatic: boolean; summary: string; reasons: [Reason]; counted: [Counted]; \
         limits: [LimitResult]",
    ),
    ("Rule", "kind: stage|target|policy; name?: string"),
    (
        "Reason",
        "code: reason; message: string; candidate?: CandidateRef; limit?: limit; next?: string",
    ),
    (
        "CandidateRef",
        "evidence: integer; manifest: digest; format: string; signer?: string; storedAt: time",
    ),
    (
        "Counted",
        "principal: integer; kind: person|robot; name: string; key: string; evidence: integer; manifest: digest; \
         format: string; storedAt: time; countsUntil?: time",
    ),
    (
        "LimitResult",
        "limit: limit; satisfied: boolean; summary: string",
    ),
    (
        "ExceptionUsed",
        "waives: string; appliedTo: string; owner: string; reason: string; untilAt: time; knownExploited: boolean",
    ),
    (
        "BreakGlassUsed",
        "id: integer; index?: digest; reason: string; askedBy: string; confirmedBy: string; untilAt: time",
    ),
    (
        "NewBreakGlass",
        "image: string; gate: string; policy?: string; forSeconds: integer; reason: string",
    ),
    (
        "BreakGlass",
        "id: integer; repository: repository; digest: digest; policy: string; gate: string; reason: string; \
         forSeconds: integer; state: asked|in-force|ended; askedBy: string; askedAt: time; confirmedBy?: string; \
         confirmedAt?: time; untilAt: time; end?: string; endedBy?: string; endedAt?: time",
    ),
    // Stock
    (
        "Repository",
        "name: repository; createdAt: time; tags: integer",
    ),
    ("Tag", "name: tag; digest: digest; updatedAt: time"),
    (
        "Image",
        "repository: repository; digest: digest; tags: [string]; mediaType: string; shape: string; pushedAt: time; \
         pushedBy?: string; children?: [Child]; inventory?: InventorySummary; findings: {integer}",
    ),
    (
        "Child",
        "digest: digest; mediaType: string; platform?: string; present: boolean",
    ),
    (
        "InventorySummary",
        "state: not-indexed|complete|incomplete|unscannable; distro?: string; problems: [string]; components: integer; \
         indexedAt?: time",
    ),
    (
        "Findings",
        "repository: repository; digest: digest; state: not-indexed|complete|incomplete|unscannable; \
         advisoriesReady: boolean; withoutAdvisories: [string]; unmatchable: [string]; findings: [Finding]",
    ),
    (
        "Finding",
        "id: string; ids: [string]; severity: string; cvss?: string; purl: string; package: string; version: string; \
         fixedVersion?: string; knownExploited: boolean; summary: string; range: string; layer: digest; layerIndex: integer; \
         instruction?: string; path: string; firstHeldAt: time",
    ),
    (
        "EvidenceList",
        "repository: repository; digest: digest; evidence: [Evidence]",
    ),
    (
        "Evidence",
        "id: integer; format: string; manifest: digest; attachedTo: digest; subject?: digest; stage?: string; \
         predicateType?: string; repository?: string; key?: string; principal?: string; verdict: string; why?: string; storedAt: time; \
         withdrawn: boolean",
    ),
    (
        "AffectedImage",
        "repository: repository; digest: digest; tags: [string]; purl: string; path: string; layer: digest; \
         instruction?: string; id?: string; severity?: string; fixedVersion?: string",
    ),
    // Advisories
    (
        "AdvisoryStatus",
        "ready: boolean; ecosystems: [string]; missing: [string]; snapshot?: string; sources: [AdvisorySource]; knownExploited: integer",
    ),
    (
        "AdvisorySource",
        "source: string; importedAt: time; advisories: integer; newestAt?: time; snapshot?: string",
    ),
    (
        "ImportReport",
        "source: string; added: integer; changed: integer; withdrawn: integer; unchanged: integer; keysChanged: integer; \
         knownExploited: integer",
    ),
    (
        "ImportLine",
        "format?: string; advisory?: any; knownExploited?: string",
    ),
    // What happened
    (
        "CloudEvent",
        "specversion: string; id: string; source: string; type: string; subject?: string; time: string; \
         datacontenttype: string; sequence: string; partitionkey?: string; data: any",
    ),
    ("NewWebhook", "name: string; url: string"),
    (
        "Webhook",
        "id: integer; name: string; url: string; active: boolean; createdAt: time; waiting: integer; lastError?: string",
    ),
    (
        "CreatedWebhook",
        "secret: string; id: integer; name: string; url: string; active: boolean; createdAt: time; waiting: integer; \
         lastError?: string",
    ),
    (
        "AuditRow",
        "id: integer; happenedAt: time; actor: string; act: string; object: string; detail: any; leafIndex?: integer",
    ),
];

/// All schemas by name.
pub(super) fn write() -> Value {
    let mut schemas: Map<String, Value> = SCHEMAS
        .iter()
        .map(|(name, fields)| ((*name).to_owned(), object(fields)))
        .collect();
    schemas.insert("Grantee".to_owned(), grantee());
    Value::Object(schemas)
}

/// A field: its name, its type, and whether it may be absent.
fn fields(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    text.split(';').filter_map(|field| {
        let (name, kind) = field.split_once(':')?;
        let (name, kind) = (name.trim(), kind.trim());
        Some((name.trim_end_matches('?'), kind, name.ends_with('?')))
    })
}

fn object(text: &'static str) -> Value {
    let required: Vec<&str> = fields(text)
        .filter(|(_, _, absent)| !absent)
        .map(|(name, _, _)| name)
        .collect();
    let properties: Map<String, Value> = fields(text)
        .map(|(name, kind, _)| (name.to_owned(), schema(kind)))
        .collect();
    json!({"type": "object", "required": required, "properties": properties})
}

fn schema(kind: &str) -> Value {
    let inner = |open: char, close: char| {
        kind.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
    };
    if let Some(item) = inner('[', ']') {
        return json!({"type": "array", "items": schema(item)});
    }
    if let Some(value) = inner('{', '}') {
        return json!({"type": "object", "additionalProperties": schema(value)});
    }
    match kind {
        "string" | "boolean" => json!({"type": kind}),
        "integer" => json!({"type": "integer", "format": "int64"}),
        "time" => {
            json!({"type": "integer", "format": "int64", "description": "Milliseconds since the epoch."})
        }
        "digest" => {
            json!({"type": "string", "examples": ["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]})
        }
        "repository" => json!({"type": "string", "maxLength": 255, "examples": ["shop/web"]}),
        "tag" => json!({"type": "string", "maxLength": 128, "examples": ["1.0"]}),
        "time or null" => {
            json!({"type": ["integer", "null"], "format": "int64", "description": "Milliseconds since the epoch."})
        }
        "reason" => {
            let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
            json!({"type": "string", "enum": codes})
        }
        "limit" => schema("inventory|vulnerabilities|known-exploited|licences"),
        "any" => json!({}),
        words if words.contains('|') => {
            json!({"type": "string", "enum": words.split('|').collect::<Vec<_>>()})
        }
        name => reference(name),
    }
}

/// `{"principal": …}`, `{"team": …}` or `"anonymous"`.
fn grantee() -> Value {
    let named = |kind: &str| json!({"type": "object", "required": [kind], "properties": {kind: {"type": "string"}}});
    json!({"oneOf": [named("principal"), named("team"), {"const": "anonymous"}]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::api::{self, ErrorBody};
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    /// A value with every field that a schema has.
    fn sample(name: &'static str) -> Value {
        sample_in(name, &[])
    }

    /// The same inside others: a list of what is open already is empty, or it would never end.
    fn sample_in(name: &'static str, open: &[&str]) -> Value {
        let (_, text) = SCHEMAS
            .iter()
            .find(|(found, _)| *found == name)
            .unwrap_or_else(|| panic!("no schema {name}"));
        let open = [open, &[name]].concat();
        Value::Object(
            fields(text)
                .map(|(name, kind, _)| (name.to_owned(), value(kind, &open)))
                .collect(),
        )
    }

    fn value(kind: &'static str, open: &[&str]) -> Value {
        if let Some(item) = kind
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            return match open.contains(&item) {
                true => json!([]),
                false => json!([value(item, open)]),
            };
        }
        if let Some(item) = kind
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            return json!({"x": value(item, open)});
        }
        match kind {
            "integer" | "time" | "time or null" => json!(7),
            "boolean" => json!(true),
            "any" => json!({"x": 1}),
            "digest" => {
                json!("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
            }
            "Grantee" => json!({"team": "qa"}),
            "string" | "repository" | "tag" => json!("x"),
            "reason" | "limit" => schema(kind)["enum"][0].clone(),
            words if words.contains('|') => json!(words.split('|').next()),
            name => sample_in(name, open),
        }
    }

    /// The wire type has exactly the fields of the schema.
    fn agrees<T: Serialize + DeserializeOwned>(name: &'static str) {
        let sample = sample(name);
        let read: T = serde_json::from_value(sample.clone())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_value(&read).unwrap(), sample, "{name}");
    }

    #[test]
    fn schemas_of_accounts_and_keys_are_those_of_the_wire_types() {
        agrees::<ErrorBody>("ErrorBody");
        agrees::<api::accounts::Whoami>("Whoami");
        agrees::<api::accounts::NewUser>("NewUser");
        agrees::<api::accounts::User>("User");
        agrees::<api::accounts::NewRobot>("NewRobot");
        agrees::<api::accounts::Robot>("Robot");
        agrees::<api::accounts::PrincipalChange>("PrincipalChange");
        agrees::<api::accounts::NewTeam>("NewTeam");
        agrees::<api::accounts::Team>("Team");
        agrees::<api::accounts::NewGrant>("NewGrant");
        agrees::<api::accounts::Grant>("Grant");
        agrees::<api::tokens::NewToken>("NewToken");
        agrees::<api::tokens::Token>("Token");
        agrees::<api::tokens::CreatedToken>("CreatedToken");
        agrees::<api::keys::NewChallenge>("NewChallenge");
        agrees::<api::keys::Challenge>("Challenge");
        agrees::<api::keys::NewKey>("NewKey");
        agrees::<api::keys::Key>("Key");
        agrees::<api::keys::NewHeldKey>("NewHeldKey");
        agrees::<api::keys::NewHeldSignature>("NewHeldSignature");
        agrees::<api::keys::HeldSignature>("HeldSignature");
        agrees::<api::keys::NewSuccessor>("NewSuccessor");
        agrees::<api::keys::SuccessorProof>("SuccessorProof");
        agrees::<api::keys::RevokeKey>("RevokeKey");
        agrees::<api::keys::KeyRevocation>("KeyRevocation");
    }

    #[test]
    fn schemas_of_all_else_are_those_of_the_wire_types() {
        agrees::<api::policies::PolicySummary>("PolicySummary");
        agrees::<api::policies::Policy>("Policy");
        agrees::<api::policies::PutPolicy>("PutPolicy");
        agrees::<api::policies::LintRequest>("LintRequest");
        agrees::<api::policies::LintReport>("LintReport");
        agrees::<api::policies::PolicyReport>("PolicyReport");
        agrees::<api::gate::GateAnswer>("GateAnswer");
        agrees::<api::gate::VerifyAnswer>("VerifyAnswer");
        agrees::<policy::decision::Node>("Node");
        agrees::<policy::Decision>("Decision");
        agrees::<policy::gate::Verification>("Verification");
        agrees::<api::receipts::Receipt>("Receipt");
        agrees::<api::receipts::ReceiptKey>("ReceiptKey");
        agrees::<api::break_glass::NewBreakGlass>("NewBreakGlass");
        agrees::<api::break_glass::BreakGlass>("BreakGlass");
        agrees::<api::catalogue::Repository>("Repository");
        agrees::<api::catalogue::Tag>("Tag");
        agrees::<api::image::Image>("Image");
        agrees::<api::image::Findings>("Findings");
        agrees::<api::image::EvidenceList>("EvidenceList");
        agrees::<api::advisories::AffectedImage>("AffectedImage");
        agrees::<api::advisories::AdvisoryStatus>("AdvisoryStatus");
        agrees::<api::advisories::ImportReport>("ImportReport");
        agrees::<api::events::CloudEvent>("CloudEvent");
        agrees::<api::webhooks::NewWebhook>("NewWebhook");
        agrees::<api::webhooks::Webhook>("Webhook");
        agrees::<api::webhooks::CreatedWebhook>("CreatedWebhook");
        agrees::<api::audit::AuditRow>("AuditRow");
        agrees::<api::garbage::AskCollection>("AskCollection");
        agrees::<api::garbage::Collection>("Collection");
        agrees::<api::garbage::TagsDeleted>("TagsDeleted");
        agrees::<api::garbage::ManifestsDeleted>("ManifestsDeleted");
    }

    #[test]
    fn fields_are_required_unless_they_may_be_absent() {
        let schema = object("name: string; password?: string; tags: [tag]");
        assert_eq!(schema["required"], json!(["name", "tags"]));
        assert_eq!(schema["properties"]["password"], json!({"type": "string"}));
        assert_eq!(schema["properties"]["tags"]["items"]["maxLength"], 128);
    }
}

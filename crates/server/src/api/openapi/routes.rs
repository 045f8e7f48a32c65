//! The routes of the API, one a line. What each asks and answers is named by a schema of `schemas.rs`.

/// One method of one path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// Below `/api/v1`, as the router has it.
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: &'static [Parameter],
    /// The body's schema; empty for lines of JSON.
    pub(super) takes: Option<&'static str>,
    /// The answer's schema, `Page` and the items' schema for a list, empty for a document of its own format.
    pub(super) gives: Option<&'static str>,
    /// Whether it makes something new.
    pub(super) creates: bool,
    /// Whether `{id}` is a number.
    pub(super) numbered: bool,
}

/// A parameter of the query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) required: bool,
    pub(super) description: &'static str,
}

const fn parameter(
    name: &'static str,
    kind: &'static str,
    required: bool,
    description: &'static str,
) -> Parameter {
    Parameter {
        name,
        kind,
        required,
        description,
    }
}

const AFTER: Parameter = parameter(
    "after",
    "string",
    false,
    "What the page before gave as `next`.",
);
const LIMIT: Parameter = parameter(
    "limit",
    "integer",
    false,
    "The most entries; the server may give fewer.",
);
const PAGED: &[Parameter] = &[AFTER, LIMIT];
const AUDIT: &[Parameter] = &[
    AFTER,
    LIMIT,
    parameter(
        "repository",
        "string",
        false,
        "Only what was done to the manifests of this repository.",
    ),
];
const REFERENCE: Parameter = parameter(
    "ref",
    "string",
    true,
    "An image, without a host: `shop/web:1`, `shop/web@sha256:…`, or `shop/web` for `latest`.",
);
const IMAGE: &[Parameter] = &[REFERENCE];
const TAGS: &[Parameter] = &[
    parameter("repository", "string", true, "The repository's name."),
    AFTER,
    LIMIT,
];
const EMPTY_REPOSITORY: &[Parameter] = &[
    parameter("repository", "string", true, "The repository's name."),
    AFTER,
];
const DELETE_TAGS: &[Parameter] = &[
    parameter("repository", "string", true, "The repository's name."),
    parameter(
        "pattern",
        "string",
        true,
        "Which tags; `*` stands for any characters.",
    ),
    AFTER,
    parameter(
        "dryRun",
        "boolean",
        false,
        "Delete nothing; say which would go.",
    ),
];
const SBOM: &[Parameter] = &[
    REFERENCE,
    parameter(
        "format",
        "string",
        false,
        "`json` or `cyclonedx-json`; the latter when absent.",
    ),
];
const GATE: &[Parameter] = &[
    REFERENCE,
    parameter(
        "gate",
        "string",
        false,
        "The gate; absent: all gates that hold the principal.",
    ),
    parameter(
        "principal",
        "string",
        false,
        "A person, a robot or `anonymous`; absent: whoever the gate holds.",
    ),
];
const VERIFY: &[Parameter] = &[
    REFERENCE,
    parameter(
        "stage",
        "string",
        false,
        "A stage, or several with commas between; absent: all that somebody signs for.",
    ),
    parameter(
        "type",
        "string",
        false,
        "A predicate type, a URI: the attestations of it are judged, not the signatures; not with `stage`.",
    ),
];
const BREAK_GLASS: &[Parameter] = &[
    parameter(
        "all",
        "boolean",
        false,
        "Those that ended too; absent: those that wait or are in force.",
    ),
    AFTER,
    LIMIT,
];
const DRY_RUN: &[Parameter] = &[parameter(
    "dryRun",
    "boolean",
    false,
    "Apply nothing; say what would change.",
)];
const IMPORT: &[Parameter] = &[
    parameter(
        "source",
        "string",
        true,
        "The source, which is replaced whole.",
    ),
    parameter(
        "allowOlder",
        "boolean",
        false,
        "Take a set that is older or smaller than the one held.",
    ),
];
const AFFECTED: &[Parameter] = &[
    parameter(
        "id",
        "string",
        false,
        "A weakness, by any of its ids; either this or `purl`.",
    ),
    parameter(
        "purl",
        "string",
        false,
        "A package; without a version, at any.",
    ),
];

const fn route(method: &'static str, path: &'static str, summary: &'static str) -> Route {
    Route {
        method,
        path,
        summary,
        parameters: &[],
        takes: None,
        gives: None,
        creates: false,
        numbered: false,
    }
}

const fn get(path: &'static str, summary: &'static str, gives: &'static str) -> Route {
    Route {
        gives: Some(gives),
        ..route("GET", path, summary)
    }
}

const fn asked(
    path: &'static str,
    parameters: &'static [Parameter],
    summary: &'static str,
    gives: &'static str,
) -> Route {
    Route {
        parameters,
        ..get(path, summary, gives)
    }
}

/// POST that makes something.
const fn make(
    path: &'static str,
    summary: &'static str,
    takes: &'static str,
    gives: &'static str,
) -> Route {
    Route {
        takes: Some(takes),
        gives: Some(gives),
        creates: true,
        ..route("POST", path, summary)
    }
}

/// PATCH.
const fn change(
    path: &'static str,
    summary: &'static str,
    takes: &'static str,
    gives: &'static str,
) -> Route {
    Route {
        takes: Some(takes),
        gives: Some(gives),
        ..route("PATCH", path, summary)
    }
}

const fn delete(path: &'static str, summary: &'static str) -> Route {
    route("DELETE", path, summary)
}

const fn delete_number(path: &'static str, summary: &'static str) -> Route {
    Route {
        numbered: true,
        ..route("DELETE", path, summary)
    }
}

/// Every route, in the order of the router.
pub(super) const ROUTES: &[Route] = &[
    get("/openapi.json", "This document.", ""),
    get("/whoami", "The caller as the server knows it.", "Whoami"),
    get("/users", "All people.", "Page User"),
    make(
        "/users",
        "Make a person; a password that is made up is shown once.",
        "NewUser",
        "User",
    ),
    change(
        "/users/{name}",
        "Close or open an account, or set its password.",
        "PrincipalChange",
        "User",
    ),
    delete(
        "/users/{name}",
        "Close an account; what it did stays on record.",
    ),
    get("/robots", "All robots.", "Page Robot"),
    make(
        "/robots",
        "Make a robot, which a person answers for.",
        "NewRobot",
        "Robot",
    ),
    change(
        "/robots/{name}",
        "Close or open a robot's account.",
        "PrincipalChange",
        "Robot",
    ),
    delete(
        "/robots/{name}",
        "Close a robot's account; what it did stays on record.",
    ),
    get("/teams", "All teams with their members.", "Page Team"),
    make("/teams", "Make a team.", "NewTeam", "Team"),
    delete(
        "/teams/{name}",
        "Remove a team with its memberships and grants; not one that a policy names.",
    ),
    route(
        "POST",
        "/teams/{name}/members/{principal}",
        "Take someone into a team.",
    ),
    delete(
        "/teams/{name}/members/{principal}",
        "Take someone out of a team.",
    ),
    get("/grants", "All grants.", "Page Grant"),
    make(
        "/grants",
        "Give a role in some repositories.",
        "NewGrant",
        "Grant",
    ),
    delete_number("/grants/{id}", "Take a grant back."),
    get(
        "/tokens",
        "One's own tokens, and those of one's robots.",
        "Page Token",
    ),
    make(
        "/tokens",
        "Make a token, which is shown once.",
        "NewToken",
        "CreatedToken",
    ),
    delete_number("/tokens/{id}", "Revoke a token."),
    get(
        "/keys",
        "Signing keys: all for those who manage or audit, else one's own.",
        "Page Key",
    ),
    make(
        "/keys",
        "Register a key; with a password, never with a token.",
        "NewKey",
        "Key",
    ),
    make(
        "/keys/challenges",
        "Ask for what is to be signed to prove possession of a key.",
        "NewChallenge",
        "Challenge",
    ),
    make(
        "/keys/held",
        "Have the server make a key and hold it for somebody; with a password, never with a token.",
        "NewHeldKey",
        "Key",
    ),
    make(
        "/keys/held/{name}/signatures",
        "Have the server sign with a key that it holds for the caller.",
        "NewHeldSignature",
        "HeldSignature",
    ),
    Route {
        gives: Some("Key"),
        creates: true,
        ..route(
            "POST",
            "/keys/held/{name}/rotation",
            "Put a new key in the place of one that the server holds; with a password, never with a token.",
        )
    },
    delete("/keys/{id}", "Revoke a key for ever."),
    Route {
        takes: Some("RevokeKey"),
        gives: Some("KeyRevocation"),
        ..route(
            "POST",
            "/keys/{id}/revocation",
            "Revoke a key for what it signed from an instant on, or say what that would hit.",
        )
    },
    make(
        "/keys/{id}/successor",
        "Put a new key in the place of one's own, signed for by both; with a password, never with a token.",
        "SuccessorProof",
        "Key",
    ),
    make(
        "/keys/{id}/successor/challenges",
        "Ask for what both keys have to sign for that.",
        "NewSuccessor",
        "Challenge",
    ),
    get("/policies", "The policies in force.", "Page PolicySummary"),
    get("/policies/{name}", "One policy with its text.", "Policy"),
    Route {
        parameters: DRY_RUN,
        takes: Some("PutPolicy"),
        gives: Some("PolicyReport"),
        ..route(
            "PUT",
            "/policies/{name}",
            "Apply a policy; one with errors is not applied.",
        )
    },
    delete("/policies/{name}", "Take a policy out of force."),
    Route {
        creates: false,
        ..make("/lint", "Check a policy.", "LintRequest", "LintReport")
    },
    asked("/gate", GATE, "May an image pass?", "GateAnswer"),
    asked(
        "/verify",
        VERIFY,
        "What do the signatures on an image come to, whatever the gates ask?",
        "VerifyAnswer",
    ),
    asked(
        "/receipts",
        IMAGE,
        "The live receipts of an image: what its gates answered, signed.",
        "Page Receipt",
    ),
    get(
        "/receipt-keys",
        "The public keys of the server's receipts, the newest first.",
        "Page ReceiptKey",
    ),
    asked(
        "/break-glass",
        BREAK_GLASS,
        "Gates that were opened, or shall be, for one image each; the newest first.",
        "Page BreakGlass",
    ),
    make(
        "/break-glass",
        "Ask that a gate be opened for one image; another person has to confirm it.",
        "NewBreakGlass",
        "BreakGlass",
    ),
    Route {
        numbered: true,
        ..get("/break-glass/{id}", "One break-glass.", "BreakGlass")
    },
    delete_number(
        "/break-glass/{id}",
        "End a break-glass before its time, confirmed or not.",
    ),
    Route {
        gives: Some("BreakGlass"),
        numbered: true,
        ..route(
            "POST",
            "/break-glass/{id}/confirm",
            "Confirm what another person asked for: it opens its gate from now on.",
        )
    },
    asked(
        "/repositories",
        PAGED,
        "The repositories that the caller may look into.",
        "Page Repository",
    ),
    Route {
        parameters: EMPTY_REPOSITORY,
        gives: Some("ManifestsDeleted"),
        ..delete(
            "/repositories",
            "Delete a piece of what a repository holds; again with `after` until there is no `next`.",
        )
    },
    asked(
        "/repositories/tags",
        TAGS,
        "The tags of a repository.",
        "Page Tag",
    ),
    Route {
        parameters: DELETE_TAGS,
        gives: Some("TagsDeleted"),
        ..delete(
            "/repositories/tags",
            "Delete some of the tags that a pattern covers; again with `after` until there is no `next`.",
        )
    },
    asked("/image", IMAGE, "What is known about an image.", "Image"),
    asked(
        "/image/sbom",
        SBOM,
        "An image's bill of materials; 404 `not-indexed` until there is one.",
        "",
    ),
    asked(
        "/image/findings",
        IMAGE,
        "The weaknesses of an image's components.",
        "Findings",
    ),
    asked(
        "/image/evidence",
        IMAGE,
        "The signatures on an image.",
        "EvidenceList",
    ),
    asked(
        "/affected",
        AFFECTED,
        "The images that hold a weakness or a package.",
        "Page AffectedImage",
    ),
    get(
        "/advisories/status",
        "What advisories the server holds.",
        "AdvisoryStatus",
    ),
    Route {
        parameters: IMPORT,
        takes: Some(""),
        gives: Some("ImportReport"),
        ..route("POST", "/advisories", "Import advisories of one source.")
    },
    asked(
        "/events",
        PAGED,
        "What happened, oldest first.",
        "Page CloudEvent",
    ),
    get("/webhooks", "All webhooks.", "Page Webhook"),
    make(
        "/webhooks",
        "Have events sent somewhere; the secret is shown once.",
        "NewWebhook",
        "CreatedWebhook",
    ),
    delete_number("/webhooks/{id}", "Stop sending events there."),
    asked(
        "/audit",
        AUDIT,
        "The audit trail, oldest first.",
        "Page AuditRow",
    ),
    get(
        "/garbage",
        "Collections of garbage, the newest first.",
        "Page Collection",
    ),
    make(
        "/garbage",
        "Collect garbage now, or say what would go.",
        "AskCollection",
        "Collection",
    ),
];

//! People, robots, teams and grants: `/api/v1/whoami`, `/users`, `/robots`, `/teams`, `/grants`.

use serde::{Deserialize, Serialize};

use super::Secret;

/// What kind of principal someone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A human being with a password.
    Person,
    /// A machine account that a person owns.
    Robot,
    /// Nobody in particular: no credentials were given.
    Anonymous,
}

/// `GET /whoami`: the caller as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Whoami {
    /// Person, robot, or nobody.
    pub kind: PrincipalKind,
    /// The principal's name; `anonymous` for nobody.
    pub name: String,
    /// The teams it is in.
    pub teams: Vec<String>,
    /// What it may do and where, its teams' grants included.
    pub roles: Vec<RoleAt>,
}

/// A role in some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAt {
    /// The role, such as `writer`.
    pub role: String,
    /// The repositories, such as `shop/**`.
    pub pattern: String,
}

/// `POST /users`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewUser {
    /// The name to log in with.
    pub name: String,
    /// The password; without one, the server makes it up and shows it once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// A person. `GET /users`, and the answer to `POST`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The name to log in with.
    pub name: String,
    /// Whether it may log in, and whether its signatures count.
    pub active: bool,
    /// When it was made.
    pub created_at: i64,
    /// The password that the server made up: only in the answer to `POST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// `POST /robots`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRobot {
    /// The robot's name.
    pub name: String,
    /// The person who answers for it; the caller when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A robot. `GET /robots`, and the answer to `POST`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Robot {
    /// The robot's name.
    pub name: String,
    /// The person who answers for it.
    pub owner: String,
    /// Whether its tokens work, and whether its signatures count.
    pub active: bool,
    /// When it was made.
    pub created_at: i64,
}

/// `PATCH /users/{name}` and `PATCH /robots/{name}`: what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrincipalChange {
    /// Switch it off or on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// A new password; people only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// `POST /teams`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTeam {
    /// The team's name.
    pub name: String,
}

/// A team. `GET /teams`; members by `POST` and `DELETE` of `/teams/{name}/members/{principal}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    /// The team's name.
    pub name: String,
    /// When it was made.
    pub created_at: i64,
    /// Who is in it.
    pub members: Vec<Member>,
}

/// One principal of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Person or robot.
    pub kind: PrincipalKind,
    /// Its name.
    pub name: String,
}

/// Who is given a role: `{"principal": "maria"}`, `{"team": "qa"}` or `"anonymous"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grantee {
    /// A person or robot, by name.
    Principal(String),
    /// A team, by name.
    Team(String),
    /// Whoever asks without credentials.
    Anonymous,
}

/// `POST /grants`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewGrant {
    /// Who is given the role.
    pub to: Grantee,
    /// The role, such as `writer`.
    pub role: String,
    /// The repositories, such as `shop/**`.
    pub pattern: String,
}

/// A grant. `GET /grants`; `DELETE /grants/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Its number.
    pub id: i64,
    /// Who has the role.
    pub to: Grantee,
    /// The role.
    pub role: String,
    /// The repositories.
    pub pattern: String,
    /// When it was given.
    pub created_at: i64,
}

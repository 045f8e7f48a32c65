//! `/whoami`, `/users`, `/robots`, `/teams`, `/grants`.

use reqwest::Method;

use crate::api::accounts::{
    Grant, NewGrant, NewRobot, NewTeam, NewUser, PrincipalChange, Robot, Team, User, Whoami,
};
use crate::{Client, Error};

impl Client {
    /// Who the server takes the caller for.
    pub async fn whoami(&self) -> Result<Whoami, Error> {
        self.read(self.api(&["whoami"])?).await
    }

    /// All people.
    pub async fn users(&self) -> Result<Vec<User>, Error> {
        self.list(self.api(&["users"])?).await
    }

    /// Makes a person.
    pub async fn create_user(&self, user: &NewUser) -> Result<User, Error> {
        self.write(Method::POST, self.api(&["users"])?, user).await
    }

    /// Changes a person: off, on, another password.
    pub async fn change_user(&self, name: &str, change: &PrincipalChange) -> Result<User, Error> {
        self.write(Method::PATCH, self.api(&["users", name])?, change)
            .await
    }

    /// Switches a person off; what it did stays on record.
    pub async fn delete_user(&self, name: &str) -> Result<(), Error> {
        self.act(Method::DELETE, self.api(&["users", name])?).await
    }

    /// All robots.
    pub async fn robots(&self) -> Result<Vec<Robot>, Error> {
        self.list(self.api(&["robots"])?).await
    }

    /// Makes a robot.
    pub async fn create_robot(&self, robot: &NewRobot) -> Result<Robot, Error> {
        self.write(Method::POST, self.api(&["robots"])?, robot)
            .await
    }

    /// Changes a robot: off or on.
    pub async fn change_robot(&self, name: &str, change: &PrincipalChange) -> Result<Robot, Error> {
        self.write(Method::PATCH, self.api(&["robots", name])?, change)
            .await
    }

    /// Switches a robot off; what it did stays on record.
    pub async fn delete_robot(&self, name: &str) -> Result<(), Error> {
        self.act(Method::DELETE, self.api(&["robots", name])?).await
    }

    /// All teams with their members.
    pub async fn teams(&self) -> Result<Vec<Team>, Error> {
        self.list(self.api(&["teams"])?).await
    }

    /// Makes a team.
    pub async fn create_team(&self, team: &NewTeam) -> Result<Team, Error> {
        self.write(Method::POST, self.api(&["teams"])?, team).await
    }

    /// Removes a team with its memberships and grants; one that a policy names is refused.
    pub async fn delete_team(&self, name: &str) -> Result<(), Error> {
        self.act(Method::DELETE, self.api(&["teams", name])?).await
    }

    /// Takes a person or robot into a team.
    pub async fn add_member(&self, team: &str, principal: &str) -> Result<(), Error> {
        self.act(
            Method::POST,
            self.api(&["teams", team, "members", principal])?,
        )
        .await
    }

    /// Takes a person or robot out of a team.
    pub async fn remove_member(&self, team: &str, principal: &str) -> Result<(), Error> {
        self.act(
            Method::DELETE,
            self.api(&["teams", team, "members", principal])?,
        )
        .await
    }

    /// All grants.
    pub async fn grants(&self) -> Result<Vec<Grant>, Error> {
        self.list(self.api(&["grants"])?).await
    }

    /// Gives a role.
    pub async fn create_grant(&self, grant: &NewGrant) -> Result<Grant, Error> {
        self.write(Method::POST, self.api(&["grants"])?, grant)
            .await
    }

    /// Takes a role back.
    pub async fn delete_grant(&self, id: i64) -> Result<(), Error> {
        self.act(Method::DELETE, self.api(&["grants", &id.to_string()])?)
            .await
    }
}

//! People, robots, teams, grants and tokens: `/whoami`, `/users`, `/robots`, `/teams`, `/grants`, `/tokens`.

mod grants;
mod people;
mod teams;
mod tokens;

pub(crate) use self::grants::{create_grant, delete_grant, grants};
pub(crate) use self::people::{
    change_robot, change_user, close_robot, close_user, create_robot, create_user, robots, users,
    whoami,
};
pub(crate) use self::teams::{add_member, create_team, delete_team, remove_member, teams};
pub(crate) use self::tokens::{create_token, revoke_token, tokens};

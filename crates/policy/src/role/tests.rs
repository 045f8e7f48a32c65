//! The matrix of roles and verbs, printed.

use super::*;

#[test]
fn the_matrix_of_roles_and_verbs() {
    let mut table = format!("{:<18}", "");
    for role in Role::ALL {
        table.push_str(&format!(" {:<10}", role.as_str()));
    }
    for verb in VerbKind::ALL {
        table = format!("{}\n{:<18}", table.trim_end(), verb.as_str());
        for role in Role::ALL {
            table.push_str(&format!(
                " {:<10}",
                if allows(*role, *verb) { "yes" } else { "-" }
            ));
        }
    }
    insta::assert_snapshot!("role_matrix", table.trim_end());
}

#[test]
fn every_verb_has_a_role_and_every_role_a_verb() {
    for verb in VerbKind::ALL {
        assert!(Role::ALL.iter().any(|role| allows(*role, *verb)), "{verb}");
    }
    for role in Role::ALL {
        assert!(
            VerbKind::ALL.iter().any(|verb| allows(*role, *verb)),
            "{role}"
        );
    }
}

#[test]
fn those_who_run_accounts_do_not_write_policies_and_the_other_way_round() {
    assert!(!allows(Role::Admin, VerbKind::ManagePolicy));
    assert!(!allows(Role::Admin, VerbKind::ManageKeys));
    assert!(!allows(Role::Admin, VerbKind::ManageTeams));
    assert!(!allows(Role::Security, VerbKind::ManageAccounts));
    assert!(!allows(Role::Security, VerbKind::Push));
}

#[test]
fn a_signer_attaches_evidence_and_pushes_nothing() {
    assert!(allows(Role::Signer, VerbKind::Attach));
    assert!(!allows(Role::Signer, VerbKind::Push));
    assert!(!allows(Role::Signer, VerbKind::DeleteEvidence));
}

#[test]
fn role_names_read_back() {
    for role in Role::ALL {
        assert_eq!(role.as_str().parse(), Ok(*role));
        assert_eq!(
            serde_json::to_value(role).expect("JSON"),
            serde_json::Value::from(role.as_str())
        );
    }
    assert_eq!(
        "root".parse::<Role>(),
        Err(RoleError::Unknown("root".into()))
    );
}

//! What a principal may do: one table of roles, and the rule that what others own is not yours.
//!
//! Every endpoint names the grant it needs. An admin may do everything; everybody else only what their role grants,
//! with what their owner has. Knowing an id, or making one up, grants nothing.

use std::{fmt, str::FromStr};

use super::principal::Principal;
use crate::domain::{EnvironmentId, OwnerId, SessionId, event::Role};

/// Something that can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// List runners and look at them.
    EnvironmentRead,
    /// Be a runner: register, poll, take and finish work, sign off.
    EnvironmentRun,
    /// List sessions, read their histories and follow them, look at files.
    SessionRead,
    /// Begin, rename and archive sessions, write to the agent, take a message back, upload files.
    SessionWrite,
    /// Be the agent's side of a session: begin one from the terminal, feed it, receive what was written to it.
    SessionRun,
    /// Answer the agent's questions and set rules that answer them.
    PermissionDecide,
    /// Stop a turn.
    ControlInterrupt,
    /// Switch the model or how long it thinks.
    ControlModel,
    /// Switch the permission mode. A mode may stop the agent from asking, so this is as much as every permission.
    ControlMode,
    /// Make, list and revoke keys of one's own owner, with at most one's own role.
    KeyManage,
    /// Read streams of one's own namespace.
    StreamRead,
    /// Write to them and close them.
    StreamAppend,
    /// Make and fork them.
    StreamCreate,
    /// Delete them.
    StreamDelete,
    /// Read and export the journal across owners.
    AuditRead,
    /// Run the server: see the queue of parked work, rotate signing keys, back up, read the metrics.
    AdminAll,
}

/// Whether a role has a grant. The table is written out so that a new grant cannot be forgotten here.
pub const fn grants(role: Role, grant: Grant) -> bool {
    match grant {
        // What a runner's agent writes to a stream it may also read back: these are its own, unlike sessions.
        Grant::StreamRead => true,
        Grant::StreamAppend => matches!(role, Role::Runner | Role::Member | Role::Admin),
        Grant::EnvironmentRead | Grant::SessionRead => matches!(role, Role::Viewer | Role::Member | Role::Admin),
        // A runner's key lies on the machine whose agent it serves, where that agent may find it. It must not open the
        // other sessions of its owner, so it neither reads nor answers.
        Grant::EnvironmentRun | Grant::SessionRun => matches!(role, Role::Runner | Role::Member | Role::Admin),
        Grant::SessionWrite
        | Grant::PermissionDecide
        | Grant::ControlInterrupt
        | Grant::ControlModel
        | Grant::ControlMode
        | Grant::KeyManage
        | Grant::StreamCreate
        | Grant::StreamDelete => matches!(role, Role::Member | Role::Admin),
        Grant::AuditRead | Grant::AdminAll => matches!(role, Role::Admin),
    }
}

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A key, and its role does not include it: 403.
    #[error("a key with the role {role:?} may not do this ({grant:?}): use a key with a higher role")]
    Role { role: Role, grant: Grant },
    /// A worker or a runner, and it is no business of theirs: 403.
    #[error("this token may not do this ({grant:?}): use an API key")]
    Token { grant: Grant },
    /// It belongs to somebody else, or to nobody. Rooms answer as if it did not exist, so that ids cannot be probed.
    #[error("this belongs to somebody else")]
    Foreign,
}

/// Whether the principal has the grant at all, for its own things: what is asked before anything is looked up, and all
/// that is asked when something new is made or a list is filtered by [`Principal::scope`].
pub const fn holds(principal: &Principal, grant: Grant) -> Result<(), Denied> {
    match principal {
        Principal::Key { role, .. } if grants(*role, grant) => Ok(()),
        Principal::Key { role, .. } => Err(Denied::Role { role: *role, grant }),
        Principal::Worker { .. } | Principal::Environment(_) => Err(Denied::Token { grant }),
    }
}

/// Whether an agent in this mode asks nobody any more: every question of the session is answered for ever. Whoever owns
/// the machine may want that; a key that may answer questions one by one is not meant to.
pub fn asks_nothing(mode: &str) -> bool {
    // As the agents call it, without regard to case and signs: Claude, Qwen, Codex.
    let name: String = mode.chars().filter(char::is_ascii_alphanumeric).collect();
    ["bypass", "bypasspermissions", "yolo", "fullaccess", "agentfullaccess", "dangerfullaccess"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the principal may do this with something of `owner`. `None`, a thing without an owner, is an admin's only:
/// touching it first does not make it yours.
pub fn may(principal: &Principal, grant: Grant, owner: Option<OwnerId>) -> Result<(), Denied> {
    holds(principal, grant)?;
    match principal {
        Principal::Key { role: Role::Admin, .. } => Ok(()),
        Principal::Key { owner: own, .. } if owner == Some(*own) => Ok(()),
        _ => Err(Denied::Foreign),
    }
}

/// Whether the principal may be the agent's side of this session: its own worker, or a key with [`Grant::SessionRun`].
pub fn may_run_session(principal: &Principal, session: SessionId, owner: Option<OwnerId>) -> Result<(), Denied> {
    match principal {
        Principal::Worker { session: own, .. } if *own == session => Ok(()),
        Principal::Worker { .. } => Err(Denied::Foreign),
        _ => may(principal, Grant::SessionRun, owner),
    }
}

/// Whether the principal may be this runner: its own secret, or a key with [`Grant::EnvironmentRun`].
pub fn may_run_environment(
    principal: &Principal,
    environment: EnvironmentId,
    owner: Option<OwnerId>,
) -> Result<(), Denied> {
    match principal {
        Principal::Environment(own) if *own == environment => Ok(()),
        Principal::Environment(_) => Err(Denied::Foreign),
        _ => may(principal, Grant::EnvironmentRun, owner),
    }
}

/// What callers without a credential may do with streams, in a namespace of their own. Nothing, unless the operator
/// says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnonymousRights([bool; RIGHTS.len()]);

/// The rights that can be given, as the operator writes them.
const RIGHTS: [(&str, Grant); 4] = [
    ("read", Grant::StreamRead),
    ("append", Grant::StreamAppend),
    ("create", Grant::StreamCreate),
    ("delete", Grant::StreamDelete),
];

impl AnonymousRights {
    fn given(self) -> impl Iterator<Item = (&'static str, Grant)> {
        RIGHTS.into_iter().zip(self.0).filter_map(|(right, given)| given.then_some(right))
    }

    /// Whether they include this grant.
    pub fn include(self, grant: Grant) -> bool {
        self.given().any(|(_, given)| given == grant)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether they let anybody change something.
    pub fn change(self) -> bool {
        self.given().any(|(_, given)| given != Grant::StreamRead)
    }
}

impl FromStr for AnonymousRights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut rights = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let known = RIGHTS.iter().position(|(right, _)| *right == word);
            let known = known.ok_or_else(|| format!("{word:?} is none of read, append, create, delete"))?;
            rights.0[known] = true;
        }
        Ok(rights)
    }
}

impl fmt::Display for AnonymousRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.given().map(|(word, _)| word).collect();
        f.write_str(if words.is_empty() { "(none)" } else { "" })?;
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use uuid::Uuid;

    use super::*;
    use crate::domain::KeyId;

    const ROLES: [Role; 4] = [Role::Viewer, Role::Runner, Role::Member, Role::Admin];
    const GRANTS: [Grant; 16] = [
        Grant::EnvironmentRead,
        Grant::EnvironmentRun,
        Grant::SessionRead,
        Grant::SessionWrite,
        Grant::SessionRun,
        Grant::PermissionDecide,
        Grant::ControlInterrupt,
        Grant::ControlModel,
        Grant::ControlMode,
        Grant::KeyManage,
        Grant::StreamRead,
        Grant::StreamAppend,
        Grant::StreamCreate,
        Grant::StreamDelete,
        Grant::AuditRead,
        Grant::AdminAll,
    ];

    fn owner(n: u128) -> OwnerId {
        OwnerId::from_uuid(Uuid::from_u128(n))
    }

    fn key(role: Role) -> Principal {
        Principal::Key { key: KeyId::from_uuid(Uuid::nil()), owner: owner(1), role, name: "test".into(), device: None }
    }

    #[test]
    fn the_whole_table_on_one_page() {
        let mut page = String::new();
        for grant in GRANTS {
            let roles: Vec<_> = ROLES.into_iter().filter(|role| grants(*role, grant)).collect();
            writeln!(page, "{:<17} {roles:?}", format!("{grant:?}")).expect("a string takes everything");
        }
        insta::assert_snapshot!(page, @r"
        EnvironmentRead   [Viewer, Member, Admin]
        EnvironmentRun    [Runner, Member, Admin]
        SessionRead       [Viewer, Member, Admin]
        SessionWrite      [Member, Admin]
        SessionRun        [Runner, Member, Admin]
        PermissionDecide  [Member, Admin]
        ControlInterrupt  [Member, Admin]
        ControlModel      [Member, Admin]
        ControlMode       [Member, Admin]
        KeyManage         [Member, Admin]
        StreamRead        [Viewer, Runner, Member, Admin]
        StreamAppend      [Runner, Member, Admin]
        StreamCreate      [Member, Admin]
        StreamDelete      [Member, Admin]
        AuditRead         [Admin]
        AdminAll          [Admin]
        ");
    }

    #[test]
    fn what_others_own_is_not_yours() {
        for role in ROLES {
            for grant in GRANTS.into_iter().filter(|grant| grants(role, *grant)) {
                assert_eq!(may(&key(role), grant, Some(owner(1))), Ok(()));
                let foreign = if role == Role::Admin { Ok(()) } else { Err(Denied::Foreign) };
                assert_eq!(may(&key(role), grant, Some(owner(2))), foreign);
                assert_eq!(may(&key(role), grant, None), foreign, "unowned claims nothing");
            }
        }
    }

    #[test]
    fn anonymous_rights_are_what_was_said_and_nothing_else() {
        let rights: AnonymousRights = " read, append ".parse().expect("words");
        assert_eq!(rights.to_string(), "read,append");
        let included: Vec<_> = GRANTS.into_iter().filter(|grant| rights.include(*grant)).collect();
        assert_eq!(included, [Grant::StreamRead, Grant::StreamAppend]);
        assert!(rights.change() && !"read".parse::<AnonymousRights>().expect("a word").change());
        assert_eq!("".parse(), Ok(AnonymousRights::default()));
        assert!("read,write".parse::<AnonymousRights>().is_err());
        assert_eq!(AnonymousRights::default().to_string(), "(none)");
    }

    #[test]
    fn a_worker_opens_its_own_session_and_nothing_else() {
        let session = |n| SessionId::from_uuid(Uuid::from_u128(n));
        let worker = Principal::Worker { session: session(1), epoch: None };
        assert_eq!(may_run_session(&worker, session(1), Some(owner(1))), Ok(()));
        assert_eq!(may_run_session(&worker, session(2), Some(owner(1))), Err(Denied::Foreign));
        for grant in GRANTS {
            assert_eq!(may(&worker, grant, Some(owner(1))), Err(Denied::Token { grant }));
        }
        assert_eq!(may_run_session(&key(Role::Runner), session(2), Some(owner(1))), Ok(()));
        assert_eq!(may_run_session(&key(Role::Runner), session(2), Some(owner(2))), Err(Denied::Foreign));
        let viewer = Denied::Role { role: Role::Viewer, grant: Grant::SessionRun };
        assert_eq!(may_run_session(&key(Role::Viewer), session(2), Some(owner(1))), Err(viewer));
    }

    #[test]
    fn a_runner_secret_opens_its_own_environment_and_nothing_else() {
        let environment = |n| EnvironmentId::from_uuid(Uuid::from_u128(n));
        let runner = Principal::Environment(environment(1));
        assert_eq!(may_run_environment(&runner, environment(1), Some(owner(1))), Ok(()));
        assert_eq!(may_run_environment(&runner, environment(2), Some(owner(1))), Err(Denied::Foreign));
        let session = SessionId::from_uuid(Uuid::nil());
        let denied = Denied::Token { grant: Grant::SessionRun };
        assert_eq!(may_run_session(&runner, session, Some(owner(1))), Err(denied));
    }
}

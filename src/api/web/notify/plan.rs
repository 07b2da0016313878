//! What there is to tell now, and when the next thing will be. Asked anew each time: everything that it rests on stands
//! in the world, but for who is looking.

use crate::{
    api::common::House,
    domain::{
        Sequence, SessionId, TargetId, Timestamp, World,
        event::Role,
        limits,
        notify::{Target, TargetEnd},
        session::Session,
    },
    security::{Grant, grant::grants, principal::Scope},
};

/// Something to do about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Job {
    pub(super) target: TargetId,
    pub(super) task: Task,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Task {
    /// Tell it of this question.
    Tell(SessionId, Sequence),
    /// Tell it that this question is settled.
    Withdraw(SessionId, Sequence),
    /// Nobody stands behind it any more.
    Drop(TargetEnd),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) jobs: Vec<Job>,
    /// When to look again, if nothing happens before.
    pub(super) next: Option<Timestamp>,
}

impl Plan {
    pub(super) fn wait_until(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

/// Whose sessions a target hears of at this moment; `None`: of nobody's.
pub(super) fn scope(world: &World, target: &Target, now: Timestamp) -> Option<(Role, Scope)> {
    if !target.is_backed(world, now) {
        return None;
    }
    let role = world.key(target.added.key)?.created.role;
    let scope = if role == Role::Admin { Scope::Everything } else { Scope::OwnedBy(target.added.owner) };
    grants(role, Grant::SessionRead).then_some((role, scope))
}

pub(super) fn plan(house: &House) -> Plan {
    plan_at(house, house.relay.now())
}

fn plan_at(house: &House, now: Timestamp) -> Plan {
    let world = house.relay.world();
    let mut plan = Plan::default();
    if world.targets().is_empty() {
        return plan;
    }
    let mut hearing = Vec::new();
    for target in world.targets().iter() {
        let id = target.id();
        match scope(&world, target, now) {
            Some((_, scope)) => hearing.push((target, scope, target.room())),
            // A key that may not read may be given more some day; one that is gone is gone.
            None if !target.is_backed(&world, now) => {
                plan.jobs.push(Job { target: id, task: Task::Drop(TargetEnd::Revoked) });
            }
            None => {}
        }
    }
    for (target, ..) in &hearing {
        let settled = target.told().filter(|(session, asked)| !is_open(&world, *session, *asked));
        let withdraw = |(session, asked)| Job { target: target.id(), task: Task::Withdraw(session, asked) };
        plan.jobs.extend(settled.map(withdraw));
    }
    for session in world.asking().filter(|session| session.archived_at.is_none()) {
        for (target, _, room) in hearing.iter_mut().filter(|(_, scope, _)| scope.includes(session.owner)) {
            tell(house, &mut plan, (target, room), session, now);
        }
    }
    plan
}

/// What this target has to hear about the questions of this session.
fn tell(house: &House, plan: &mut Plan, (target, room): (&Target, &mut usize), session: &Session, now: Timestamp) {
    let until = match house.notify.presence.sees(target.added.owner, session.id, now) {
        // Whoever looks away wakes us.
        Some(None) => return,
        Some(Some(until)) => until,
        None => now,
    };
    for open in session.permissions.open().filter(|open| !target.knows(session.id, open.sequence)) {
        let due = open.asked_at.plus_ms(limits::NOTIFY_GRACE_MS).max(until);
        if due > now {
            plan.wait_until(due);
        } else if *room > 0 {
            // What finds no room is told when some of these are settled.
            *room -= 1;
            plan.jobs.push(Job { target: target.id(), task: Task::Tell(session.id, open.sequence) });
        }
    }
}

fn is_open(world: &World, session: SessionId, asked: Sequence) -> bool {
    let found = world.session(session).filter(|session| session.archived_at.is_none());
    found.is_some_and(|found| found.permissions.open_at(asked).is_some())
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::{
        api::common::bench,
        domain::{
            Actor, Command, KeyId, OwnerId, WorkId,
            command::{Incoming, Meaning},
            event::{Fingerprint, KeyCreated, PermissionRequested, SecretDigest, SessionCreated},
            notify::{Sealed, TargetAdded, TargetKind, TargetNews},
        },
        relay::Relay,
    };

    const TARGET: TargetId = TargetId::from_uuid(Uuid::from_u128(3));
    const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(4));

    /// Somebody with a pager that hears of the ends of turns too, and a session of theirs.
    pub(in super::super) async fn pager() -> (tempfile::TempDir, Arc<House>, TargetId, SessionId) {
        let (directory, house) = bench::house(Relay::in_memory(), |_| {});
        let (key, owner) = (KeyId::from_uuid(Uuid::from_u128(1)), OwnerId::from_uuid(Uuid::from_u128(2)));
        let (name, digest, role) = ("laptop".into(), SecretDigest([1; 32]), Role::Member);
        let created = KeyCreated { key, owner, name, role, digest, expires_at: None, configured: false };
        let added = TargetAdded {
            target: TARGET,
            owner,
            key,
            device: None,
            kind: TargetKind::Webhook,
            name: "pager".into(),
            host: "hooks.test".into(),
            sealed: Sealed(vec![1].into()),
            fingerprint: Fingerprint([1; 16]),
            turns: true,
            answers: false,
            configured: false,
        };
        let particulars = SessionCreated {
            session: SESSION,
            owner,
            environment: None,
            title: None,
            source: "test".into(),
            mode: None,
            model: None,
            directory: None,
        };
        let work = WorkId::from_uuid(Uuid::from_u128(5));
        submit(&house, Command::CreateKey(created)).await;
        submit(&house, Command::AddTarget(added)).await;
        submit(&house, Command::CreateSession { particulars, work, course: Vec::new(), prompt: None }).await;
        (directory, house, TARGET, SESSION)
    }

    async fn submit(house: &House, command: Command) {
        house.relay.submit(Actor::System, command).await.expect("done");
    }

    /// It forgot the first of its questions for the last, told that one again, forgot another for it, and so on for
    /// ever.
    #[tokio::test]
    async fn somebody_with_more_open_questions_than_are_remembered_is_not_told_them_over_and_over() {
        let (_directory, house, target, session) = pager().await;
        let asks = |request: &str| Incoming {
            key: None,
            payload: "{}".into(),
            meaning: Meaning::Asks(PermissionRequested {
                session,
                request: request.parse().expect("an id"),
                tool: "Bash".into(),
                subject: None,
                tool_use: None,
            }),
        };
        let messages = vec![asks("1"), asks("2")];
        submit(&house, Command::Receive { session, epoch: None, messages }).await;
        let tells = |plan: Plan| plan.jobs.into_iter().filter(|job| matches!(job.task, Task::Tell(..))).count();
        // By the time that the grace is over.
        let later = || plan_at(&house, house.relay.now().plus_ms(limits::NOTIFY_GRACE_MS));
        assert_eq!(tells(later()), 2);
        for asked in 1..limits::TARGET_TOLD_MAX as u64 {
            let news = TargetNews::Told { session, asked: Sequence(1_000_000 + asked) };
            submit(&house, Command::NoteTarget { target, news }).await;
        }
        assert_eq!(tells(later()), 1, "there is room for one");
        let news = TargetNews::Told { session, asked: Sequence(2_000_000) };
        submit(&house, Command::NoteTarget { target, news }).await;
        assert_eq!(tells(later()), 0);
    }
}

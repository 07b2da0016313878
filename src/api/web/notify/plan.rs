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
    let now = house.relay.now();
    let world = house.relay.world();
    let mut plan = Plan::default();
    if world.targets().is_empty() {
        return plan;
    }
    let mut hearing = Vec::new();
    for target in world.targets().iter() {
        let id = target.id();
        match scope(&world, target, now) {
            Some((_, scope)) => hearing.push((target, scope)),
            // A key that may not read may be given more some day; one that is gone is gone.
            None if !target.is_backed(&world, now) => {
                plan.jobs.push(Job { target: id, task: Task::Drop(TargetEnd::Revoked) });
            }
            None => {}
        }
    }
    for (target, _) in &hearing {
        let settled = target.told().filter(|(session, asked)| !is_open(&world, *session, *asked));
        let withdraw = |(session, asked)| Job { target: target.id(), task: Task::Withdraw(session, asked) };
        plan.jobs.extend(settled.map(withdraw));
    }
    for session in world.asking().filter(|session| session.archived_at.is_none()) {
        for (target, _) in hearing.iter().filter(|(_, scope)| scope.includes(session.owner)) {
            tell(house, &mut plan, target, session, now);
        }
    }
    plan
}

/// What this target has to hear about the questions of this session.
fn tell(house: &House, plan: &mut Plan, target: &Target, session: &Session, now: Timestamp) {
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
        } else {
            plan.jobs.push(Job { target: target.id(), task: Task::Tell(session.id, open.sequence) });
        }
    }
}

fn is_open(world: &World, session: SessionId, asked: Sequence) -> bool {
    let found = world.session(session).filter(|session| session.archived_at.is_none());
    found.is_some_and(|found| found.permissions.open_at(asked).is_some())
}

//! The loop that tells: whatever is due, a bounded number at once, until the server closes.
//!
//! What is due stands in the world; what is under way and what failed is known to this loop alone. After a crash it is
//! due again: a browser shows it once, under its tag, and a webhook hears it under the same id.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::{JoinError, JoinSet};

use super::{
    deliver::{Undelivered, deliver},
    notice::Notice,
    plan::{Job, Plan, Task, plan, scope},
};
use crate::{
    api::common::House,
    domain::{
        Actor, Command, SessionId, TargetId, Timestamp,
        event::Role,
        limits,
        notify::{Target, TargetEnd, TargetKind, TargetNews},
        subscription::backoff_ms,
    },
    relay::RelayError,
    security::{Grant, grant::grants, principal::Scope, random},
    telemetry,
};

/// How far a job got.
#[derive(Debug, Default, Clone, Copy)]
struct Tries {
    under_way: bool,
    failures: u32,
    /// Not before then it is tried again; never, once it was given up.
    again_at: Option<Timestamp>,
    given_up: bool,
}

/// How an attempt ended.
enum Ended {
    Done,
    Failed(Undelivered),
}

/// See the module.
pub async fn run(house: Arc<House>) {
    let mut closing = house.relay.closing();
    let mut notable = house.relay.notable();
    let mut presence = house.notify.presence.changed();
    let mut turns = house.relay.turns_ended();
    let mut tasks = JoinSet::new();
    let mut tries: HashMap<Job, Tries> = HashMap::new();
    for kind in ["web_push", "webhook", "ntfy"] {
        for outcome in ["ok", "failed"] {
            metrics::counter!(telemetry::NOTIFICATIONS, "kind" => kind, "outcome" => outcome).increment(0);
        }
    }
    loop {
        let looked = Instant::now();
        // Before the look at the world: what changes after it is seen in the next round.
        notable.mark_unchanged();
        presence.mark_unchanged();
        let mut plan = plan(&house);
        start(&house, &mut plan, &mut tries, &mut tasks);
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            _ = notable.changed() => {}
            _ = presence.changed() => {}
            Some(ended) = tasks.join_next() => settle(&house, &mut tries, ended),
            Ok(session) = turns.recv() => tell_turn(&house, session, &mut tasks),
            () = wait(&house, plan.next) => {}
        }
        let rest = Duration::from_millis(limits::NOTIFY_LOOK_MS).saturating_sub(looked.elapsed());
        tokio::time::sleep(rest).await;
        while let Some(ended) = tasks.try_join_next() {
            settle(&house, &mut tries, ended);
        }
        while let Ok(session) = turns.try_recv() {
            tell_turn(&house, session, &mut tasks);
        }
    }
}

async fn wait(house: &House, next: Option<Timestamp>) {
    match next {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.since_ms(house.relay.now()))).await,
        None => std::future::pending().await,
    }
}

type Tasks = JoinSet<(Option<Job>, Ended)>;

/// Starts what is due and has a place, and notes when the rest is.
fn start(house: &Arc<House>, plan: &mut Plan, tries: &mut HashMap<Job, Tries>, tasks: &mut Tasks) {
    let wanted: HashSet<Job> = plan.jobs.iter().copied().collect();
    tries.retain(|job, tried| tried.under_way || wanted.contains(job));
    let now = house.relay.now();
    let mut of_target: HashMap<TargetId, usize> = HashMap::new();
    for (job, _) in tries.iter().filter(|(_, tried)| tried.under_way) {
        *of_target.entry(job.target).or_default() += 1;
    }
    for job in std::mem::take(&mut plan.jobs) {
        let tried = tries.entry(job).or_default();
        if tried.under_way || tried.given_up {
            continue;
        }
        if let Some(at) = tried.again_at.filter(|at| *at > now) {
            plan.wait_until(at);
            continue;
        }
        let busy = of_target.entry(job.target).or_default();
        // Whoever has to wait is looked at again when something ends.
        if tasks.len() >= limits::NOTIFY_DELIVERIES_MAX || *busy >= limits::NOTIFY_DELIVERIES_PER_TARGET_MAX {
            continue;
        }
        *busy += 1;
        tried.under_way = true;
        let house = Arc::clone(house);
        tasks.spawn(async move { (Some(job), attend(&house, job).await) });
    }
}

/// Notes how an attempt ended. What was given up is left alone until the next start, or until it is settled.
fn settle(house: &House, tries: &mut HashMap<Job, Tries>, ended: Result<(Option<Job>, Ended), JoinError>) {
    let Ok((Some(job), ended)) = ended else { return };
    let Some(tried) = tries.get_mut(&job) else { return };
    tried.under_way = false;
    let Ended::Failed(why) = ended else { return };
    tried.failures += 1;
    tried.given_up = !why.is_passing() || tried.failures >= limits::NOTIFY_ATTEMPTS_MAX;
    let dice = random::bytes().map_or(0, u64::from_be_bytes);
    let wait = why.wait_ms().unwrap_or(0).max(retry_ms(tried.failures - 1, dice));
    tried.again_at = Some(house.relay.now().plus_ms(wait));
    tracing::debug!(target = %job.target, reason = %why, given_up = tried.given_up, "a notification did not arrive");
    if tried.given_up && matches!(job.task, Task::Withdraw(..)) {
        // It is no longer asked, and will not be told so: nothing is left to be done about it.
        let (relay, news) = (house.relay.clone(), news(job.task));
        let target = job.target;
        drop(tokio::spawn(async move {
            if let Some(news) = news {
                let _heard = relay.submit(Actor::System, Command::NoteTarget { target, news }).await;
            }
        }));
    }
}

/// The wait before the next attempt, a fifth more or less by chance: services that fail together are not called
/// together.
fn retry_ms(failures: u32, dice: u64) -> u64 {
    let base = backoff_ms(failures);
    let fifth = base / 5;
    base - fifth + dice % (2 * fifth + 1)
}

const fn news(task: Task) -> Option<TargetNews> {
    match task {
        Task::Tell(session, asked) => Some(TargetNews::Told { session, asked }),
        Task::Withdraw(session, asked) => Some(TargetNews::Withdrawn { session, asked }),
        Task::Drop(_) => None,
    }
}

/// Does what is due.
async fn attend(house: &House, job: Job) -> Ended {
    let target = job.target;
    let outcome = match job.task {
        Task::Drop(end) => return done(house, Command::RemoveTarget { target, end }).await,
        Task::Tell(..) | Task::Withdraw(..) => match prepare(house, job) {
            None => return Ended::Done,
            Some((_, None, _)) => Ok(()),
            Some((found, Some(notice), may_answer)) => deliver(house, &found, &notice, may_answer).await,
        },
    };
    match (outcome, news(job.task)) {
        (Ok(()), Some(news)) => done(house, Command::NoteTarget { target, news }).await,
        (Ok(()), None) => Ended::Done,
        (Err(why @ Undelivered::Gone(_)), _) => {
            tracing::info!(%target, reason = %why, "a notification target is gone and is removed");
            done(house, Command::RemoveTarget { target, end: TargetEnd::Gone }).await
        }
        (Err(why), _) => {
            let news = TargetNews::Failed { reason: why.to_string() };
            done(house, Command::NoteTarget { target, news }).await;
            Ended::Failed(why)
        }
    }
}

/// What to tell, if it still is to be told, and whether with the right to answer. Without a notice there is nothing to
/// send, and what was to be told counts as told.
fn prepare(house: &House, job: Job) -> Option<(Target, Option<Notice>, bool)> {
    let (found, role, scope) = hearing(house, job.target)?;
    match job.task {
        Task::Tell(session, asked) => {
            let notice = Notice::question(house, session, asked, scope)?;
            let may_answer = may_answer(&found, role);
            Some((found, Some(notice), may_answer))
        }
        Task::Withdraw(session, asked) => {
            let notice = Notice::end(house, session, asked, scope);
            // It was answered there: its notification closed with the tap.
            let is_browser = found.added.kind == TargetKind::WebPush;
            let is_theirs = is_browser && notice.by_device.is_some() && notice.by_device == found.added.device;
            let notice = (!is_theirs).then_some(notice);
            Some((found, notice, false))
        }
        Task::Drop(_) => None,
    }
}

fn hearing(house: &House, id: TargetId) -> Option<(Target, Role, Scope)> {
    let world = house.relay.world();
    let found = world.targets().get(id)?;
    let (role, scope) = scope(&world, found, house.relay.now())?;
    Some((found.clone(), role, scope))
}

/// A browser is somebody's own; what else is told something may be read by many.
fn may_answer(target: &Target, role: Role) -> bool {
    (target.added.kind == TargetKind::WebPush || target.added.answers) && grants(role, Grant::PermissionDecide)
}

/// Submits what became of it, waiting for a writer that is behind: nobody else would say it.
async fn done(house: &House, command: Command) -> Ended {
    while let Err(RelayError::Busy { .. }) = house.relay.submit(Actor::System, command.clone()).await {
        tokio::time::sleep(Duration::from_millis(limits::BUSY_RETRY_MS)).await;
    }
    Ended::Done
}

/// Tells the end of a turn to those who want to hear it and do not look. Once, and to nobody later: it is news of the
/// moment.
fn tell_turn(house: &Arc<House>, session: SessionId, tasks: &mut Tasks) {
    let now = house.relay.now();
    let wanted: Vec<TargetId> = {
        let world = house.relay.world();
        let Some(found) = world.session(session).filter(|found| found.archived_at.is_none()) else { return };
        let hears = |target: &&Target| {
            target.added.turns
                && scope(&world, target, now).is_some_and(|(_, scope)| scope.includes(found.owner))
                && house.notify.presence.sees(target.added.owner, session, now).is_none()
        };
        world.targets().iter().filter(hears).map(Target::id).collect()
    };
    for id in wanted {
        if tasks.len() >= limits::NOTIFY_DELIVERIES_MAX {
            return;
        }
        let house = Arc::clone(house);
        tasks.spawn(async move {
            if let (Some((target, ..)), Some(notice)) = (hearing(&house, id), Notice::turn(&house, session))
                && let Err(why) = deliver(&house, &target, &notice, false).await
            {
                tracing::debug!(target = %id, reason = %why, "the end of a turn was not told");
            }
            (None, Ended::Done)
        });
    }
}

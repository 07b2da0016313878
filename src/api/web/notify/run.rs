//! The loop that tells: whatever is due, a bounded number at once, until the server closes.
//!
//! What is due stands in the world; what is under way and what failed is known to this loop alone. After a crash it is
//! due again: a browser shows it once, under its tag, and a webhook hears it under the same id.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::broadcast::error::{RecvError, TryRecvError},
    task::{JoinError, JoinSet},
};

use super::{
    deliver::{Undelivered, deliver},
    notice::Notice,
    plan::{Job, Plan, Task, plan, scope},
};
use crate::{
    api::common::{
        House,
        outbound::{reason, retry_ms},
    },
    domain::{
        Command, Refusal, SessionId, TargetId, Timestamp,
        event::Role,
        limits,
        notify::{Target, TargetEnd, TargetKind, TargetNews},
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

/// What is on its way, and what became of what was.
#[derive(Default)]
struct Deliveries {
    tasks: JoinSet<(TargetId, Option<Job>, Ended)>,
    /// How many there are of each target.
    busy: HashMap<TargetId, usize>,
    tries: HashMap<Job, Tries>,
}

/// See the module.
pub async fn run(house: Arc<House>) {
    let mut closing = house.relay.closing();
    let mut notable = house.relay.notable();
    let mut presence = house.notify.presence.changed();
    let mut turns = house.relay.turns_ended();
    let mut deliveries = Deliveries::default();
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
        deliveries.start(&house, &mut plan);
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            _ = notable.changed() => {}
            _ = presence.changed() => {}
            Some(ended) = deliveries.tasks.join_next() => deliveries.settle(&house, ended),
            turn = turns.recv() => match turn {
                Ok(session) => deliveries.tell_turn(&house, session),
                Err(RecvError::Lagged(missed)) => note_missed(missed),
                // The relay is gone, and with it everything that there is to tell.
                Err(RecvError::Closed) => return,
            },
            () = wait(&house, plan.next) => {}
        }
        let rest = Duration::from_millis(limits::NOTIFY_LOOK_MS).saturating_sub(looked.elapsed());
        tokio::time::sleep(rest).await;
        while let Some(ended) = deliveries.tasks.try_join_next() {
            deliveries.settle(&house, ended);
        }
        loop {
            match turns.try_recv() {
                Ok(session) => deliveries.tell_turn(&house, session),
                Err(TryRecvError::Lagged(missed)) => note_missed(missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
    }
}

fn note_missed(turns: u64) {
    tracing::debug!(turns, "more turns ended at once than can be told");
}

async fn wait(house: &House, next: Option<Timestamp>) {
    match next {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.since_ms(house.relay.now()))).await,
        None => std::future::pending().await,
    }
}

impl Deliveries {
    /// Whether one more may be on its way there. Whoever has to wait is looked at again when something ends.
    fn has_place(&self, target: TargetId) -> bool {
        self.tasks.len() < limits::NOTIFY_DELIVERIES_MAX
            && self.busy.get(&target).is_none_or(|busy| *busy < limits::NOTIFY_DELIVERIES_PER_TARGET_MAX)
    }

    fn spawn(&mut self, target: TargetId, job: Option<Job>, doing: impl Future<Output = Ended> + Send + 'static) {
        *self.busy.entry(target).or_default() += 1;
        self.tasks.spawn(async move { (target, job, doing.await) });
    }

    /// Starts what is due and has a place, and notes when the rest is.
    fn start(&mut self, house: &Arc<House>, plan: &mut Plan) {
        let wanted: HashSet<Job> = plan.jobs.iter().copied().collect();
        self.tries.retain(|job, tried| tried.under_way || wanted.contains(job));
        let now = house.relay.now();
        for job in std::mem::take(&mut plan.jobs) {
            let tried = self.tries.entry(job).or_default();
            if tried.under_way || tried.given_up {
                continue;
            }
            if let Some(at) = tried.again_at.filter(|at| *at > now) {
                plan.wait_until(at);
                continue;
            }
            if self.has_place(job.target) {
                self.tries.entry(job).or_default().under_way = true;
                let house = Arc::clone(house);
                self.spawn(job.target, Some(job), async move { attend(&house, job).await });
            }
        }
    }

    /// Notes how an attempt ended. What was given up is left alone until the next start, or until it is settled.
    fn settle(&mut self, house: &Arc<House>, ended: Result<(TargetId, Option<Job>, Ended), JoinError>) {
        let (target, job, ended) = match ended {
            Ok(ended) => ended,
            // Only where a panic does not end the process; its place is lost then.
            Err(error) => return tracing::error!(%error, "a notification was broken off"),
        };
        if let Some(busy) = self.busy.get_mut(&target) {
            *busy -= 1;
            if *busy == 0 {
                self.busy.remove(&target);
            }
        }
        let Some((job, tried)) = job.and_then(|job| Some((job, self.tries.get_mut(&job)?))) else { return };
        tried.under_way = false;
        let Ended::Failed(why) = ended else { return };
        tried.failures += 1;
        tried.given_up = !why.is_passing() || tried.failures >= limits::NOTIFY_ATTEMPTS_MAX;
        let given_up = tried.given_up;
        let dice = random::bytes().map_or(0, u64::from_be_bytes);
        let wait = why.wait_ms().unwrap_or(0).max(retry_ms(tried.failures - 1, dice));
        tried.again_at = Some(house.relay.now().plus_ms(wait));
        tracing::debug!(%target, reason = %why, given_up, "a notification did not arrive");
        if let (true, Task::Withdraw(..), Some(news)) = (given_up, job.task, news(job.task)) {
            // It is no longer asked, and will not be told so: nothing is left to be done about it.
            let house = Arc::clone(house);
            self.spawn(target, None, async move { done(&house, Command::NoteTarget { target, news }).await });
        }
    }

    /// Tells the end of a turn to those who want to hear it and do not look. Once, and to nobody later: it is news of
    /// the moment, and questions go first where all places are taken.
    fn tell_turn(&mut self, house: &Arc<House>, session: SessionId) {
        for target in who_hears_turns(house, session) {
            if !self.has_place(target) {
                tracing::debug!(%target, %session, "the end of a turn is not told: too much is on its way there");
                continue;
            }
            let house = Arc::clone(house);
            self.spawn(target, None, async move {
                if let (Some((found, ..)), Some(notice)) = (hearing(&house, target), Notice::turn(&house, session))
                    && let Err(why) = deliver(&house, &found, &notice, false).await
                {
                    tracing::debug!(%target, reason = %why, "the end of a turn was not told");
                }
                Ended::Done
            });
        }
    }
}

fn who_hears_turns(house: &House, session: SessionId) -> Vec<TargetId> {
    let now = house.relay.now();
    let world = house.relay.world();
    let Some(found) = world.session(session).filter(|found| found.archived_at.is_none()) else { return Vec::new() };
    let hears = |target: &&Target| {
        target.added.turns
            && scope(&world, target, now).is_some_and(|(_, scope)| scope.includes(found.owner))
            && house.notify.presence.sees(target.added.owner, session, now).is_none()
    };
    world.targets().iter().filter(hears).map(Target::id).collect()
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
            done(house, Command::NoteTarget { target, news: TargetNews::Failed { reason: reason(&why) } }).await;
            Ended::Failed(why)
        }
    }
}

/// Notes what became of it.
async fn done(house: &House, command: Command) -> Ended {
    match house.note(command).await {
        // Somebody removed it meanwhile, or everything ends.
        Ok(_) | Err(RelayError::Refused(Refusal::NoTarget(_)) | RelayError::Closing) => {}
        Err(error) => tracing::error!(%error, "what became of a notification could not be noted"),
    }
    Ended::Done
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::api::web::notify::plan::tests::pager;

    /// Sixty-four ends of turns at once, and nobody else was told anything until the receiver was given up.
    #[tokio::test]
    async fn ends_of_turns_do_not_take_the_places_of_what_others_are_asked() {
        let (_directory, house, target, session) = pager().await;
        let mut deliveries = Deliveries::default();
        for _ in 0..limits::NOTIFY_DELIVERIES_MAX {
            deliveries.tell_turn(&house, session);
        }
        assert_eq!(deliveries.tasks.len(), limits::NOTIFY_DELIVERIES_PER_TARGET_MAX);
        let other = TargetId::from_uuid(Uuid::from_u128(99));
        assert!(!deliveries.has_place(target) && deliveries.has_place(other));
        let ended = deliveries.tasks.join_next().await.expect("one");
        deliveries.settle(&house, ended);
        assert!(deliveries.has_place(target), "whatever ends makes room");
    }
}

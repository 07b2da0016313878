//! The core against a simple model: any commands in any order, and what must hold after each. [`stories`] has single
//! histories that people saw go wrong elsewhere, [`turns`] what is seen of a turn.

mod agents;
mod stories;
mod targets;
mod turns;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    command::{
        Answer, Command, ConfiguredKey, DeliveryRef, DeliveryStage, DeliveryUpdate, Incoming, Meaning, Outcome, Prompt,
        Refusal, Said, WorkerReport,
    },
    event::{
        Control, EnvironmentRegistered, Event, Fingerprint, MessageKind, PermissionRequested, Rule, SecretDigest,
        SessionCreated, Status, Verdict,
    },
    permission::Settlement,
    work::Stage,
    *,
};

/// A writer in the small: numbers drafts, folds them, keeps everything.
#[derive(Default)]
struct Bench {
    world: World,
    log: Vec<Record>,
    tails: HashMap<Stream, Sequence>,
    keys: HashMap<(Stream, DedupeKey), Sequence>,
    now: Timestamp,
}

impl Bench {
    fn submit(&mut self, actor: Actor, command: Command) -> Result<Outcome, Refusal> {
        let known: HashMap<_, _> =
            command.keys().into_iter().filter_map(|key| self.keys.get(&key).map(|sequence| (key, *sequence))).collect();
        let before = self.world.clone();
        let decided = decide(&self.world, &Context { now: self.now, actor, known: &known }, command);
        assert_eq!(before, self.world, "decide changed the world");
        let decided = decided?;
        let mut first = Sequence::ZERO;
        for (index, draft) in decided.drafts.into_iter().enumerate() {
            let tail = self.tails.entry(draft.stream).or_default();
            *tail = tail.next();
            if index == 0 {
                first = *tail;
            }
            if let Some(key) = draft.key {
                assert!(self.keys.insert((draft.stream, key), *tail).is_none(), "a key was recorded twice");
            }
            let Draft { stream, key, event, payload } = draft;
            let position = Position(self.log.len() as u64 + 1);
            let record = Record { position, stream, sequence: *tail, at: self.now, actor, key, event, payload };
            apply(&mut self.world, &record);
            self.log.push(record);
        }
        Ok(decided.outcome.placed(first))
    }
}

fn session(n: u8) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(0x5e55_0000 + u128::from(n)))
}

fn environment(n: u8) -> EnvironmentId {
    EnvironmentId::from_uuid(Uuid::from_u128(0xe000_0000 + u128::from(n)))
}

fn owner(n: u8) -> OwnerId {
    OwnerId::from_uuid(Uuid::from_u128(0x0e00_0000 + u128::from(n)))
}

fn message(n: u8) -> MessageId {
    MessageId::from_uuid(Uuid::from_u128(0x3e00_0000 + u128::from(n)))
}

fn request(n: u8) -> RequestId {
    format!("request-{n}").parse().expect("valid")
}

fn key(scope: u8, n: u8) -> DedupeKey {
    let mut bytes = [0; 16];
    bytes[0] = scope;
    bytes[1] = n;
    DedupeKey(bytes)
}

fn registration(n: u8, of: u8, max_sessions: u32) -> EnvironmentRegistered {
    EnvironmentRegistered {
        environment: environment(n),
        owner: owner(of),
        machine_name: "vm".into(),
        directory: "/src".into(),
        branch: None,
        git_repo_url: None,
        max_sessions,
        worker_type: "claude_code".into(),
        group: None,
    }
}

fn creation(n: u8, of: u8, at: Option<u8>) -> SessionCreated {
    SessionCreated {
        session: session(n),
        owner: owner(of),
        environment: at.map(environment),
        title: None,
        source: "test".into(),
        mode: None,
        model: None,
        directory: None,
    }
}

fn prompt(n: u8) -> Prompt {
    Prompt {
        message: message(n),
        key: key(1, n),
        fingerprint: Fingerprint([n; 16]),
        payload: Bytes::from_static(b"{\"content\":\"hi\"}"),
    }
}

fn said(n: u8, kind: MessageKind, status: Option<Status>) -> Incoming {
    let said = Said {
        message: Some(message(n)),
        kind,
        ephemeral: false,
        status,
        mode: None,
        model: None,
        tool_results: Vec::new(),
    };
    Incoming { key: Some(key(1, n)), payload: Bytes::from_static(b"{}"), meaning: Meaning::Said(said) }
}

fn asks(of: u8, n: u8) -> Incoming {
    let asked = PermissionRequested {
        session: session(of),
        request: request(n),
        tool: "Bash".into(),
        subject: Some(format!("command {}", n % 3)),
        tool_use: Some(format!("tool-{n}")),
    };
    Incoming { key: Some(key(2, n)), payload: Bytes::from_static(b"{}"), meaning: Meaning::Asks(asked) }
}

fn answer(verdict: Verdict, n: u8, remember: bool) -> Answer {
    Answer {
        asked: None,
        verdict,
        message: (verdict == Verdict::Deny).then(|| "no".to_owned()),
        fingerprint: Fingerprint([n; 16]),
        payload: Bytes::new(),
        remember: remember.then(|| Rule {
            name: "here".into(),
            tool: "Bash".into(),
            subject: Some(format!("command {}", n % 3)),
        }),
    }
}

fn arranged(n: u8, title: Option<u8>, pinned: Option<bool>) -> Command {
    Command::ArrangeSession { session: session(n), title: title.map(|n| format!("title {n}")), pinned }
}

/// Any command about a handful of things, so that they meet.
fn commands() -> impl Strategy<Value = (u64, Command)> {
    let small = 0_u8..3;
    let ids = (small.clone(), small.clone(), 0_u8..12, any::<bool>(), 0_u8..25);
    (0_u64..20_000, ids).prop_map(|(later, (a, b, n, flag, which))| {
        let work = |n: u8| WorkId::from_uuid(Uuid::from_u128(0x3000_0000 + u128::from(later) * 256 + u128::from(n)));
        let verdict = if flag { Verdict::Allow } else { Verdict::Deny };
        let command = match which {
            0 => Command::RegisterEnvironment {
                particulars: registration(a, b % 2, 1 + u32::from(flag)),
                reattach: flag.then(|| environment(b)),
            },
            1 => Command::CreateSession {
                particulars: creation(n, b % 2, flag.then_some(a)),
                work: work(n),
                course: if b == 0 { Vec::new() } else { vec![(request(n), Control::SetModel { model: "m".into() })] },
                prompt: flag.then(|| prompt(n)),
            },
            2 => Command::LeaseWork { environment: environment(a), reclaim_after_ms: 5_000, fresh: work(n) },
            3..=5 => {
                return (
                    later,
                    Command::Receive {
                        session: session(a),
                        epoch: None,
                        messages: vec![asks(a, n), said(n, MessageKind::User, Some(Status::Working))],
                    },
                );
            }
            6 => Command::PostMessage { session: session(a), prompt: prompt(n), work: work(n) },
            7 | 8 => Command::DecidePermission {
                session: session(a),
                request: request(n),
                answer: answer(verdict, n + u8::from(flag), flag),
            },
            9 => Command::Receive {
                session: session(a),
                epoch: None,
                messages: vec![Incoming {
                    key: Some(key(3, n)),
                    payload: Bytes::new(),
                    meaning: Meaning::TakesBack(request(n)),
                }],
            },
            10 => Command::Receive {
                session: session(a),
                epoch: None,
                messages: vec![
                    asks(a, n),
                    Incoming {
                        key: Some(key(4, n)),
                        payload: Bytes::new(),
                        meaning: Meaning::Mirrors { request: request(n), verdict: flag.then_some(verdict) },
                    },
                ],
            },
            11 => Command::ArchiveSession { session: session(n) },
            12 => Command::AttachWorker { session: session(a) },
            13 => Command::WorkerSeen { session: session(a) },
            14 => Command::WorkerLost { session: session(a) },
            15 => Command::RequestControl {
                session: session(a),
                request: request(n),
                control: if flag { Control::Interrupt } else { Control::SetModel { model: "m".into() } },
            },
            16 => Command::MarkDelivered { session: session(a), items: (1..20).map(Sequence).collect() },
            17 => Command::ReportDelivery {
                session: session(a),
                epoch: flag.then_some(1),
                updates: vec![DeliveryUpdate {
                    item: DeliveryRef::Message(message(n)),
                    stage: DeliveryStage::Processed,
                }],
            },
            18 => Command::Receive {
                session: session(a),
                epoch: None,
                messages: vec![said(n + 12, MessageKind::Result, Some(Status::Idle))],
            },
            19 => Command::RedispatchSession { environment: environment(a), session: session(b), work: work(n) },
            20 => Command::ConfigureKeys(
                (0..n % 4)
                    .map(|n| ConfiguredKey {
                        digest: SecretDigest([n; 32]),
                        key: KeyId::from_uuid(Uuid::from_u128(u128::from(later) * 8 + u128::from(n))),
                        owner: owner(n),
                    })
                    .collect(),
            ),
            21 => Command::DeregisterEnvironment { environment: environment(a) },
            23 => arranged(a, (b > 0).then_some(n % 3), (b < 2).then_some(flag)),
            22 => Command::CancelMessage { session: session(a), message: message(n) },
            _ => Command::ReportWorker {
                session: session(a),
                epoch: None,
                report: WorkerReport { status: Some(Status::Working), ..WorkerReport::default() },
            },
        };
        (later, command)
    })
}

/// The world as start-up makes it.
fn rebuilt(bench: &Bench) -> World {
    let mut world = World::default();
    for record in bench.log.iter().filter(|record| record.event.shapes_world()) {
        apply(&mut world, record);
    }
    for (stream, tail) in &bench.tails {
        let last = bench.log.iter().rev().find(|record| record.stream == *stream);
        world.observe_tail(*stream, *tail, last.map_or(Timestamp(0), |record| record.at));
    }
    world
}

fn check(bench: &Bench) {
    let mut counts: BTreeMap<Stream, u64> = BTreeMap::new();
    let mut decisions: HashMap<(SessionId, RequestId), u32> = HashMap::new();
    for record in &bench.log {
        let count = counts.entry(record.stream).or_default();
        *count += 1;
        assert_eq!(record.sequence.0, *count, "sequences of a stream are dense");
        match &record.event {
            Event::PermissionDecided(decided) => {
                *decisions.entry((decided.session, decided.request.clone())).or_default() += 1;
            }
            Event::PermissionCancelled { session, request } => {
                *decisions.entry((*session, request.clone())).or_default() += 1;
            }
            _ => {}
        }
    }
    for (permission, count) in decisions {
        assert_eq!(count, 1, "{permission:?} was settled more than once");
    }
    for session in bench.world.sessions() {
        let open = session.permissions.open().count();
        assert_eq!(session.status() == Status::Waiting, open > 0 || session.reported == Status::Waiting);
        assert!(
            session.archived_at.is_none() || open == 0,
            "an archived session has no open question that nobody asked since"
        );
    }
    for environment in bench.world.environments() {
        let mut ids: Vec<_> = environment.work.unfinished().collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), environment.work.items().len(), "an item is in the queue once");
        assert!(!environment.deregistered || ids.is_empty(), "who signed off has no work");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_invariants_and_replays_to_the_same_world(
        steps in prop::collection::vec(commands(), 1..120),
    ) {
        let mut bench = Bench::default();
        for n in 0..3 {
            let work = WorkId::from_uuid(Uuid::from_u128(u128::from(n)));
            let particulars = registration(n, 0, 1);
            let register = Command::RegisterEnvironment { particulars, reattach: None };
            bench.submit(Actor::System, register).expect("new");
            let particulars = creation(n, 0, Some(n));
            let create = Command::CreateSession { particulars, work, course: Vec::new(), prompt: None };
            bench.submit(Actor::System, create).expect("new");
        }
        for (later, command) in steps {
            bench.now = bench.now.plus_ms(later);
            let actor = if later % 3 == 0 { Actor::Worker(session(0)) } else { Actor::System };
            let archived = bench.world.sessions().filter(|session| session.archived_at.is_some());
            let archived: Vec<SessionId> = archived.map(|session| session.id).collect();
            // A worker's late question about an archived session is kept, and is the one way to have it open.
            let late = matches!(&command, Command::Receive { session, .. } if archived.contains(session));
            if !late {
                let _refused = bench.submit(actor, command);
            }
        }
        check(&bench);
        let mut replayed = World::default();
        for record in &bench.log {
            apply(&mut replayed, record);
        }
        prop_assert_eq!(&replayed, &bench.world);
        prop_assert_eq!(&rebuilt(&bench), &bench.world, "what start-up reads is enough");
    }
}

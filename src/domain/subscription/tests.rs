//! Subscriptions against a simple model: cursors never go back, a generation has one holder, and nothing that grew is
//! ever waited for by nobody.

mod streams;

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    super::{
        Command, Context, Draft, Event, MessageId, Outcome, OwnerId, Position, Record, Refusal, Sequence, SessionId,
        Stream, SubscriptionId, Timestamp, UserStreamId, WorkId, World, apply,
        command::{Incoming, Meaning, Said},
        decide,
        envelope::Actor,
        event::{Fingerprint, MessageKind, SessionCreated},
        id::KeyId,
        user_stream::{NewFork, NewUserStream, UserAppend},
    },
    *,
};

/// A writer in the small.
#[derive(Default)]
struct Bench {
    world: World,
    log: Vec<Record>,
    tails: HashMap<Stream, Sequence>,
    now: Timestamp,
}

impl Bench {
    fn submit(&mut self, command: Command) -> Result<Outcome, Refusal> {
        self.submit_as(Actor::System, command)
    }

    fn submit_as(&mut self, actor: Actor, command: Command) -> Result<Outcome, Refusal> {
        let known = HashMap::new();
        let decided = decide(&self.world, &Context { now: self.now, actor, known: &known }, command)?;
        for Draft { stream, key, event, payload } in decided.drafts {
            let tail = self.tails.entry(stream).or_default();
            *tail = tail.next();
            let position = Position(self.log.len() as u64 + 1);
            let record = Record { position, stream, sequence: *tail, at: self.now, actor, key, event, payload };
            apply(&mut self.world, &record);
            self.log.push(record);
        }
        Ok(decided.outcome)
    }

    fn found(&self, n: u8) -> &Subscription {
        self.world.subscriptions().get(id(n)).expect("is there")
    }

    fn session(&mut self, n: u8) {
        let created = SessionCreated {
            session: session(n),
            owner: owner(1),
            environment: None,
            title: None,
            source: "test".into(),
            mode: None,
            model: None,
            directory: None,
        };
        let work = WorkId::from_uuid(Uuid::from_u128(u128::from(n)));
        self.submit(Command::CreateSession { particulars: created, work, course: Vec::new(), prompt: None })
            .expect("new");
    }

    fn grow(&mut self, n: u8) {
        let message = Some(MessageId::from_uuid(Uuid::from_u128(self.log.len() as u128)));
        let said = Said {
            message,
            kind: MessageKind::Assistant,
            ephemeral: false,
            status: None,
            mode: None,
            model: None,
            tool_results: Vec::new(),
        };
        let messages = vec![Incoming { key: None, payload: Bytes::new(), meaning: Meaning::Said(said) }];
        self.submit(Command::Receive { session: session(n), epoch: None, messages }).expect("grows");
    }

    fn subscribe(&mut self, n: u8, delivery: Delivery, pattern: Option<&str>, streams: &[u8]) -> Outcome {
        let created = created(n, delivery, pattern);
        let streams = streams.iter().map(|n| path(*n)).collect();
        self.submit(Command::CreateSubscription { created, streams }).expect("subscribed")
    }

    fn ack(&mut self, n: u8, generation: u64, acks: &[(u8, u64)], done: bool) -> Result<Outcome, Refusal> {
        let acks = acks.iter().map(|(n, offset)| Acked { path: path(*n), position: *offset }).collect();
        self.submit(Command::AckWake { subscription: id(n), generation, acks, done })
    }

    fn stream(&mut self, n: u8, name: &str, content: &'static str) {
        self.make(n, name, content, None);
    }

    fn make(&mut self, n: u8, name: &str, content: &'static str, fork: Option<NewFork>) {
        let new = NewUserStream {
            stream: user(n),
            owner: owner(1),
            name: name.into(),
            content_type: Some("application/json".into()),
            lifetime: None,
            closed: false,
            fork,
            content: Bytes::from_static(content.as_bytes()),
        };
        self.submit(Command::CreateUserStream(new)).expect("new");
    }

    fn append(&mut self, n: u8, payload: &'static str, closes: bool) {
        let append = UserAppend {
            stream: user(n),
            payload: Bytes::from_static(payload.as_bytes()),
            type_matches: true,
            producer: None,
            stream_seq: None,
            closes,
        };
        self.submit(Command::AppendUserStream(append)).expect("appended");
    }

    /// What stands in a stream.
    fn told(&self, n: u8) -> Vec<String> {
        let records = self.log.iter().filter(|record| record.stream == Stream::User(user(n)));
        let appended = records.filter(|record| matches!(record.event, Event::UserAppended(_)));
        appended.map(|record| String::from_utf8(record.payload.to_vec()).expect("text")).collect()
    }

    fn ends(&self) -> Vec<WakeEnd> {
        let end = |record: &Record| match record.event {
            Event::WakeEnded { end, .. } => Some(end),
            _ => None,
        };
        self.log.iter().filter_map(end).collect()
    }
}

fn owner(n: u128) -> OwnerId {
    OwnerId::from_uuid(Uuid::from_u128(n))
}

fn session(n: u8) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(0x5e55_0000 + u128::from(n)))
}

fn user(n: u8) -> UserStreamId {
    UserStreamId::from_uuid(Uuid::from_u128(0x57e0_0000 + u128::from(n)))
}

fn id(n: u8) -> SubscriptionId {
    SubscriptionId::from_uuid(Uuid::from_u128(0x5ab0_0000 + u128::from(n)))
}

fn path(n: u8) -> StreamPath {
    format!("sessions/{}", session(n)).parse().expect("a path")
}

fn created(n: u8, delivery: Delivery, pattern: Option<&str>) -> SubscriptionCreated {
    SubscriptionCreated {
        subscription: id(n),
        owner: owner(1),
        name: format!("sub-{n}").parse().expect("a name"),
        delivery,
        pattern: pattern.map(|text| text.parse().expect("a pattern")),
        lease_ms: 1_000,
        description: None,
        fingerprint: Fingerprint([n; 16]),
    }
}

fn webhook() -> Delivery {
    Delivery::Webhook { url: "https://worker.example/hook".into() }
}

fn pulled() -> Delivery {
    Delivery::PullWake { wake_stream: "wake/pool".parse().expect("a path") }
}

#[test]
fn a_subscription_begins_at_the_tail_and_is_woken_by_what_comes() {
    let mut bench = Bench::default();
    bench.session(1);
    bench.grow(1);
    bench.subscribe(1, webhook(), Some("sessions/*"), &[]);
    assert_eq!(bench.found(1).links[&path(1)].acked, 2, "no history");
    assert_eq!((bench.found(1).generation, &bench.found(1).wake), (0, &None));
    bench.grow(1);
    assert_eq!((bench.found(1).generation, &bench.found(1).wake), (1, &Some(Wake::Issued)));
    bench.grow(1);
    assert_eq!(bench.found(1).generation, 1, "one wake at a time");
    bench.session(2);
    let news = bench.found(1).news(&bench.world);
    let pending: Vec<_> = news.iter().map(|news| (news.path.clone(), news.acked, news.tail)).collect();
    assert_eq!(
        pending,
        [(path(1), 2, 4), (path(2), 0, 1)],
        "a stream that matches later is news from its first record"
    );
}

#[test]
fn what_grew_meanwhile_is_the_next_wake() {
    let mut bench = Bench::default();
    bench.session(1);
    bench.subscribe(1, webhook(), None, &[1]);
    bench.grow(1);
    bench.grow(1);
    assert_eq!(bench.ack(1, 1, &[(1, 2)], true), Ok(Outcome::Acked { next_wake: true }));
    assert_eq!(bench.found(1).generation, 2);
    let fenced = Refusal::Fenced { given: 1, current: 2 };
    assert_eq!(bench.ack(1, 1, &[(1, 3)], true), Err(fenced));
    assert_eq!(bench.ack(1, 2, &[(1, 3)], true), Ok(Outcome::Acked { next_wake: false }));
    assert_eq!(bench.found(1).wake, None);
    assert!(matches!(bench.ack(1, 2, &[], true), Err(Refusal::Fenced { .. })), "even twice the same");
}

#[test]
fn an_ack_may_not_go_back_nor_ahead_nor_elsewhere() {
    let mut bench = Bench::default();
    bench.session(1);
    bench.session(2);
    bench.subscribe(1, webhook(), None, &[1]);
    bench.grow(1);
    bench.grow(1);
    assert!(bench.ack(1, 1, &[(1, 3)], false).is_ok());
    for bad in [(1, 2), (1, 4), (2, 1)] {
        assert!(matches!(bench.ack(1, 1, &[(1, 3), bad], true), Err(Refusal::BadAck { .. })), "{bad:?}");
    }
    assert_eq!(bench.found(1).wake, Some(Wake::Delivered), "who acks has it, and a bad ack changes nothing");
}

#[test]
fn one_worker_claims_and_the_others_hear_who() {
    let mut bench = Bench::default();
    bench.session(1);
    bench.subscribe(1, pulled(), None, &[1]);
    let claim = |worker: &str| Command::ClaimWake { subscription: id(1), worker: worker.into() };
    assert_eq!(bench.submit(claim("a")), Ok(Outcome::NothingPending));
    bench.grow(1);
    assert_eq!(bench.found(1).leased(), None, "what nobody claimed has no lease");
    assert!(matches!(bench.ack(1, 1, &[], true), Err(Refusal::Fenced { .. })));
    assert_eq!(bench.submit(claim("a")), Ok(Outcome::Claimed { generation: 1 }));
    let taken = Refusal::AlreadyClaimed { holder: "a".into(), generation: 1 };
    assert_eq!(bench.submit(claim("b")), Err(taken));
    bench.submit(Command::ReleaseWake { subscription: id(1), generation: 1 }).expect("released");
    assert_eq!((bench.found(1).generation, &bench.found(1).wake), (2, &Some(Wake::Issued)));
    assert_eq!(bench.submit(claim("b")), Ok(Outcome::Claimed { generation: 2 }));
    bench.submit(Command::ExpireWake { subscription: id(1), generation: 2 }).expect("expired");
    assert!(matches!(bench.ack(1, 2, &[], true), Err(Refusal::Fenced { given: 2, current: 3 })));
    assert_eq!(bench.submit(claim("c")), Ok(Outcome::Claimed { generation: 3 }));
    bench.submit(Command::ExpireWake { subscription: id(1), generation: 2 }).expect("heard");
    assert_eq!(bench.found(1).wake, Some(Wake::Claimed { worker: "c".into() }), "an old lease ends nothing");
}

#[test]
fn a_failed_delivery_is_tried_again_when_it_was_said() {
    let mut bench = Bench::default();
    bench.session(1);
    bench.subscribe(1, webhook(), None, &[1]);
    bench.grow(1);
    let due = |bench: &Bench| bench.world.subscriptions().due().map(|(at, _)| at.0).collect::<Vec<_>>();
    assert_eq!(due(&bench), [0], "at once");
    let failed = |at: u64| Some((Timestamp(at), "connection refused".to_owned()));
    let note = |generation, failed| Command::NoteDelivery { subscription: id(1), generation, failed };
    bench.submit(note(1, failed(9_000))).expect("noted");
    assert_eq!(due(&bench), [9_000]);
    bench.now = Timestamp(5_000);
    bench.submit(Command::ExpireWake { subscription: id(1), generation: 1 }).expect("expired");
    assert_eq!((&bench.found(1).wake, due(&bench)), (&None, vec![9_000]), "a lease that ends does not hurry it");
    bench.grow(1);
    assert_eq!(bench.found(1).wake, None, "nor does news");
    bench.submit(Command::RetryWake { subscription: id(1) }).expect("too early");
    assert_eq!(bench.found(1).wake, None);
    bench.now = Timestamp(9_000);
    bench.submit(Command::RetryWake { subscription: id(1) }).expect("in time");
    assert_eq!((bench.found(1).generation, bench.found(1).retry.map(|retry| retry.attempts)), (2, Some(1)));
    bench.submit(note(1, failed(99_000))).expect("of the earlier wake");
    assert_eq!(due(&bench), [9_000]);
    bench.submit(note(2, None)).expect("delivered");
    assert_eq!((due(&bench), bench.found(1).retry), (vec![], None));
}

#[test]
fn a_receiver_that_never_acks_is_woken_ever_more_rarely() {
    let mut bench = Bench::default();
    bench.session(1);
    bench.subscribe(1, webhook(), None, &[1]);
    bench.grow(1);
    let mut waits = Vec::new();
    for _ in 0..9 {
        let generation = bench.found(1).generation;
        bench.submit(Command::NoteDelivery { subscription: id(1), generation, failed: None }).expect("delivered");
        bench.submit(Command::ExpireWake { subscription: id(1), generation }).expect("expired");
        let at = bench.found(1).retry.map_or(bench.now, |retry| retry.at);
        waits.push(at.since_ms(bench.now));
        bench.now = at;
        bench.submit(Command::RetryWake { subscription: id(1) }).expect("woken");
    }
    assert_eq!(waits, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
}

#[test]
fn attempts_without_end_are_given_up_until_there_is_news() {
    let mut bench = Bench::default();
    bench.session(1);
    bench.subscribe(1, webhook(), None, &[1]);
    bench.grow(1);
    for _ in 0..limits::WEBHOOK_ATTEMPTS_MAX {
        let failed = Some((bench.now, "status 500".to_owned()));
        bench.submit(Command::NoteDelivery { subscription: id(1), generation: 1, failed }).expect("noted");
    }
    assert_eq!((&bench.found(1).wake, bench.ends()), (&None, vec![WakeEnd::GivenUp]));
    assert_eq!(bench.world.subscriptions().due().count(), 0);
    bench.grow(1);
    assert_eq!(bench.found(1).generation, 2);
}

#[test]
fn links_have_two_titles_and_the_cursor_outlives_either() {
    let mut bench = Bench::default();
    bench.session(1);
    bench.subscribe(1, webhook(), Some("sessions/*"), &[1, 7]);
    bench.grow(1);
    bench.ack(1, 1, &[(1, 2)], true).expect("acked");
    let unlink = |n| Command::UnlinkStream { subscription: id(1), path: path(n) };
    bench.submit(unlink(1)).expect("unlinked");
    let link = bench.found(1).links[&path(1)].clone();
    assert_eq!((link.explicit, link.glob, link.acked), (false, true, 2));
    assert_eq!(bench.submit(unlink(1)), Ok(Outcome::Unchanged));
    bench.submit(Command::LinkStreams { subscription: id(1), streams: vec![path(1)] }).expect("linked");
    assert_eq!(bench.found(1).links[&path(1)].acked, 2, "linked again, not read again");
    assert_eq!(bench.found(1).links[&path(7)].feed, None, "what is not there yet is waited for");
    bench.session(7);
    assert_eq!(bench.found(1).generation, 2);
    bench.subscribe(2, webhook(), None, &[1]);
    bench.submit(Command::UnlinkStream { subscription: id(2), path: path(1) }).expect("unlinked");
    bench.grow(1);
    assert_eq!((bench.found(2).generation, bench.found(2).links.len()), (0, 0));
}

#[test]
fn the_same_wish_is_confirmed_and_another_one_refused() {
    let mut bench = Bench::default();
    let first = bench.subscribe(1, webhook(), Some("**"), &[]);
    assert_eq!(first, Outcome::Subscription { subscription: id(1), created: true });
    let mut again = created(9, webhook(), Some("**"));
    (again.name, again.fingerprint) = (created(1, webhook(), None).name, Fingerprint([1; 16]));
    let key = Actor::Key(KeyId::from_uuid(Uuid::from_u128(4)));
    let outcome = bench.submit_as(key, Command::CreateSubscription { created: again.clone(), streams: vec![] });
    assert_eq!(outcome, Ok(Outcome::Subscription { subscription: id(1), created: false }));
    assert_eq!(bench.found(1).maker, key, "deliveries rest on the latest credential");
    again.fingerprint = Fingerprint([2; 16]);
    let differs = bench.submit(Command::CreateSubscription { created: again.clone(), streams: vec![] });
    assert!(matches!(differs, Err(Refusal::SubscriptionDiffers { .. })));
    again.owner = owner(2);
    assert!(
        bench.submit(Command::CreateSubscription { created: again, streams: vec![] }).is_ok(),
        "names are one's own"
    );
    bench.session(1);
    assert!(bench.world.subscriptions().get(id(9)).is_some_and(|found| found.links.is_empty()), "nor others' streams");
    bench.submit(Command::DeleteSubscription { subscription: id(1) }).expect("deleted");
    assert!(matches!(bench.ack(1, 1, &[], true), Err(Refusal::NoSubscription(_))));
}

/// Anything that can be asked of two subscriptions over three sessions.
fn steps() -> impl Strategy<Value = (u64, u8, u8, u8, u8, u64)> {
    (0_u64..3_000, 0_u8..14, 1_u8..3, 1_u8..4, 0_u8..4, 0_u64..12)
}

fn step(bench: &mut Bench, (later, which, n, s, back, offset): (u64, u8, u8, u8, u8, u64)) {
    bench.now = bench.now.plus_ms(later);
    let current = bench.world.subscriptions().get(id(n)).map_or(0, |found| found.generation);
    let (subscription, generation) = (id(n), current.saturating_sub(u64::from(back / 2)));
    let acks = vec![Acked { path: path(s), position: offset }];
    let command = match which {
        0..=2 => return bench.grow(s),
        3 => Command::ClaimWake { subscription, worker: format!("worker-{s}") },
        4 | 5 => Command::AckWake { subscription, generation, acks, done: back == 0 },
        6 => Command::AckWake { subscription, generation, acks: vec![], done: true },
        7 => Command::ReleaseWake { subscription, generation },
        8 => Command::ExpireWake { subscription, generation },
        9 => {
            let failed = (s == 1).then(|| (bench.now.plus_ms(offset * 500), "no".to_owned()));
            Command::NoteDelivery { subscription, generation, failed }
        }
        10 => Command::RetryWake { subscription },
        11 => Command::LinkStreams { subscription, streams: vec![path(s)] },
        12 => Command::UnlinkStream { subscription, path: path(s) },
        _ => return,
    };
    let _refused = bench.submit(command);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_generation_has_one_holder_and_cursors_never_go_back(steps in prop::collection::vec(steps(), 1..150)) {
        let mut bench = Bench::default();
        bench.session(1);
        bench.session(2);
        bench.subscribe(1, pulled(), Some("sessions/*"), &[]);
        bench.subscribe(2, webhook(), Some("sessions/*"), &[1]);
        bench.session(3);
        let mut cursors: BTreeMap<(u8, StreamPath), u64> = BTreeMap::new();
        for one in steps {
            step(&mut bench, one);
            for n in [1, 2] {
                let found = bench.found(n);
                for (path, link) in &found.links {
                    let before = cursors.insert((n, path.clone()), link.acked).unwrap_or_default();
                    prop_assert!(before <= link.acked, "{path} went back from {before} to {}", link.acked);
                }
                let waits = found.wake.is_some() || found.retry.is_some();
                prop_assert!(waits || found.pending(&bench.world).is_none(), "news that nobody is told of");
            }
        }
        let mut holders = HashSet::new();
        let mut generations: HashMap<SubscriptionId, u64> = HashMap::new();
        for record in &bench.log {
            match &record.event {
                Event::WakeClaimed { subscription, generation, .. } => {
                    prop_assert!(holders.insert((*subscription, *generation)), "two held generation {generation}");
                }
                Event::SubscriptionWoken { subscription, generation, .. } => {
                    let before = generations.insert(*subscription, *generation).unwrap_or_default();
                    prop_assert_eq!(before + 1, *generation, "generations are dense");
                }
                _ => {}
            }
        }
        let mut replayed = World::default();
        for record in &bench.log {
            apply(&mut replayed, record);
        }
        prop_assert_eq!(&replayed, &bench.world);
    }
}

//! User streams against a simple model, any commands in any order; and single histories that people saw go wrong
//! elsewhere.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{
    Actor, Command, Context, Outcome, Position, Record, Refusal, Stream, World, apply, command,
    decide::decide as decide_command,
};

/// A writer in the small.
#[derive(Default)]
struct Bench {
    world: World,
    log: Vec<Record>,
    tails: HashMap<Stream, Sequence>,
    now: Timestamp,
    ids: u128,
}

impl Bench {
    fn submit(&mut self, command: Command) -> Result<Outcome, Refusal> {
        let known = HashMap::new();
        let context = Context { now: self.now, actor: Actor::Anonymous, known: &known };
        let decided = decide_command(&self.world, &context, command)?;
        for draft in decided.drafts {
            let tail = self.tails.entry(draft.stream).or_default();
            *tail = tail.next();
            let record = Record {
                position: Position(self.log.len() as u64 + 1),
                stream: draft.stream,
                sequence: *tail,
                at: self.now,
                actor: Actor::Anonymous,
                key: None,
                event: draft.event,
                payload: draft.payload,
            };
            apply(&mut self.world, &record);
            self.log.push(record);
        }
        Ok(decided.outcome)
    }

    fn fresh(&mut self) -> UserStreamId {
        self.ids += 1;
        UserStreamId::from_uuid(Uuid::from_u128(self.ids))
    }

    fn named(&self, name: u8) -> Option<&UserStream> {
        self.world.user_streams().named(owner(), &name_of(name))
    }

    fn create(&mut self, name: u8, change: impl FnOnce(&mut NewUserStream)) -> Result<Outcome, Refusal> {
        let mut new = NewUserStream {
            stream: self.fresh(),
            owner: owner(),
            name: name_of(name).into(),
            content_type: Some("text/plain".into()),
            lifetime: None,
            closed: false,
            fork: None,
            content: Bytes::new(),
        };
        change(&mut new);
        self.submit(Command::CreateUserStream(new))
    }

    fn append(&mut self, name: u8, change: impl FnOnce(&mut UserAppend)) -> Result<Appended, Refusal> {
        let stream = self.named(name).map_or(UserStreamId::from_uuid(Uuid::nil()), |found| found.id);
        let mut append = UserAppend {
            stream,
            payload: Bytes::from_static(b"x"),
            type_matches: true,
            producer: None,
            stream_seq: None,
            closes: false,
        };
        change(&mut append);
        match self.submit(Command::AppendUserStream(append))? {
            Outcome::Appended(appended) => Ok(appended),
            other => panic!("{other:?}"),
        }
    }

    /// What a reader of a stream gets, by walking its runs.
    fn read(&self, id: UserStreamId) -> Vec<Bytes> {
        let all = self.world.user_streams();
        let tail = all.get(id).expect("there").tail();
        let mut read = Vec::new();
        for run in all.segments(id).into_iter().rev() {
            for position in run.after + 1..=run.through.min(tail) {
                let sequence = run.sequence(position);
                let record = self.log.iter().find(|r| r.stream == Stream::User(run.stream) && r.sequence == sequence);
                let record = record.expect("every position has its record");
                assert!(matches!(record.event, Event::UserAppended(_)), "position {position} holds no data");
                assert_eq!(run.position(sequence), position);
                read.push(record.payload.clone());
            }
        }
        read
    }

    /// What start-up makes of the log: facts, and the ends of streams.
    fn restarted(&self) -> World {
        let mut world = World::default();
        for record in self.log.iter().filter(|record| record.event.shapes_world()) {
            let bare = Record { payload: Bytes::new(), ..record.clone() };
            apply(&mut world, &bare);
        }
        for (stream, tail) in &self.tails {
            let at = self.log.iter().rev().find(|record| record.stream == *stream).map_or(self.now, |last| last.at);
            world.observe_tail(*stream, *tail, at);
        }
        world
    }
}

fn owner() -> OwnerId {
    OwnerId::from_uuid(Uuid::from_u128(7))
}

fn name_of(n: u8) -> String {
    format!("stream/{n}")
}

fn stamp(id: u8, epoch: u64, seq: u64) -> ProducerStamp {
    ProducerStamp { id: format!("producer-{id}").into(), epoch, seq }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Refusal>) -> StreamRefusal {
    match result {
        Err(Refusal::Stream(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// What a stream is to somebody who knows only the protocol.
#[derive(Debug, Clone, Default)]
struct Model {
    data: Vec<Bytes>,
    producers: BTreeMap<u8, (u64, u64)>,
    closed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Create { name: u8, content: bool, closed: bool },
    Fork { name: u8, source: u8, back: u64 },
    Append { name: u8, producer: Option<(u8, u64, u64)>, body: u8, closes: bool },
    Close { name: u8 },
    Delete { name: u8 },
    Forget,
}

fn steps() -> impl Strategy<Value = Step> {
    let name = 0_u8..4;
    prop_oneof![
        2 => (name.clone(), any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(name, content, closed)| Step::Create { name, content, closed }),
        2 => (name.clone(), name.clone(), 0_u64..3).prop_map(|(name, source, back)| Step::Fork { name, source, back }),
        8 => (name.clone(), prop::option::of((0_u8..2, 0_u64..2, 0_u64..4)), any::<u8>(), prop::bool::weighted(0.05))
            .prop_map(|(name, producer, body, closes)| Step::Append { name, producer, body, closes }),
        1 => name.clone().prop_map(|name| Step::Close { name }),
        1 => name.prop_map(|name| Step::Delete { name }),
        1 => Just(Step::Forget),
    ]
}

/// Takes a step in both, and sees that they agree.
fn take(bench: &mut Bench, models: &mut HashMap<UserStreamId, Model>, step: Step) {
    match step {
        Step::Create { name, content, closed } => {
            let was_there = bench.named(name).is_some();
            let bytes = if content { Bytes::from_static(b"first") } else { Bytes::new() };
            let content = bytes.clone();
            if let Ok(Outcome::UserStream { stream, created: true, tail, .. }) = bench.create(name, |new| {
                new.closed = closed;
                new.content = content;
            }) {
                assert!(!was_there);
                let data: Vec<Bytes> = Some(bytes).filter(|bytes| !bytes.is_empty()).into_iter().collect();
                assert_eq!(tail, data.len() as u64);
                models.insert(stream, Model { data, closed, ..Model::default() });
            }
        }
        Step::Fork { name, source, back } => {
            let Some((source, tail)) = bench.named(source).map(|found| (found.id, found.tail())) else { return };
            let position = tail.saturating_sub(back);
            let fork = NewFork { source, position: Some(position), part: 0, prefix: Bytes::new() };
            let made = bench.create(name, |new| new.fork = Some(fork));
            if let Ok(Outcome::UserStream { stream, created: true, tail, .. }) = made {
                assert_eq!(tail, position, "a fork begins where it parts");
                let data = models[&source].data.iter().take(usize::try_from(position).expect("small")).cloned();
                models.insert(stream, Model { data: data.collect(), ..Model::default() });
            }
        }
        Step::Append { name, producer, body, closes } => {
            let Some(id) = bench.named(name).filter(|found| found.is_live()).map(|found| found.id) else { return };
            let model = models.get_mut(&id).expect("known");
            let payload = Bytes::from(vec![body]);
            let before = model.producers.clone();
            let known = producer.is_some_and(|(who, epoch, seq)| {
                before.get(&who).is_some_and(|(has, last)| epoch == *has && seq <= *last)
            });
            let written = payload.clone();
            let outcome = bench.append(name, |append| {
                append.payload = written;
                append.producer = producer.map(|(who, epoch, seq)| stamp(who, epoch, seq));
                append.closes = closes;
            });
            let Ok(done) = outcome else {
                return assert!(!known, "what was accepted once is accepted again: {outcome:?}");
            };
            assert_eq!(done.known, known, "a repetition is recognised, and nothing else is one");
            if !known {
                assert!(!model.closed, "a closed stream takes nothing");
                model.data.push(payload);
                model.closed |= closes;
                if let Some((who, epoch, seq)) = producer {
                    let expected = match before.get(&who) {
                        Some((has, last)) if *has == epoch => last + 1,
                        _ => 0,
                    };
                    assert_eq!(seq, expected, "a producer's appends are in order");
                    model.producers.insert(who, (epoch, seq));
                }
            }
            assert_eq!(done.tail, model.data.len() as u64, "positions are dense");
        }
        Step::Close { name } => {
            let Some(id) = bench.named(name).filter(|found| found.is_live()).map(|found| found.id) else { return };
            let closed = bench.append(name, |append| {
                append.payload = Bytes::new();
                append.closes = true;
            });
            if let Ok(done) = closed {
                let model = models.get_mut(&id).expect("known");
                assert_eq!(done.known, model.closed);
                assert_eq!(done.tail, model.data.len() as u64, "closing moves nothing");
                model.closed = true;
            }
        }
        Step::Delete { name } => {
            if let Some(stream) = bench.named(name).map(|found| found.id) {
                let _refused = bench.submit(Command::DeleteUserStream { stream });
            }
        }
        Step::Forget => {
            let garbage: Vec<_> = bench.world.user_streams().garbage().collect();
            for stream in garbage {
                bench.submit(Command::ForgetUserStream { stream }).expect("is due");
                assert!(bench.world.user_streams().get(stream).is_none());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_of_streams_reads_as_the_model_says_and_survives_a_restart(
        steps in prop::collection::vec(steps(), 1..120),
    ) {
        let mut bench = Bench::default();
        let mut models = HashMap::new();
        for step in steps {
            bench.now = bench.now.plus_ms(1);
            take(&mut bench, &mut models, step);
        }
        let mut forks: HashMap<UserStreamId, u32> = HashMap::new();
        for stream in bench.world.user_streams().iter() {
            let garbage: Vec<_> = bench.world.user_streams().garbage().collect();
            if let Some(fork) = stream.fork.filter(|_| !garbage.contains(&stream.id)) {
                *forks.entry(fork.source).or_default() += 1;
            }
        }
        for stream in bench.world.user_streams().iter() {
            prop_assert_eq!(stream.forks, forks.get(&stream.id).copied().unwrap_or_default(), "forks are counted");
            if stream.is_live() {
                let model = &models[&stream.id];
                prop_assert_eq!(&bench.read(stream.id), &model.data);
                prop_assert_eq!(stream.closed.is_some(), model.closed);
                let named = bench.world.user_streams().named(stream.owner, &stream.name);
                prop_assert_eq!(named.map(|named| named.id), Some(stream.id), "whoever is there is found by name");
                prop_assert!(bench.world.user_streams().garbage().all(|garbage| garbage != stream.id));
            }
        }
        prop_assert_eq!(&bench.restarted(), &bench.world, "what start-up reads is enough");
    }
}

#[test]
fn what_was_accepted_stays_accepted_after_the_stream_was_closed() {
    let mut bench = Bench::default();
    bench.create(0, |_| ()).expect("new");
    let first = stamp(1, 0, 0);
    let write = |bench: &mut Bench, stamp: ProducerStamp| bench.append(0, |append| append.producer = Some(stamp));
    assert!(!write(&mut bench, first.clone()).expect("taken").known);
    bench
        .append(0, |append| {
            append.payload = Bytes::new();
            append.closes = true;
        })
        .expect("closed");
    let again = write(&mut bench, first).expect("known");
    assert!(again.known && again.closed);
    assert_eq!(refusal(write(&mut bench, stamp(1, 0, 1))), StreamRefusal::Closed { tail: 1 });
}

#[test]
fn an_older_epoch_is_fenced_off_and_a_gap_is_named() {
    let mut bench = Bench::default();
    bench.create(0, |_| ()).expect("new");
    let mut write = |epoch, seq| bench.append(0, |append| append.producer = Some(stamp(1, epoch, seq)));
    assert_eq!(refusal(write(0, 1)), StreamRefusal::ProducerGap { expected: 0, received: 1 });
    write(0, 0).expect("first");
    assert_eq!(refusal(write(0, 2)), StreamRefusal::ProducerGap { expected: 1, received: 2 });
    assert_eq!(refusal(write(1, 1)), StreamRefusal::EpochStart);
    write(1, 0).expect("a new epoch");
    assert_eq!(refusal(write(0, 1)), StreamRefusal::StaleEpoch { current: 1 });
}

#[test]
fn a_deleted_stream_goes_when_its_last_fork_does_however_long_the_chain() {
    let mut bench = Bench::default();
    bench.create(0, |new| new.content = Bytes::from_static(b"a")).expect("new");
    for name in 1..4 {
        let source = bench.named(name - 1).expect("there").id;
        let fork = NewFork { source, position: None, part: 0, prefix: Bytes::new() };
        bench.create(name, |new| new.fork = Some(fork)).expect("new");
    }
    let ids: Vec<_> = (0..4).map(|name| bench.named(name).expect("there").id).collect();
    for stream in &ids[..3] {
        bench.submit(Command::DeleteUserStream { stream: *stream }).expect("deleted");
        assert_eq!(refusal(bench.submit(Command::DeleteUserStream { stream: *stream })), StreamRefusal::Gone(*stream));
    }
    assert_eq!(bench.read(ids[3]), [Bytes::from_static(b"a")], "forks read on");
    assert_eq!(refusal(bench.create(1, |_| ())), StreamRefusal::NameTaken);
    bench.submit(Command::DeleteUserStream { stream: ids[3] }).expect("deleted");
    assert_eq!(bench.world.user_streams().garbage().collect::<Vec<_>>(), ids);
    assert!((0..4).all(|name| bench.named(name).is_none()), "all names are free");
    assert_eq!(refusal(bench.submit(Command::DeleteUserStream { stream: ids[0] })), StreamRefusal::Absent(ids[0]));
}

#[test]
fn a_stream_ends_when_nobody_used_it_for_its_time_and_not_before() {
    let mut bench = Bench { now: Timestamp(1_000), ..Bench::default() };
    bench.create(0, |new| new.lifetime = Some(Lifetime::Sliding { seconds: 2 })).expect("new");
    let stream = bench.named(0).expect("there").id;
    let expire = |bench: &mut Bench, now, used_at| {
        bench.now = Timestamp(now);
        bench.submit(Command::ExpireUserStream { stream, used_at: Timestamp(used_at) }).expect("answered")
    };
    assert_eq!(expire(&mut bench, 2_999, 0), Outcome::Unchanged);
    assert_eq!(expire(&mut bench, 3_500, 2_000), Outcome::Unchanged, "it was read");
    bench.append(0, |_| ()).expect("written at 3,500");
    assert_eq!(expire(&mut bench, 5_499, 2_000), Outcome::Unchanged, "it was written");
    assert_eq!(expire(&mut bench, 5_500, 2_000), Outcome::Done);
    assert!(bench.named(0).is_none());
}

#[test]
fn creating_the_same_again_changes_nothing_and_creating_another_is_refused() {
    let mut bench = Bench::default();
    let first = bench.create(0, |_| ()).expect("new");
    let Outcome::UserStream { stream, created: true, .. } = first else { panic!("{first:?}") };
    let again = bench.create(0, |new| new.content_type = Some("TEXT/plain; charset=utf-8".into())).expect("the same");
    assert_eq!(again, Outcome::UserStream { stream, created: false, tail: 0, closed: false });
    assert_eq!(refusal(bench.create(0, |new| new.closed = true)), StreamRefusal::Exists);
    assert_eq!(
        refusal(bench.create(0, |new| new.lifetime = Some(Lifetime::Sliding { seconds: 1 }))),
        StreamRefusal::Exists
    );
    bench.submit(Command::DeleteUserStream { stream }).expect("deleted");
    let next = bench.create(0, |_| ()).expect("new");
    assert!(matches!(next, Outcome::UserStream { stream: other, created: true, .. } if other != stream));
}

#[test]
fn a_producer_that_may_still_repeat_itself_is_not_forgotten_for_a_new_one() {
    let mut bench = Bench::default();
    bench.create(0, |_| ()).expect("new");
    let write = |bench: &mut Bench, id: usize| {
        let producer = ProducerStamp { id: Arc::from(id.to_string()), epoch: 0, seq: 0 };
        bench.append(0, |append| append.producer = Some(producer))
    };
    for id in 0..limits::PRODUCERS_PER_STREAM_MAX {
        write(&mut bench, id).expect("room");
    }
    assert!(matches!(write(&mut bench, 999_999), Err(command::Refusal::Full { .. })));
    bench.now = bench.now.plus_ms(limits::PRODUCER_QUIET_MS);
    write(&mut bench, 999_999).expect("the stalest made room");
    assert!(write(&mut bench, 5).is_ok_and(|done| done.known), "only one did");
    assert_eq!(bench.restarted(), bench.world);
}

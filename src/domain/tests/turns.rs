//! What a session is seen to do while a turn runs, as a table: each line is one thing that the worker sends, in orders
//! that real workers were seen to use, and the status that everybody sees after it.

use super::*;

/// One thing that reaches us.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Somebody writes to the agent.
    Post(u8),
    /// "processed" of this prompt: a terminal reports it when it has read the frame.
    Processed(u8),
    /// One batch of messages.
    Batch(&'static [Part]),
}

/// A message in a batch.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The prompt comes back.
    Echo(u8),
    /// A slash command comes back: it begins no turn that a result would end.
    Slash(u8),
    Assistant(u8),
    Result(u8),
}

use Part::{Assistant, Echo, Result as Over, Slash};
use Status::{Idle, Working};
use Step::{Batch, Post, Processed};

type Story = &'static [(Step, Status)];

/// Messages of the worker's own have numbers from 100 on.
const STORIES: &[(&str, Story)] = &[
    (
        "a terminal reports before it echoes",
        &[
            (Post(1), Idle),
            (Processed(1), Idle),
            (Batch(&[Echo(1)]), Working),
            (Batch(&[Over(100), Assistant(101)]), Idle),
        ],
    ),
    (
        "a terminal echoes before it reports",
        &[(Post(1), Idle), (Batch(&[Echo(1)]), Working), (Processed(1), Working), (Batch(&[Over(100)]), Idle)],
    ),
    (
        "a child that reports nothing",
        &[(Post(1), Idle), (Batch(&[Echo(1), Assistant(100)]), Working), (Batch(&[Over(101)]), Idle)],
    ),
    (
        "a slash command is processed, and nothing is under way",
        &[(Post(1), Idle), (Processed(1), Idle), (Batch(&[Slash(1), Assistant(100)]), Idle)],
    ),
    (
        "a slash command that ends with a result before it is echoed",
        &[(Post(1), Idle), (Processed(1), Idle), (Batch(&[Over(100)]), Idle), (Batch(&[Slash(1)]), Idle)],
    ),
    (
        "a turn so short that its result overtakes the echo",
        &[
            (Post(1), Idle),
            (Processed(1), Idle),
            (Batch(&[Over(100)]), Idle),
            (Batch(&[Echo(1), Assistant(101)]), Idle),
        ],
    ),
    (
        "the same in one batch",
        &[(Post(1), Idle), (Processed(1), Idle), (Batch(&[Over(100), Echo(1), Assistant(101)]), Idle)],
    ),
    (
        "a whole turn in one batch",
        &[(Post(1), Idle), (Processed(1), Idle), (Batch(&[Echo(1), Assistant(100), Over(101)]), Idle)],
    ),
    (
        "an echo that is repeated when the turn is over",
        &[
            (Post(1), Idle),
            (Processed(1), Idle),
            (Batch(&[Echo(1)]), Working),
            (Batch(&[Over(100)]), Idle),
            (Batch(&[Echo(1)]), Idle),
            (Batch(&[Echo(1), Over(100), Assistant(101)]), Idle),
        ],
    ),
    (
        "a second prompt, sent and reported during the turn of the first",
        &[
            (Post(1), Idle),
            (Processed(1), Idle),
            (Batch(&[Echo(1)]), Working),
            (Post(2), Working),
            (Processed(2), Working),
            (Batch(&[Over(100)]), Idle),
            (Batch(&[Echo(2)]), Working),
            (Batch(&[Over(101)]), Idle),
        ],
    ),
    (
        "the end of one turn and the beginning of the next in one batch",
        &[
            (Post(1), Idle),
            (Processed(1), Idle),
            (Batch(&[Echo(1)]), Working),
            (Post(2), Working),
            (Processed(2), Working),
            (Batch(&[Over(100), Assistant(101), Echo(2)]), Working),
            (Batch(&[Over(102)]), Idle),
        ],
    ),
    (
        "two prompts joined into one turn",
        &[
            (Post(1), Idle),
            (Post(2), Idle),
            (Processed(1), Idle),
            (Processed(2), Idle),
            (Batch(&[Echo(1), Echo(2)]), Working),
            (Batch(&[Over(100)]), Idle),
        ],
    ),
];

fn incoming(part: Part) -> Incoming {
    match part {
        Echo(n) => said(n, MessageKind::User, Some(Working)),
        Slash(n) => said(n, MessageKind::User, None),
        Assistant(n) => said(n, MessageKind::Assistant, None),
        Over(n) => said(n, MessageKind::Result, Some(Idle)),
    }
}

fn command(step: Step) -> Command {
    let session = session(0);
    match step {
        Post(n) => Command::PostMessage { session, prompt: prompt(n), work: WorkId::from_uuid(Uuid::nil()) },
        Processed(n) => {
            let update = DeliveryUpdate { item: DeliveryRef::Message(message(n)), stage: DeliveryStage::Processed };
            Command::ReportDelivery { session, epoch: None, updates: vec![update] }
        }
        Batch(parts) => {
            Command::Receive { session, epoch: None, messages: parts.iter().copied().map(incoming).collect() }
        }
    }
}

#[test]
fn what_is_seen_of_a_turn_in_every_order_that_workers_use() {
    for (name, story) in STORIES {
        let mut bench = Bench::default();
        let created = Command::CreateSession {
            particulars: creation(0, 0, None),
            work: WorkId::from_uuid(Uuid::nil()),
            course: Vec::new(),
            prompt: None,
        };
        bench.submit(Actor::System, created).expect("new");
        for (index, (step, expected)) in story.iter().enumerate() {
            bench.submit(Actor::Worker(session(0)), command(*step)).expect("kept");
            let seen = bench.world.session(session(0)).expect("there").status();
            assert_eq!(seen, *expected, "{name}: after {step:?} (step {index})");
        }
        let found = bench.world.session(session(0)).expect("there");
        assert!(found.unechoed.is_empty() && found.outbox.is_empty(), "{name}: everything was settled");
        let rebuilt = bench.log.iter().fold(World::default(), |mut world, record| {
            apply(&mut world, record);
            world
        });
        assert_eq!(rebuilt, bench.world, "{name}: replay shows the same");
    }
}

#[test]
fn what_is_consumed_and_never_echoed_is_bounded() {
    let mut bench = Bench::default();
    let work = WorkId::from_uuid(Uuid::nil());
    let created = Command::CreateSession { particulars: creation(0, 0, None), work, course: Vec::new(), prompt: None };
    bench.submit(Actor::System, created).expect("new");
    for number in 0..=u8::try_from(limits::UNECHOED_MAX).expect("small") {
        for step in [Post(number), Processed(number)] {
            bench.submit(Actor::System, command(step)).expect("kept");
        }
    }
    let unechoed = &bench.world.session(session(0)).expect("there").unechoed;
    assert_eq!((unechoed.len(), unechoed.front()), (limits::UNECHOED_MAX, Some(&message(1))));
}

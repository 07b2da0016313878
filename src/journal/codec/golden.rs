//! Records as releases wrote them: `fixtures/journal/v<version>.txt` must read for ever.
//!
//! One line per record: its kind, its stored bytes, what a trim leaves of it, its digest. A new kind of event adds a
//! line (`RCS_GOLDEN=write` writes the file of the version at hand); a line that is there never changes.

use std::{fmt::Write, fs, path::PathBuf};

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::domain::{
    DeviceId, EnvironmentId, FileId, KeyId, MessageId, OwnerId, RequestId, SessionId, SubscriptionId, TargetId,
    UserStreamId, WorkId,
    command::{Outcome, WorkGrant},
    event::{
        Abilities, AgentReported, Control, DeviceSignedIn, EnvironmentRegistered, FileStored, Fingerprint, ForkPoint,
        KeyCreated, Lifetime, LoginLinkCreated, MessageKind, Offer, Offers, PermissionDecided, PermissionRequested,
        ProducerStamp, Role, Rule, SecretDigest, SessionCreated, Status, UserAppended, UserStreamClosed,
        UserStreamCreated, Verdict,
    },
    notify::{Sealed, TargetAdded, TargetEnd, TargetKind},
    subscription::{Acked, Delivery, Linked, StreamPath, SubscriptionCreated, WakeEnd},
};

const UUID: Uuid = Uuid::from_u128(0x0190_163d_8694_739b_8d8a_5b0e_7a5f_1c11);

fn owner() -> OwnerId {
    OwnerId::from_uuid(UUID)
}

fn request() -> RequestId {
    "toolu_01A09q90qw90lq917835lq9".parse().expect("is one")
}

fn about_keys_and_environments() -> Vec<Event> {
    let (key, environment, work) = (KeyId::from_uuid(UUID), EnvironmentId::from_uuid(UUID), WorkId::from_uuid(UUID));
    let session = SessionId::from_uuid(UUID);
    let registered = EnvironmentRegistered {
        environment,
        owner: owner(),
        machine_name: "böx".into(),
        directory: "/srv/work".into(),
        branch: Some("main".into()),
        git_repo_url: None,
        max_sessions: 4,
        worker_type: "claude_code".into(),
        group: None,
    };
    let grant = WorkGrant { work, session, queued_at: Timestamp(1_763_719_200_000), attempt: 2 };
    vec![
        Event::KeyCreated(KeyCreated {
            key,
            owner: owner(),
            name: "laptop".into(),
            role: Role::Member,
            digest: SecretDigest([0xab; 32]),
            expires_at: Some(Timestamp(1_863_719_200_000)),
            configured: true,
        }),
        Event::KeyRevoked { key },
        Event::KeyUsed { key },
        Event::CommandDone { fingerprint: Fingerprint([7; 16]), outcome: Outcome::Work { item: Some(grant) } },
        Event::EnvironmentRegistered(registered.clone()),
        Event::EnvironmentReattached(registered),
        Event::EnvironmentOnline { environment },
        Event::EnvironmentOffline { environment },
        Event::EnvironmentDeregistered { environment },
        Event::WorkQueued { environment, work, session },
        Event::WorkLeased { environment, work, attempt: 3 },
        Event::WorkAcked { environment, work },
        Event::WorkReturned { environment, work },
        Event::WorkDone { environment, work, wanted: true },
        Event::WorkParked { environment, work },
    ]
}

fn about_sessions() -> Vec<Event> {
    let (session, message) = (SessionId::from_uuid(UUID), MessageId::from_uuid(UUID));
    let control = Control::SetMaxThinkingTokens { max_thinking_tokens: Some(8_000) };
    vec![
        Event::SessionCreated(SessionCreated {
            session,
            owner: owner(),
            environment: Some(EnvironmentId::from_uuid(UUID)),
            title: Some("Fix the build".into()),
            source: "remote-control".into(),
            mode: None,
            model: Some("opus".into()),
            directory: None,
        }),
        Event::SessionRenamed { session, title: "Build".into() },
        Event::SessionArchived { session },
        Event::WorkerAttached { session, epoch: 5 },
        Event::WorkerOnline { session },
        Event::WorkerOffline { session },
        Event::StatusChanged { session, status: Status::Working },
        Event::MetadataPatched { session },
        Event::ModeConfirmed { session, mode: "plan".into() },
        Event::ModelConfirmed { session, model: "opus".into() },
        Event::MessageReceived { message: Some(message), kind: MessageKind::Assistant, ephemeral: false },
        Event::MessagePosted { session, message, fingerprint: Fingerprint([7; 16]) },
        Event::MessageDelivered { session, message },
        Event::MessageConsumed { session, message, reported: false },
        Event::MessageCancelled { session, message },
        Event::ControlRequested { session, request: request(), control },
        Event::ControlDelivered { session, request: request() },
        Event::ControlAnswered { session, request: request(), ok: true },
        Event::ControlDropped { session, request: request() },
    ]
}

/// What came with agents behind links. Behind the others: a line that is there never moves.
fn about_agents() -> Vec<Event> {
    let (environment, session) = (EnvironmentId::from_uuid(UUID), SessionId::from_uuid(UUID));
    let abilities = Abilities { load: true, resume: false, list: true, ..Abilities::default() };
    let registered = EnvironmentRegistered {
        environment,
        owner: owner(),
        machine_name: "node".into(),
        directory: String::new(),
        branch: None,
        git_repo_url: None,
        max_sessions: 1,
        worker_type: "acp".into(),
        group: Some("lab".into()),
    };
    vec![
        Event::EnvironmentRegistered(registered),
        Event::EnvironmentSucceeded { environment, by: environment },
        Event::AgentReported(AgentReported { environment, connected: true, fresh: true, abilities }),
        Event::AgentSwitching { environment },
        Event::SessionBound { session, foreign: "f2ebf6f0".into(), offers: Offers::default() },
        Event::TurnTorn { session },
        Event::TurnRetold { session, from: Sequence(4), through: Sequence(9), pieces: 0 },
    ]
}

/// What came when links could say by which words their agents are steered.
fn about_courses() -> Vec<Event> {
    let (environment, session) = (EnvironmentId::from_uuid(UUID), SessionId::from_uuid(UUID));
    let abilities = Abilities { set_mode: true, set_option: true, ..Abilities::default() };
    let modes = Offer { ids: vec!["ask".into(), "code".into()], option: None };
    let models = Offer { ids: vec!["small".into()], option: Some("model".into()) };
    let offers = Offers { modes: Some(modes), models: Some(models) };
    vec![
        Event::AgentReported(AgentReported { environment, connected: true, fresh: false, abilities }),
        Event::SessionBound { session, foreign: "f2ebf6f0".into(), offers },
        Event::TurnRetold { session, from: Sequence(4), through: Sequence(9), pieces: 3 },
    ]
}

fn about_permissions_and_files() -> Vec<Event> {
    let (session, file) = (SessionId::from_uuid(UUID), FileId::from_uuid(UUID));
    vec![
        Event::PermissionRequested(PermissionRequested {
            session,
            request: request(),
            tool: "Bash".into(),
            subject: Some("git status".into()),
            tool_use: Some("toolu_1".into()),
        }),
        Event::PermissionDecided(PermissionDecided {
            session,
            request: request(),
            verdict: Verdict::Deny,
            message: Some("not today".into()),
            fingerprint: Fingerprint([9; 16]),
            rule: Some("git".into()),
        }),
        Event::PermissionDelivered { session, request: request() },
        Event::PermissionCancelled { session, request: request() },
        Event::RuleAdded {
            session,
            rule: Rule { name: "git".into(), tool: "Bash".into(), subject: Some("git status".into()) },
        },
        Event::TranscriptAppended { session, message: None, compaction: true, agent: Some("a1".into()) },
        Event::FileStored(FileStored {
            file,
            owner: owner(),
            session: None,
            name: "a.png".into(),
            media_type: Some("image/png".into()),
            size_bytes: 70_000,
        }),
        Event::FileChunk { file },
        Event::Trimmed { through: Sequence(300) },
        Event::Superseded { from: Sequence(1), to: Sequence(70_000), by: Sequence(70_001) },
    ]
}

fn about_user_streams() -> Vec<Event> {
    let stream = UserStreamId::from_uuid(UUID);
    let producer = Some(ProducerStamp { id: "producer-1".into(), epoch: 3, seq: 70_000 });
    let created = |name: &str, lifetime, fork| {
        let (name, content_type) = (name.into(), "application/json".into());
        Event::UserStreamCreated(UserStreamCreated { stream, owner: owner(), name, content_type, lifetime, fork })
    };
    let fork = ForkPoint { source: stream, position: 300, part: 2 };
    vec![
        created("a/b", Lifetime::Forever, None),
        created("c", Lifetime::Sliding { seconds: 3_600 }, Some(fork)),
        created("d", Lifetime::Until { at: Timestamp(1_863_719_200_000) }, None),
        Event::UserAppended(UserAppended::default()),
        Event::UserAppended(UserAppended { producer: producer.clone(), stream_seq: Some("0042".into()), closes: true }),
        Event::UserStreamClosed(UserStreamClosed { producer, stream_seq: None }),
        Event::UserStreamDeleted { stream, expired: true },
        Event::UserStreamForgotten { stream },
    ]
}

fn about_subscriptions() -> Vec<Event> {
    let subscription = SubscriptionId::from_uuid(UUID);
    let generation = 70_000;
    let path = |text: &str| text.parse::<StreamPath>().expect("a path");
    let created = |delivery, pattern: Option<&str>| {
        Event::SubscriptionCreated(SubscriptionCreated {
            subscription,
            owner: owner(),
            name: "sub 1".parse().expect("a name"),
            delivery,
            pattern: pattern.map(|text| text.parse().expect("a pattern")),
            lease_ms: 30_000,
            description: pattern.map(Into::into),
            fingerprint: Fingerprint([9; 16]),
        })
    };
    let links = vec![
        Linked { path: path("a/b"), feed: None, explicit: true, glob: false, acked: 0 },
        Linked {
            path: path("c"),
            feed: Some(Stream::User(UserStreamId::from_uuid(UUID))),
            explicit: false,
            glob: true,
            acked: 300,
        },
    ];
    let end = |end, again_at| Event::WakeEnded { subscription, generation, end, again_at };
    let at = Timestamp(1_763_719_200_000);
    vec![
        created(Delivery::Webhook { url: "https://worker.example/hook".into() }, Some("a/*")),
        created(Delivery::PullWake { wake_stream: path("wake/pool") }, None),
        Event::SubscriptionAdopted { subscription },
        Event::SubscriptionDeleted { subscription },
        Event::StreamsLinked { subscription, links },
        Event::StreamUnlinked { subscription, path: path("a/b") },
        Event::StreamGone { subscription, path: path("a/b") },
        Event::SubscriptionWoken { subscription, generation, path: path("a/b") },
        Event::WakeDelivered { subscription, generation },
        Event::DeliveryFailed { subscription, generation, attempts: 3, retry_at: at, reason: "status 500".into() },
        Event::WakeClaimed { subscription, generation, worker: "worker-1".into() },
        Event::CursorsAcked { subscription, generation, acks: vec![Acked { path: path("c"), position: 301 }] },
        end(WakeEnd::Done, None),
        end(WakeEnd::Released, None),
        end(WakeEnd::Expired, Some(at)),
        end(WakeEnd::GivenUp, None),
        end(WakeEnd::Rested, None),
    ]
}

fn about_devices() -> Vec<Event> {
    let (key, device) = (KeyId::from_uuid(UUID), DeviceId::from_uuid(UUID));
    let digest = SecretDigest([0xcd; 32]);
    vec![
        Event::LoginLinkCreated(LoginLinkCreated { digest, key, expires_at: Timestamp(1_763_719_200_000) }),
        Event::DeviceSignedIn(DeviceSignedIn {
            device,
            key,
            name: "Safari, iPhone".into(),
            digest: SecretDigest([0xef; 32]),
            link: Some(digest),
        }),
        Event::DeviceUsed { device },
        Event::DeviceSignedOut { device },
    ]
}

/// What came with the list of sessions as people arrange it.
fn about_arrangement() -> Vec<Event> {
    let session = SessionId::from_uuid(UUID);
    vec![
        Event::SessionPinned { session, pinned: true },
        Event::SessionCreated(SessionCreated {
            session,
            owner: owner(),
            environment: None,
            title: None,
            source: "api".into(),
            mode: None,
            model: None,
            directory: Some("/srv/work/böx".into()),
        }),
    ]
}

fn about_targets() -> Vec<Event> {
    let (target, session, asked) = (TargetId::from_uuid(UUID), SessionId::from_uuid(UUID), Sequence(70_000));
    let added = |kind, device, settings| {
        Event::TargetAdded(TargetAdded {
            target,
            owner: owner(),
            key: KeyId::from_uuid(UUID),
            device,
            kind,
            name: "phone".into(),
            host: "push.example".into(),
            sealed: Sealed(vec![0xf0; 40].into()),
            fingerprint: Fingerprint([9; 16]),
            turns: settings,
            answers: settings,
            configured: settings,
        })
    };
    let ends = [TargetEnd::Removed, TargetEnd::Replaced, TargetEnd::Gone, TargetEnd::Revoked, TargetEnd::Unconfigured];
    let mut events = vec![
        added(TargetKind::WebPush, Some(DeviceId::from_uuid(UUID)), false),
        added(TargetKind::Webhook, None, true),
        added(TargetKind::Ntfy, None, true),
        Event::TargetChanged { target, turns: true },
        Event::TargetTold { target, session, asked },
        Event::TargetWithdrawn { target, session, asked },
        Event::TargetFailed { target, reason: "status 500".into() },
    ];
    events.extend(ends.map(|end| Event::TargetRemoved { target, end }));
    events
}

/// A record of every kind; streams, actors, keys and payloads take turns.
pub(super) fn records() -> Vec<Record> {
    let streams = [
        Stream::System,
        Stream::Ledger(owner()),
        Stream::Environment(EnvironmentId::from_uuid(UUID)),
        Stream::Session(SessionId::from_uuid(UUID)),
        Stream::Transcript(SessionId::from_uuid(UUID)),
        Stream::File(FileId::from_uuid(UUID)),
        Stream::User(UserStreamId::from_uuid(UUID)),
    ];
    let actors = [
        Actor::System,
        Actor::Key(KeyId::from_uuid(UUID)),
        Actor::Worker(SessionId::from_uuid(UUID)),
        Actor::Environment(EnvironmentId::from_uuid(UUID)),
    ];
    let events = [
        about_keys_and_environments(),
        about_sessions(),
        about_permissions_and_files(),
        about_user_streams(),
        about_subscriptions(),
        about_agents(),
        about_devices(),
        about_courses(),
        vec![Event::DeviceRenamed { device: DeviceId::from_uuid(UUID), name: "Kitchen tablet".into() }],
        about_arrangement(),
        about_targets(),
    ]
    .concat();
    let turn = |index: usize| Record {
        position: Position(index as u64 + 1),
        stream: streams[index % streams.len()],
        sequence: Sequence(1 << (index % 60)),
        at: Timestamp(1_763_719_200_000 + index as u64),
        actor: actors[index % actors.len()],
        key: (!index.is_multiple_of(3)).then_some(DedupeKey([u8::try_from(index).expect("small"); 16])),
        event: events[index].clone(),
        payload: if index.is_multiple_of(2) { Bytes::from_static(b"{\"text\":\"hi\"}") } else { Bytes::new() },
    };
    (0..events.len()).map(turn).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("strings take everything");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |start| u8::from_str_radix(&text[start..start + 2], 16).expect("hex digits");
    (0..text.len()).step_by(2).map(digits).collect()
}

fn file(version: u8) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/journal/v{version}.txt"))
}

fn write() {
    let lines = records().iter().fold(String::new(), |mut lines, record| {
        let bytes = encoded(record);
        let stored = Stored::parse(&bytes).expect("parses");
        let left = stored.forget().expect("was kept");
        let digest = hex(&stored.digest().0);
        writeln!(lines, "{} {} {} {digest}", record.event.kind(), hex(&bytes), hex(&left)).expect("strings take all");
        lines
    });
    fs::write(file(VERSION), lines).expect("writes");
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(record, &mut bytes).expect("encodes");
    bytes
}

#[test]
fn records_of_version_1_read_for_ever() {
    if std::env::var("RCS_GOLDEN").is_ok_and(|what| what == "write") {
        write();
    }
    let text = fs::read_to_string(file(1)).expect("is committed");
    let expected = records();
    assert_eq!(text.lines().count(), expected.len(), "a line for every kind");
    for (line, record) in text.lines().zip(expected) {
        let [kind, kept, left, digest] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert_eq!(kind, record.event.kind());
        let (kept, left) = (unhex(kept), unhex(left));
        let stored = Stored::parse(&kept).expect("parses");
        assert_eq!(stored.record(record.position).expect("reads").as_ref(), Some(&record));
        assert_eq!(hex(&stored.digest().0), digest, "{kind}");

        let stored = Stored::parse(&left).expect("parses");
        assert_eq!(stored.record(record.position).expect("reads"), None);
        assert_eq!(hex(&stored.digest().0), digest, "{kind}");
        let fact = stored.head().expect("reads").into_fact(record.position).expect("reads");
        assert_eq!(fact.is_some(), record.event.shapes_world());
        assert!(fact.is_none_or(|fact| fact.event == record.event && fact.key == record.key));
    }
}

#[test]
fn today_writes_what_is_committed() {
    // When this fails, the stored shape has changed: fields that are only added are fine (write the line anew if this
    // is no released version), everything else needs a new version.
    let text = fs::read_to_string(file(VERSION)).expect("is committed");
    for (line, record) in text.lines().zip(records()) {
        let kept = line.split(' ').nth(1).expect("has bytes");
        assert_eq!(kept, hex(&encoded(&record)), "{}", record.event.kind());
    }
}

#[test]
fn any_flipped_bit_changes_the_digest_or_cannot_be_read() {
    for record in records() {
        let bytes = encoded(&record);
        let left = Stored::parse(&bytes).expect("parses").forget().expect("was kept");
        for whole in [bytes, left] {
            let digest = Stored::parse(&whole).expect("parses").digest();
            for bit in 0..whole.len() * 8 {
                let mut damaged = whole.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                if let Ok(stored) = Stored::parse(&damaged) {
                    // Neither may panic, whatever they answer.
                    drop((stored.check(), stored.forget()));
                    assert_ne!(stored.digest(), digest, "bit {bit} of {}", record.event.kind());
                }
            }
        }
    }
}

#[test]
fn any_cut_is_noticed_and_nonsense_is_no_record() {
    for record in records() {
        let bytes = encoded(&record);
        let digest = Stored::parse(&bytes).expect("parses").digest();
        for length in 0..bytes.len() {
            let cut = Stored::parse(&bytes[..length]);
            assert!(cut.is_err() || cut.is_ok_and(|cut| cut.digest() != digest));
        }
    }
    // Maps in maps, deeper than any stack; a string said to take 4 GiB.
    let deep = [vec![0x81; 100_000], vec![0xc0]].concat();
    let long = [0xdb, 0xff, 0xff, 0xff, 0xff, b'x'].to_vec();
    for nonsense in [deep, long, vec![0xc1], Vec::new()] {
        let length = u32::try_from(nonsense.len()).expect("small").to_be_bytes();
        let bytes = [&[VERSION][..], &length, &nonsense].concat();
        assert!(Stored::parse(&bytes).expect("parses").check().is_err());
    }
}

#[test]
fn a_record_of_a_later_release_is_refused_by_its_version() {
    let mut bytes = encoded(&records()[0]);
    bytes[0] = VERSION + 1;
    let flaw = Stored::parse(&bytes).expect("parses").head().expect_err("is refused");
    assert_eq!(flaw.reason(), format!("unknown version {}", VERSION + 1));
}

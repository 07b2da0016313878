//! Where somebody is told: one address per browser, what was told is told once, and what nobody stands behind counts
//! for nothing.

use super::*;
use crate::domain::{
    event::{DeviceSignedIn, KeyCreated, Role},
    notify::{Sealed, TargetAdded, TargetEnd, TargetKind, TargetNews},
};

fn id(n: u128) -> TargetId {
    TargetId::from_uuid(Uuid::from_u128(n))
}

fn key(n: u8) -> KeyId {
    KeyId::from_uuid(Uuid::from_u128(u128::from(n)))
}

fn device(n: u8) -> DeviceId {
    DeviceId::from_uuid(Uuid::from_u128(u128::from(n)))
}

/// A key of owner 1, and two browsers that act for it.
fn bench() -> Bench {
    let mut bench = Bench::default();
    let created = KeyCreated {
        key: key(1),
        owner: owner(1),
        name: "laptop".into(),
        role: Role::Member,
        digest: SecretDigest([1; 32]),
        expires_at: None,
        configured: false,
    };
    let others = KeyCreated { key: key(9), owner: owner(9), digest: SecretDigest([9; 32]), ..created.clone() };
    bench.submit(Actor::System, Command::CreateKey(created)).expect("a key");
    bench.submit(Actor::System, Command::CreateKey(others)).expect("a key of somebody else");
    for n in [1, 2] {
        let digest = SecretDigest([n + 10; 32]);
        let signed_in = DeviceSignedIn { device: device(n), key: key(1), name: "phone".into(), digest, link: None };
        bench.submit(Actor::System, Command::SignIn(signed_in)).expect("signed in");
    }
    bench
}

fn target(n: u128, kind: TargetKind, of: Option<u8>, address: u8) -> TargetAdded {
    TargetAdded {
        target: id(n),
        owner: owner(1),
        key: key(1),
        device: of.map(device),
        kind,
        name: "phone".into(),
        host: "push.example".into(),
        sealed: Sealed(vec![address].into()),
        fingerprint: Fingerprint([address; 16]),
        turns: false,
        answers: false,
        configured: false,
    }
}

impl Bench {
    fn add(&mut self, added: TargetAdded) -> Result<Outcome, Refusal> {
        self.submit(Actor::Key(key(1)), Command::AddTarget(added))
    }

    fn targets(&self) -> Vec<TargetId> {
        self.world.targets().of(owner(1)).map(notify::Target::id).collect()
    }

    fn note(&mut self, news: TargetNews) -> Outcome {
        self.submit(Actor::System, Command::NoteTarget { target: id(1), news }).expect("noted")
    }
}

#[test]
fn a_browser_has_one_address_and_an_address_one_browser() {
    let mut bench = bench();
    let made = |n, created| Ok(Outcome::Target { target: id(n), created });
    assert_eq!(bench.add(target(1, TargetKind::WebPush, Some(1), 7)), made(1, true));
    assert_eq!(bench.add(target(2, TargetKind::WebPush, Some(1), 7)), made(1, false), "it is known");
    // The push service gave it another one.
    assert_eq!(bench.add(target(3, TargetKind::WebPush, Some(1), 8)), made(3, true));
    assert_eq!(bench.targets(), [id(3)]);
    // Somebody signed in anew in the same browser.
    assert_eq!(bench.add(target(4, TargetKind::WebPush, Some(2), 8)), made(4, true));
    assert_eq!(bench.targets(), [id(4)]);
    assert_eq!(bench.add(target(5, TargetKind::Webhook, Some(2), 8)), made(5, true), "another kind is another target");
    assert_eq!(bench.targets(), [id(4), id(5)]);
}

#[test]
fn a_browser_that_somebody_else_signed_in_with_tells_them_and_not_who_was_there_before() {
    let mut bench = bench();
    bench.add(target(1, TargetKind::WebPush, Some(1), 7)).expect("hers");
    bench.add(target(2, TargetKind::WebPush, Some(2), 8)).expect("of her other browser");
    let digest = SecretDigest([19; 32]);
    let signed_in = DeviceSignedIn { device: device(9), key: key(9), name: "phone".into(), digest, link: None };
    bench.submit(Actor::System, Command::SignIn(signed_in)).expect("signed in");
    let his = TargetAdded { owner: owner(9), key: key(9), ..target(3, TargetKind::WebPush, Some(9), 7) };
    assert_eq!(bench.add(his), Ok(Outcome::Target { target: id(3), created: true }));
    assert_eq!(bench.targets(), [id(2)], "what she would be told is no longer shown there");
    assert_eq!(bench.world.targets().of(owner(9)).map(notify::Target::id).collect::<Vec<_>>(), [id(3)]);
}

#[test]
fn what_was_told_is_told_once_and_forgotten_when_its_end_was_told() {
    let mut bench = bench();
    bench.add(target(1, TargetKind::WebPush, Some(1), 7)).expect("added");
    let (session, asked) = (session(1), Sequence(3));
    let (told, withdrawn) = (TargetNews::Told { session, asked }, TargetNews::Withdrawn { session, asked });
    let failed = TargetNews::Failed { reason: "status 500".into() };
    assert_eq!(bench.note(withdrawn.clone()), Outcome::Unchanged, "it never heard of it");
    assert_eq!(bench.note(failed.clone()), Outcome::Done);
    assert_eq!(bench.note(failed), Outcome::Unchanged, "that it fails is said once");
    assert_eq!(bench.note(told.clone()), Outcome::Done);
    assert_eq!(bench.note(told), Outcome::Unchanged);
    let found = bench.world.targets().get(id(1)).expect("there");
    assert!(found.knows(session, asked) && found.failing.is_none());
    assert_eq!(bench.note(withdrawn), Outcome::Done);
    assert_eq!(bench.world.targets().get(id(1)).expect("there").told().count(), 0);
    let mut again = World::default();
    bench.log.iter().for_each(|record| apply(&mut again, record));
    assert_eq!(again, bench.world);
}

#[test]
fn what_a_target_remembers_is_bounded() {
    let mut bench = bench();
    bench.add(target(1, TargetKind::WebPush, Some(1), 7)).expect("added");
    for asked in 1..=limits::TARGET_TOLD_MAX as u64 + 1 {
        bench.now = bench.now.plus_ms(1);
        bench.note(TargetNews::Told { session: session(1), asked: Sequence(asked) });
    }
    let found = bench.world.targets().get(id(1)).expect("there");
    assert_eq!(found.told().count(), limits::TARGET_TOLD_MAX);
    assert!(!found.knows(session(1), Sequence(1)) && found.knows(session(1), Sequence(2)));
}

#[test]
fn there_is_no_end_of_targets_but_those_that_nobody_hears_make_room() {
    let mut bench = bench();
    for n in 1..=limits::TARGETS_PER_OWNER_MAX as u128 {
        let address = u8::try_from(n).expect("small");
        bench.add(target(n, TargetKind::Webhook, Some(1), address)).expect("room");
    }
    let one_more = target(1_000, TargetKind::Webhook, Some(2), 200);
    assert!(matches!(bench.add(one_more.clone()), Err(Refusal::Full { .. })));
    bench.submit(Actor::System, Command::SignOut { devices: vec![device(1)] }).expect("out");
    bench.add(one_more).expect("room");
    bench.submit(Actor::System, Command::RevokeKey { key: key(1) }).expect("revoked");
    assert_eq!(bench.add(target(2_000, TargetKind::Webhook, None, 201)), Err(Refusal::NoKey(key(1))));
    let backed = bench.world.targets().iter().filter(|target| target.is_backed(&bench.world, bench.now));
    assert_eq!(backed.count(), 0, "nobody stands behind them");
}

#[test]
fn configured_targets_are_those_that_are_configured() {
    let mut bench = bench();
    let configured = |n, address| TargetAdded { configured: true, ..target(n, TargetKind::Ntfy, None, address) };
    let mut set = |wanted| bench.submit(Actor::System, Command::ConfigureTargets(wanted)).expect("set");
    assert_eq!(set(vec![configured(1, 1), configured(2, 2)]), Outcome::Done);
    assert_eq!(set(vec![configured(3, 2), configured(4, 1)]), Outcome::Unchanged, "the same under fresh ids");
    assert_eq!(set(vec![configured(5, 2)]), Outcome::Done);
    assert_eq!(set(vec![TargetAdded { answers: true, ..configured(6, 2) }]), Outcome::Done);
    bench.add(target(7, TargetKind::Ntfy, None, 9)).expect("by hand");
    bench.submit(Actor::System, Command::ConfigureTargets(Vec::new())).expect("none");
    assert_eq!(bench.targets(), [id(7)], "what was added by hand stays");
    let removed = Command::RemoveTarget { target: id(7), end: TargetEnd::Removed };
    assert_eq!(bench.submit(Actor::System, removed.clone()), Ok(Outcome::Done));
    assert_eq!(bench.submit(Actor::System, removed), Err(Refusal::NoTarget(id(7))));
}

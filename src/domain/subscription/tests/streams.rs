//! What becomes of streams that are followed, and of those that wakes are told in: made, forked, closed, deleted.

use super::*;

#[test]
fn a_wake_is_told_in_the_wake_stream_in_the_same_commit() {
    let mut bench = Bench::default();
    bench.subscribe(1, pulled(), Some("events/**"), &[]);
    bench.stream(1, "events/a/b", "x");
    assert_eq!(bench.told(2), Vec::<String>::new(), "nobody made the wake stream");
    bench.stream(2, "wake/pool", "");
    let first = r#"{"generation":1,"stream":"events/a/b","subscription_id":"sub-1","ts":0,"type":"wake"}"#;
    assert_eq!(bench.told(2), [first], "whoever looks there finds the wake that nobody could be told of");
    bench.submit(Command::ClaimWake { subscription: id(1), worker: "w".into() }).expect("claimed");
    bench.submit(Command::ReleaseWake { subscription: id(1), generation: 1 }).expect("released");
    assert_eq!(bench.told(2), [first, &first.replace(":1,", ":2,")]);
    let ack = Acked { path: "events/a/b".parse().expect("a path"), position: 1 };
    bench.submit(Command::ClaimWake { subscription: id(1), worker: "w".into() }).expect("claimed");
    let done = Command::AckWake { subscription: id(1), generation: 2, acks: vec![ack], done: true };
    assert_eq!(bench.submit(done), Ok(Outcome::Acked { next_wake: false }));
}

#[test]
fn a_subscription_never_follows_its_own_wake_stream() {
    let mut bench = Bench::default();
    bench.stream(2, "wake/pool", "");
    let own = vec!["wake/pool".parse().expect("a path")];
    let create = Command::CreateSubscription { created: created(1, pulled(), None), streams: own.clone() };
    assert_eq!(bench.submit(create), Err(Refusal::OwnWakeStream));
    bench.subscribe(1, pulled(), Some("**"), &[]);
    let link = Command::LinkStreams { subscription: id(1), streams: own };
    assert_eq!(bench.submit(link), Err(Refusal::OwnWakeStream));
    bench.stream(1, "events/a", "x");
    assert_eq!((bench.told(2).len(), bench.found(1).links.len(), bench.found(1).generation), (1, 1, 1));
}

#[test]
fn subscriptions_that_wake_each_other_do_so_once_per_command() {
    let mut bench = Bench::default();
    bench.stream(1, "wake/a", "");
    bench.stream(2, "wake/b", "");
    for (n, own, other) in [(1, "wake/a", "wake/b"), (2, "wake/b", "wake/a")] {
        let delivery = Delivery::PullWake { wake_stream: own.parse().expect("a path") };
        bench.subscribe(n, delivery, Some(other), &[]);
    }
    bench.append(1, "x", false);
    assert_eq!((bench.found(1).generation, bench.found(2).generation), (1, 1));
    assert_eq!((bench.told(1).len(), bench.told(2).len()), (2, 1));
}

#[test]
fn a_wake_stream_that_this_append_closes_is_not_written_behind_its_end() {
    let mut bench = Bench::default();
    bench.stream(1, "wake/a", "");
    bench.stream(2, "wake/b", "");
    for (n, own, other) in [(1, "wake/a", "wake/b"), (2, "wake/b", "wake/a")] {
        let delivery = Delivery::PullWake { wake_stream: own.parse().expect("a path") };
        bench.subscribe(n, delivery, Some(other), &[]);
    }
    bench.append(1, "x", true);
    assert_eq!((bench.told(1).len(), bench.told(2).len()), (1, 1));
}

#[test]
fn a_stream_that_comes_again_under_its_name_is_read_from_its_beginning() {
    let mut bench = Bench::default();
    bench.stream(1, "events/a", "xyz");
    bench.subscribe(1, webhook(), Some("events/*"), &[]);
    let explicit = "events/a".parse::<StreamPath>().expect("a path");
    bench.submit(Command::LinkStreams { subscription: id(1), streams: vec![explicit.clone()] }).expect("linked");
    assert_eq!(bench.found(1).links[&explicit].acked, 1);
    let gone = Command::DeleteUserStream { stream: user(1) };
    bench.submit(gone).expect("deleted");
    let link = bench.found(1).links[&explicit].clone();
    assert_eq!((link.feed, link.explicit, link.glob), (None, true, false));
    bench.stream(9, "events/a", "x");
    let link = bench.found(1).links[&explicit].clone();
    assert_eq!((link.feed, link.acked), (Some(Stream::User(user(9))), 0));
    assert_eq!(bench.found(1).wake, Some(Wake::Issued));
}

#[test]
fn what_a_fork_shares_with_its_source_is_no_news() {
    let mut bench = Bench::default();
    bench.stream(1, "source", "x");
    bench.append(1, "y", false);
    bench.subscribe(1, webhook(), Some("forks/*"), &[]);
    let fork = NewFork { source: user(1), position: None, part: 0, prefix: Bytes::new() };
    bench.make(2, "forks/a", "", Some(fork));
    let link = bench.found(1).links.values().next().expect("linked").clone();
    assert_eq!((link.acked, &bench.found(1).wake), (2, &None));
    bench.append(2, "z", false);
    assert_eq!(bench.found(1).generation, 1);
}

#[test]
fn a_full_subscription_says_how_many_streams_it_does_not_follow() {
    let mut bench = Bench::default();
    bench.subscribe(1, webhook(), Some("events/*"), &[]);
    bench.stream(1, "events/a", "");
    assert_eq!(bench.found(1).left_out(&bench.world), 0);
    let explicit = |n: usize| format!("others/{n}").parse::<StreamPath>().expect("a path");
    for chunk in (1..limits::LINKS_PER_SUBSCRIPTION_MAX).collect::<Vec<_>>().chunks(1_000) {
        let streams = chunk.iter().map(|n| explicit(*n)).collect();
        bench.submit(Command::LinkStreams { subscription: id(1), streams }).expect("linked");
    }
    assert_eq!(bench.found(1).links.len(), limits::LINKS_PER_SUBSCRIPTION_MAX);
    bench.stream(2, "events/b", "");
    bench.stream(3, "elsewhere/c", "");
    assert_eq!(bench.found(1).left_out(&bench.world), 1, "one is meant and not followed");
}

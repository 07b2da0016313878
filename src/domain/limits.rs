//! Every bound of the system, with its unit and its reason. Relations between bounds are asserted below, at compile
//! time.

mod journal;

pub use journal::*;

// --- what others may send ---------------------------------------------------------------------------------------

/// A request body. ccb batches up to 10 MB of worker events in one POST.
pub const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// What is read and thrown away of a body that is too large, so that its sender hears the answer: a connection closed
/// under a client that still sends is a reset to it, and the answer is lost. Four times what is allowed.
pub const REFUSED_BODY_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;
/// How long that may take.
pub const REFUSED_BODY_MS: u64 = 5_000;
/// A connection that we ended is listened to for so long, because what still comes would make the system reset it,
/// and a reset takes away the last words that its peer has not read: why it ended. Nobody sends the rest of a frame
/// for longer.
pub const LINGER_MS: u64 = 5_000;
/// Bytes of such a connection that are read away at most: several times the largest message that is taken.
pub const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Connections that linger at once; more are cut. Each costs a buffer and a place among the open files.
pub const LINGERING_MAX: usize = 256;
/// A WebSocket message from a client; larger ones close the socket with 1009. Same as a body, so that what can be
/// posted can be sent.
pub const SOCKET_MESSAGE_BYTES_MAX: usize = BODY_BYTES_MAX;
/// One SSE frame to a ccb worker. Its parser gives up at 1,048,576 characters and then reconnects for ever.
pub const WORKER_FRAME_BYTES_MAX: usize = 900 * 1024;
/// Text of a prompt beyond one frame that stays in the prompt when the rest goes into attached files.
pub const OVERSIZE_TEXT_BYTES_MAX: usize = 64 * 1024;
/// All headers of a request; hyper answers 431 beyond it. Bearer tokens and cookies fit in a fraction.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// All headers of a request must arrive within this time: a client that dribbles holds a connection.
pub const HEADER_READ_MS: u64 = 15_000;
/// A body must arrive within this time: 10 MiB over a slow phone link take 40 s; a client that dribbles holds memory.
pub const BODY_READ_MS: u64 = 60_000;
/// Connections of all kinds. 10,000 idle streams are a design goal; beyond this, file descriptors and memory run out.
pub const CONNECTIONS_MAX: usize = 32_768;
/// A request path with its query.
pub const PATH_BYTES_MAX: usize = 8 * 1024;
/// JSON nesting in what we parse ourselves; `serde_json` stops at 128, deeper text is an attack.
pub const JSON_DEPTH_MAX: usize = 128;
/// Messages in one v1 ingress batch (ccb sends at most 500).
pub const INGRESS_MESSAGES_MAX: usize = 1_000;
/// Events in one v2 worker batch (ccb sends at most 100) or delivery report (64).
pub const WORKER_EVENTS_MAX: usize = 1_000;
/// A permission or control request's id. UUIDs in practice.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// A title: lists show one line.
pub const TITLE_BYTES_MAX: usize = 512;
/// A machine name, directory, branch, URL, mode, model, tool or key name.
pub const NAME_BYTES_MAX: usize = 4 * 1024;
/// What a permission is asked for, as shown in lists and matched by rules.
pub const SUBJECT_BYTES_MAX: usize = 16 * 1024;
/// Words that go with a denial.
pub const DENIAL_BYTES_MAX: usize = 16 * 1024;
/// An uploaded file: what a phone photographs, and a log to look at.
pub const FILE_BYTES_MAX: usize = BODY_BYTES_MAX;
/// A piece of a file in the journal: keeps one record far below a read's byte bound.
pub const FILE_CHUNK_BYTES_MAX: usize = 256 * 1024;
/// An idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;
/// A stream's name: everything after `/v1/stream/`, decoded.
pub const STREAM_NAME_BYTES_MAX: usize = 1_024;
/// A stream's content type.
pub const CONTENT_TYPE_BYTES_MAX: usize = 256;
/// A producer's name for itself; a UUID in practice.
pub const PRODUCER_ID_BYTES_MAX: usize = 256;
/// A writer's own number, `Stream-Seq`.
pub const STREAM_SEQ_BYTES_MAX: usize = 256;
/// Epochs and numbers of producers: what JavaScript can count (2^53 - 1).
pub const PRODUCER_NUMBER_MAX: u64 = (1 << 53) - 1;
/// A page of a list or a history.
pub const PAGE_ITEMS_MAX: usize = 1_000;
/// A page when nobody asked for a size.
pub const PAGE_ITEMS_DEFAULT: usize = 100;
/// Sessions in one bulk request.
pub const BULK_ITEMS_MAX: usize = 500;
/// Directories and models that are offered because sessions used them: what fits a list on a phone.
pub const RECENT_CHOICES_MAX: usize = 12;
/// What is looked for: a sentence pasted from a conversation.
pub const SEARCH_QUERY_BYTES_MAX: usize = 512;
/// Words of one search: each is looked for in every text.
pub const SEARCH_WORDS_MAX: usize = 12;
/// Hits on a page of a search.
pub const SEARCH_HITS_MAX: usize = 100;
/// Hits on a page when nobody asked for a number: a few screens of a phone.
pub const SEARCH_HITS_DEFAULT: usize = 20;
/// Characters of a text that are shown around what was found in it: three lines on a phone.
pub const SEARCH_SNIPPET_CHARS: usize = 200;

// --- what the world remembers -----------------------------------------------------------------------------------

/// Environments that are registered at once. About 1 KiB each.
pub const ENVIRONMENTS_MAX: usize = 100_000;
/// Sessions, archived ones included. About 1 KiB each: a million fit in 1 GiB.
pub const SESSIONS_MAX: usize = 1_000_000;
/// Keys, revoked ones included.
pub const KEYS_MAX: usize = 10_000;
/// Sessions that a reader of the overview is told of at the start: those that ask, then those that are
/// pinned, then those that were active last.
pub const OVERVIEW_SESSIONS_MAX: usize = 1_000;
/// The overview's readers are told of changes no more often: a list that moves faster cannot be read.
pub const OVERVIEW_INTERVAL_MS: u64 = 400;
/// Login links that wait to be used, over all owners: each lives for minutes and is made by hand.
pub const LOGIN_LINKS_MAX: usize = 256;
/// How long a login link is good: long enough to find the phone, too short to be found in a scrollback later.
pub const LOGIN_LINK_MS: u64 = 600_000;
/// Browsers that are signed in for one owner.
pub const DEVICES_PER_OWNER_MAX: usize = 100;
/// What people call a device: a line of a list.
pub const DEVICE_NAME_BYTES_MAX: usize = 256;
/// Devices whose names are remembered, signed-out ones included: history shows who decided.
pub const DEVICES_KEPT_MAX: usize = 10_000;
/// A browser that was not used for so long has to sign in again: 90 days, as people are used to.
pub const DEVICE_IDLE_MS: u64 = 90 * 86_400_000;
/// Items that wait for one session's worker. A phone in a tunnel queues tens.
pub const OUTBOX_ITEMS_MAX: usize = 1_000;
/// Open questions of one session. Agents ask one at a time, sub-agents several.
pub const PERMISSIONS_OPEN_MAX: usize = 256;
/// Conversations that one agent has at once. Each one that is followed costs a stream; people have tens.
pub const AGENT_SESSIONS_MAX: usize = 256;
/// Turns of one conversation that were told again, of which only the later account is told to newcomers.
pub const TURNS_RETOLD_MAX: usize = 64;
/// Registrations under which one agent is still found: an address kept by somebody over so many cuts goes on.
pub const AGENT_ALIASES_MAX: usize = 16;
/// Agents of one credential, group and name that are kept although they are away. More are ghosts.
pub const AGENTS_AWAY_MAX: usize = 8;
/// An agent that registered and did not come within this time never will: its client connects at once.
pub const AGENT_IDENTIFY_MS: u64 = 60_000;
/// Modes, and models, that an agent offers in one conversation, kept to check what is asked for. Some list a few
/// hundred models of many makers; each is a short name, in memory once for each conversation.
pub const AGENT_OFFERS_MAX: usize = 512;
/// Of those, how many a refusal names: what fits a few lines on a phone.
pub const OFFERS_NAMED_MAX: usize = 12;
/// An agent's own id of a conversation. UUIDs in practice.
pub const AGENT_SESSION_ID_BYTES_MAX: usize = 512;
/// Decided questions of one session that still answer a late or repeated decision with the winner.
pub const PERMISSIONS_DECIDED_MAX: usize = 1_024;
/// Standing rules of one session.
pub const RULES_MAX: usize = 256;
/// Prompts of one session that its worker reported as consumed and has still to echo. A REPL echoes within 100 ms, and
/// joins what it was sent during a turn into the next one.
pub const UNECHOED_MAX: usize = 64;
/// A session's merged metadata.
pub const METADATA_BYTES_MAX: usize = 256 * 1024;
/// Finished work items remembered per environment, so that a late ack or stop is no error.
pub const WORK_DONE_MAX: usize = 256;
/// A runner that acked an item gets so long to start the worker before a new message queues the session again. A child
/// takes 1 to 3.5 s.
pub const WORK_START_MS: u64 = 30_000;
/// A work item that was handed out and not confirmed is handed out again after so long, unless the runner says
/// otherwise.
pub const WORK_RECLAIM_MS_DEFAULT: u64 = 5_000;
/// And not before, whatever it says: a reply may still be on its way.
pub const WORK_RECLAIM_MS_MIN: u64 = 1_000;
/// Items queued for one environment.
pub const WORK_QUEUED_MAX: usize = 1_000;
/// Hand-outs of one work item before it is parked for an operator. At one per 5 s this is over a minute of refusals.
pub const WORK_ATTEMPTS_MAX: u32 = 20;

/// Streams that users made, deleted ones included until their bytes are gone. About 500 bytes each, in each of the
/// two worlds.
pub const USER_STREAMS_MAX: usize = 1_000_000;
/// Producers of one stream whose repetitions are recognised. 100 bytes each.
pub const PRODUCERS_PER_STREAM_MAX: usize = 1_024;
/// Producers of all streams together.
pub const PRODUCERS_MAX: usize = 1_000_000;
/// A producer gives its place to another when it was quiet for so long (seven days): until then it may repeat itself.
pub const PRODUCER_QUIET_MS: u64 = 7 * 86_400_000;
/// Streams that a fork stands on. A read walks them all.
pub const FORK_DEPTH_MAX: usize = 64;

// --- queues and waits -------------------------------------------------------------------------------------------

/// How long one page of a search may look before it says how far it got: long enough for 50,000 events, and nobody
/// who types waits longer.
pub const SEARCH_MS: u64 = 250;
/// Payload bytes that one page of a search may look through, however fast they are read.
pub const SEARCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Sessions that one page of a search looks into: bounds what it remembers while it runs. An empty one costs 50 us.
pub const SEARCH_SESSIONS_MAX: usize = 1_000;
/// Records of a stream that a search reads at a time, going back.
pub const SEARCH_BLOCK_RECORDS: u64 = 256;
/// Records that one text may be in pieces over: an agent that writes word by word needs thousands for one answer. What
/// is longer is searched in two.
pub const SEARCH_RUN_RECORDS_MAX: u64 = 8_192;
/// Payload bytes of one such block; one with more is read in smaller ones.
pub const SEARCH_BLOCK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A session that was active so shortly before a search began may have grown since: a commit that was on its way then
/// has an earlier time.
pub const SEARCH_SETTLE_MS: u64 = 60_000;
/// Searches that one principal may have under way. Somebody who types has two: the one before is not heard any more.
pub const SEARCHES_PER_PRINCIPAL_MAX: usize = 4;
/// Streams that may be open at once, of all kinds. 25 KiB each.
pub const STREAMS_OPEN_MAX: usize = 20_000;
/// Long polls that one principal may hold open. A runner holds one.
pub const POLLS_PER_PRINCIPAL_MAX: usize = 64;
/// A worker is gone when nothing was heard of it for so long after its connection ended. ccb reconnects within 2 s.
pub const WORKER_GRACE_MS: u64 = 10_000;
/// A worker that only heartbeats (every 20 s) is gone after three missed ones.
pub const WORKER_LEASE_MS: u64 = 60_000;
/// Without another word from the operator, an environment whose worker holds no connection is gone after 11 minutes of
/// silence: a REPL polls only every 600 s while its transport is open.
pub const ENVIRONMENT_LEASE_MS: u64 = 660_000;
/// After a start every lease that was held gets so long to be renewed: nobody is dead because the server was.
pub const RESTART_GRACE_MS: u64 = 60_000;
/// `stop force=false` of a REPL means "dispatch me again", of a spawned child "finished", told apart by the archive
/// that follows within this time.
pub const STOP_SETTLE_MS: u64 = 3_000;
/// How often the retention policy is applied. Ages are counted in days, so an hour is soon enough.
pub const RETENTION_INTERVAL_MS: u64 = 3_600_000;
/// The longest age that may be configured for words: a century. Beyond it, keep them for ever.
pub const RETENTION_DAYS_MAX: u64 = 36_525;
/// The fewest events of a session that retention may be told to keep: a turn has hundreds.
pub const RETENTION_EVENTS_MIN: u64 = 100;
/// How often measured times are folded into their buckets. Until then each takes 8 bytes: some MB at full speed.
pub const METRICS_FOLD_MS: u64 = 1_000;
/// A key's last use is recorded at most this often.
pub const KEY_USE_INTERVAL_MS: u64 = 3_600_000;
/// A worker's report of itself waits so long for a busy writer. ccb tries its first one once, for 10 s, and a failure
/// ends the worker.
pub const WORKER_REPORT_WAIT_MS: u64 = 8_000;
/// Between two attempts of what waits for a busy writer: it drains its whole queue in 0.2 s.
pub const BUSY_RETRY_MS: u64 = 100;
/// Silence after which an event stream sends a comment. ccb gives a silent stream up after 45 s, proxies after 60 s.
pub const SSE_KEEPALIVE_MS: u64 = 15_000;
/// Questions that wait for one agent's link. Each viewer asks one at a time, and lists every ten seconds.
pub const AGENT_ASKS_MAX: usize = 64;
/// A viewer is told that an agent does not answer after so long. An agent's program takes up to 4 s to start, and loads
/// a long conversation in 20 s.
pub const AGENT_ASK_MS: u64 = 60_000;
/// An agent's link that was told to turn and says nothing for so long is cut: which conversation it is in can no longer
/// be known otherwise.
pub const AGENT_TURN_MS: u64 = 300_000;
/// A line whose peer may be gone is asked for a sign of life and has so long to give it.
pub const AGENT_PROBE_MS: u64 = 3_000;
/// A turn that was stopped and does not end is taken for over after so long: one agent never answers a second prompt.
pub const AGENT_CANCEL_MS: u64 = 30_000;
/// A turn whose link was cut and of which nothing was heard since is taken for over after so long: a question that was
/// lost with the cut is given up by the link after 5 minutes, and then the agent speaks.
pub const AGENT_SILENCE_MS: u64 = 330_000;
/// Frames of an agent that are recorded by one command, if they are there already.
pub const AGENT_FRAMES_MAX: usize = 64;
/// A conversation that the agent tells from its beginning, until it is known that it told all of it. What is beyond is
/// left out.
pub const AGENT_HISTORY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Viewers of one agent at once. Each is a socket and a cursor.
pub const AGENT_VIEWERS_MAX: usize = 256;
/// A reader of a group looks at most this often: a group's events lie in as many streams as it has conversations, so
/// every commit of the server may be one of them, and a busy one has hundreds a second.
pub const GROUP_LOOK_MS: u64 = 50;
/// Streams that the timers look at in one tick of half a second, to see whether their time is over.
pub const EXPIRY_CHECKS_MAX: usize = 1_024;
/// Deleted streams that the timers strike off in one tick: each is a commit or two.
pub const FORGET_STREAMS_MAX: usize = 16;
/// A long poll on a stream is held for so long. Proxies cut at 30 s or 60 s.
pub const STREAM_POLL_MS: u64 = 20_000;
/// An event stream of a stream ends after so long, so that caches between us and many readers can put them together
/// again. The protocol says about a minute.
pub const STREAM_SSE_MS: u64 = 60_000;
/// Orderly shutdown: after this, whatever is still open is cut.
pub const SHUTDOWN_MS: u64 = 10_000;

// --- subscriptions ----------------------------------------------------------------------------------------------

/// What a subscription is called. As long as an idempotency key; it stands in a URL.
pub const SUBSCRIPTION_NAME_BYTES_MAX: usize = 256;
/// Subscriptions of one owner. Each stream that is created is matched against all their patterns under the
/// writer's lock: a thousand take about 0.2 ms.
pub const SUBSCRIPTIONS_PER_OWNER_MAX: usize = 1_000;
/// Subscriptions of all owners. About 1 KiB each without their streams.
pub const SUBSCRIPTIONS_MAX: usize = 100_000;
/// Streams of one subscription, 300 bytes each. Whoever needs more takes a second subscription.
pub const LINKS_PER_SUBSCRIPTION_MAX: usize = 10_000;
/// Streams linked by one record: with the longest paths below what one row of stored facts holds.
pub const LINKS_PER_RECORD_MAX: usize = 128;
/// Streams listed in one wake, those with news first: bounds a notification to a megabyte. What is left out is told by
/// the next one.
pub const WAKE_STREAMS_MAX: usize = 1_000;
/// A worker has at least this long to show that it lives; the protocol's own bound.
pub const WAKE_LEASE_MS_MIN: u64 = 1_000;
/// And at most so long; the protocol's own bound.
pub const WAKE_LEASE_MS_MAX: u64 = 600_000;
/// When nobody asked for another.
pub const WAKE_LEASE_MS_DEFAULT: u64 = 30_000;
/// A wake's token is refused after a day, whatever became of its lease: no worker sits on one wake for longer.
pub const WAKE_TOKEN_MS: u64 = 86_400_000;
/// A description that goes with a subscription, or the name of a worker that claims a wake.
pub const SUBSCRIPTION_TEXT_BYTES_MAX: usize = 1_024;
/// A webhook's URL.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2_048;
/// The first retry of a failed delivery; doubled each time. The protocol's own bound.
pub const WEBHOOK_RETRY_MS_MIN: u64 = 1_000;
/// The longest wait between two attempts; the protocol's own bound.
pub const WEBHOOK_RETRY_MS_MAX: u64 = 60_000;
/// Attempts in a row before a wake is given up until its streams grow again: a day of them at one a minute.
pub const WEBHOOK_ATTEMPTS_MAX: u32 = 1_440;
/// Deliveries at once. Each holds a socket and a few KiB; slow receivers must not take the file descriptors.
pub const WEBHOOK_DELIVERIES_MAX: usize = 64;
/// Of one owner, so that one who subscribes a hanging receiver a hundred times delays only themself.
pub const WEBHOOK_DELIVERIES_PER_OWNER_MAX: usize = 16;
/// Name resolution, connecting and the TLS handshake, in all.
pub const WEBHOOK_CONNECT_MS: u64 = 10_000;
/// One delivery from the first byte to the last of the answer. Whoever works longer answers 202 and calls back.
pub const WEBHOOK_DELIVERY_MS: u64 = 30_000;
/// What is read of a receiver's answer: `{"done":true}` and some words.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long a look at a webhook's name may delay its registration. A name that does not resolve in time is accepted:
/// what counts is the check at delivery.
pub const WEBHOOK_RESOLVE_MS: u64 = 2_000;
/// A public key stays published for so long after it was replaced: receivers accept signatures for five minutes, and
/// may remember the key set as long.
pub const WEBHOOK_KEY_RETIRED_MS: u64 = 3_600_000;
/// Networks that webhooks may reach although they are private.
pub const PRIVATE_TARGETS_MAX: usize = 256;

// --- notifications ----------------------------------------------------------------------------------------------

/// A question that was answered within this time is told to nobody: somebody is looking, or a rule was quicker. Also
/// how long somebody who just left counts as looking, which is what a reload of the page takes.
pub const NOTIFY_GRACE_MS: u64 = 2_000;
/// What is open is looked over at most this often, so that an agent that asks a hundred times a second and is answered
/// by a rule costs ten looks.
pub const NOTIFY_LOOK_MS: u64 = 100;
/// Targets of one owner: a browser on each of their devices, and some services.
pub const TARGETS_PER_OWNER_MAX: usize = 64;
/// Targets of all owners. About 1 KiB each; all of them are looked at when a question is open.
pub const TARGETS_MAX: usize = 10_000;
/// Open questions that one target was told of. What is asked beyond is told when one of them is settled: whoever leaves
/// so many open misses nothing, and a question that was forgotten would be told for ever.
pub const TARGET_TOLD_MAX: usize = 1_024;
/// An address with its secrets as it is sealed: a URL and two keys.
pub const TARGET_SEALED_BYTES_MAX: usize = 4 * 1_024;
/// A secret of a webhook or a token of an ntfy server.
pub const TARGET_SECRET_BYTES_MAX: usize = 512;
/// What is pushed, before it is encrypted: push services take 4,096 bytes with all that encryption adds (RFC 8291).
pub const PUSH_BYTES_MAX: usize = 3 * 1_024;
/// What is asked, as a notification shows it. Opened up, phones show about five lines of fifty.
pub const NOTICE_TEXT_CHARS_MAX: usize = 240;
/// See [`NOTICE_TEXT_CHARS_MAX`]. What has more can only be allowed where it is seen whole.
pub const NOTICE_TEXT_LINES_MAX: usize = 5;
/// A title of a session in a notification, which shows one line of it.
pub const NOTICE_TITLE_CHARS_MAX: usize = 80;
/// How long a notification can be answered straight away, and how long a push service keeps it for a phone that is off.
/// After a night it is better to look first.
pub const NOTICE_TOKEN_MS: u64 = 12 * 3_600_000;
/// A VAPID token's life. RFC 8292 allows a day.
pub const VAPID_TOKEN_SECONDS: u64 = 12 * 3_600;
/// Characters of why something did not arrive, as it is kept and shown: the words of a TLS library list all names of
/// somebody else's certificate.
pub const UNSENT_REASON_CHARS_MAX: usize = 240;
/// Notifications on their way at once. Each holds a socket and a few KiB.
pub const NOTIFY_DELIVERIES_MAX: usize = 64;
/// Of one target: one that hangs must not take the places of all.
pub const NOTIFY_DELIVERIES_PER_TARGET_MAX: usize = 4;
/// Attempts before one notification is given up: an hour of them at one a minute.
pub const NOTIFY_ATTEMPTS_MAX: u32 = 64;
/// The longest wait that a `Retry-After` is granted: who asks for more has given up on us.
pub const NOTIFY_RETRY_AFTER_MS_MAX: u64 = 3_600_000;
/// Ends of turns that wait to be told. They are news of the moment: what is beyond is not told.
pub const TURNS_ENDED_MAX: usize = 256;

// --- credentials and throttles ----------------------------------------------------------------------------------

/// An API key, ours (47) or an operator's own. Longer ones are pasted by mistake.
pub const API_KEY_BYTES_MAX: usize = 256;
/// A worker's token. Ours have 330 bytes; whatever is longer is not parsed.
pub const TOKEN_BYTES_MAX: usize = 1_024;
/// Signing keys that verify at once. A yearly rotation leaves a session's token good for as long as any session lives.
pub const SIGNING_KEYS_MAX: usize = 16;
/// How long tokens of the key before stay good after a rotation, unless somebody says otherwise: longer than most
/// runners and sessions live.
pub const SIGNING_OVERLAP_SECONDS_DEFAULT: u64 = 30 * 86_400;
/// The longest such time that may be asked for.
pub const SIGNING_OVERLAP_SECONDS_MAX: u64 = 366 * 86_400;
/// A private file: 16 signing keys have 2 KiB.
pub const PRIVATE_FILE_BYTES_MAX: usize = 16 * 1024;
/// Registrations of one principal per second, in the long run. A runner registers once in its life.
pub const REGISTRATIONS_PER_SECOND: u32 = 10;
/// Registrations of one principal at once: a fleet behind one key that starts together.
pub const REGISTRATIONS_BURST: u32 = 300;
/// Failed or tried logins of one address per minute, in the long run: nobody mistypes more often.
pub const LOGINS_PER_MINUTE: u32 = 10;
/// Failed or tried logins of one address at once: several devices of a household with an old key.
pub const LOGINS_BURST: u32 = 20;
/// Messages of one principal per second, in the long run. Above what one server commits, so that one key may use it
/// all; what is committed is bounded by the writer's queue.
pub const MESSAGES_PER_SECOND: u32 = 100_000;
/// Messages of one principal at once: two seconds' worth.
pub const MESSAGES_BURST: u32 = 200_000;
/// Addresses with a throttle of their own, per kind; beyond, all new ones share one. 100 bytes each.
pub const THROTTLE_ADDRESSES_MAX: usize = 100_000;
/// Throttles that are as good as new are forgotten this often.
pub const THROTTLE_PRUNE_MS: u64 = 60_000;
/// What a client whose poll was refused is told to wait: polls are held for up to 8 s, one of them ends soon.
pub const POLL_RETRY_SECONDS: u64 = 2;
/// Trusted proxies that may be configured.
pub const TRUSTED_PROXIES_MAX: usize = 256;
/// Hops of `X-Forwarded-For` that are looked at.
pub const FORWARDED_HOPS_MAX: usize = 32;

// --- what an operator may configure -----------------------------------------------------------------------------

/// The longest a poll may be held: ccb gives up after 10 s, and the answer still has to travel.
pub const POLL_TIMEOUT_SECONDS_MAX: u64 = 9;
/// Heartbeats, keep-alives and idle limits: a second at least, and no proxy keeps a silent connection for an hour.
pub const INTERVAL_SECONDS_MAX: u64 = 3_600;
/// The shortest life of a worker's token: clients refresh 30 s before its end at the latest.
pub const TOKEN_SECONDS_MIN: u64 = 60;
/// The longest life of a worker's token. It is not revoked by name, only superseded.
pub const TOKEN_SECONDS_MAX: u64 = 30 * 86_400;
/// The shortest silence after which a runner may be called gone: more than one poll and the gap to the next.
pub const DISCONNECT_SECONDS_MIN: u64 = 15;
/// The longest silence after which a runner may be called gone.
pub const DISCONNECT_SECONDS_MAX: u64 = 7 * 86_400;
/// Origins that may be configured.
pub const ORIGINS_MAX: usize = 256;

const _: () = assert!(SEARCH_HITS_DEFAULT <= SEARCH_HITS_MAX);
const _: () = assert!(SEARCH_BLOCK_RECORDS <= SEARCH_RUN_RECORDS_MAX);
const _: () = assert!(SEARCH_BLOCK_BYTES_MAX <= SEARCH_BYTES_MAX);
const _: () = assert!(READ_BYTES_MAX > WORKER_FRAME_BYTES_MAX);
const _: () = assert!(FILE_CHUNK_BYTES_MAX < READ_BYTES_MAX);
const _: () = assert!(BODY_BYTES_MAX < RECORD_BYTES_MAX);
const _: () = assert!(TRIM_RECORDS_MAX <= CHECKPOINT_RECORDS_MAX);
const _: () = assert!(WORKER_FRAME_BYTES_MAX < 1_048_576);
const _: () = assert!(OVERSIZE_TEXT_BYTES_MAX < WORKER_FRAME_BYTES_MAX / 2);
const _: () = assert!(PAGE_ITEMS_DEFAULT <= PAGE_ITEMS_MAX);
const _: () = assert!(BODY_BYTES_MAX <= BATCH_BYTES_MAX);
const _: () = assert!(WORKER_GRACE_MS < WORKER_LEASE_MS);
const _: () = assert!(INGRESS_MESSAGES_MAX <= MESSAGES_BURST as usize);
const _: () = assert!(WORKER_EVENTS_MAX <= MESSAGES_BURST as usize);
const _: () = assert!(WAKE_LEASE_MS_MIN <= WAKE_LEASE_MS_DEFAULT && WAKE_LEASE_MS_DEFAULT <= WAKE_LEASE_MS_MAX);
const _: () = assert!(WAKE_LEASE_MS_MAX < WAKE_TOKEN_MS);
const _: () = assert!(WEBHOOK_CONNECT_MS < WEBHOOK_DELIVERY_MS);
const _: () = assert!(LINKS_PER_RECORD_MAX * (STREAM_NAME_BYTES_MAX + 256) < FACTS_ROW_BYTES_MAX);
const _: () = assert!(WEBHOOK_DELIVERIES_PER_OWNER_MAX <= WEBHOOK_DELIVERIES_MAX);
const _: () = assert!(NOTICE_TEXT_CHARS_MAX * 4 + NOTICE_TITLE_CHARS_MAX * 4 < PUSH_BYTES_MAX / 2);
const _: () = assert!(VAPID_TOKEN_SECONDS <= 86_400);
const _: () = assert!(REGISTRATIONS_PER_SECOND > 0 && LOGINS_PER_MINUTE > 0 && MESSAGES_PER_SECOND > 0);

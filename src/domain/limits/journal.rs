//! The bounds of the journal, of what is on its way into it, and of reading, copying and checking it.

/// Commands that gather while a commit is on its way to the disk; more is 503. At 40,000 a second this is 0.2 s of
/// work.
pub const BATCH_COMMANDS_MAX: usize = 8_192;
/// Stored bytes of a commit after which the next command gets 503: six bodies of the largest size.
pub const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A commit that takes no longer may be made by the thread that serves the request, in microseconds: as long as some
/// hundred other requests would take of it. To be woken twice costs about 100.
pub const LEAD_COMMIT_MICROS_MAX: u64 = 1_000;
/// Commits of one command, in a row, after which the next one is taken to be alone too. Where many talk at once, one
/// that is alone is chance, and its thread had better serve the others.
pub const LEAD_AFTER_COMMITS: u32 = 4;
/// Stored bytes of such a commit: what is larger than most of what people and agents say takes longer to write than to
/// wake somebody else for it.
pub const LEAD_COMMIT_BYTES_MAX: usize = 64 * 1024;
/// A payload that is no longer is copied out of what its connection read, in bytes. That is 8 KiB at least, so without
/// it 300,000 small appends kept 100 MB more in memory.
pub const PAYLOAD_COPIED_BYTES_MAX: usize = 8 * 1024;
/// Records after the last checkpoint that start-up has to read in full; twice as many if it was being written when the
/// server was killed. 16,384 records of 512 bytes are read in 30 ms.
pub const CHECKPOINT_RECORDS_MAX: usize = 16_384;
/// Stored bytes after the last checkpoint that start-up has to read in full: 40 ms when the system has them cached.
/// Without it, large records would make it gigabytes.
pub const CHECKPOINT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// One stored record. Above every payload bound, so that only a fault of ours meets it.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Nesting of a stored record's event. Ours nest five deep; damaged bytes must not exhaust the stack.
pub const RECORD_DEPTH_MAX: usize = 32;
/// Bytes of one row of stored facts: what start-up holds of them at a time.
pub const FACTS_ROW_BYTES_MAX: usize = 256 * 1024;
/// Records whose bodies one `trim` forgets: bounds how long a trim delays the next commit. Each may lie in a page of
/// its own; 4,096 of them took 190 ms on a busy disk, so this is about 25 ms.
pub const TRIM_RECORDS_MAX: usize = 512;
/// Pages the database keeps in memory. Start-up and live traffic touch few; replays come through the system's cache.
pub const JOURNAL_CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of the log beside the journal's file. Half of it is written while the other half goes into the tables, which
/// one in a hundred appends waits for a little: 0.5 ms in all with this length, 1.3 ms with an eighth of it. All of it
/// is read at start-up after a kill, and kept in memory, as stored bytes and as records.
pub const JOURNAL_LOG_BYTES: u64 = 8 * 1024 * 1024;
/// Dedupe keys of checkpointed records held in memory, 16 bytes each; streams used least recently give way.
pub const KEYS_CACHED_MAX: usize = 1_000_000;
/// Bytes in one commit of a copy (backup, restore): bounds the memory a copy takes beside a running server.
pub const COPY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Room that a backup made beside a running server must leave on its disk: two batches and what the database adds to
/// them. A disk that is full ends the server.
pub const BACKUP_SPARE_BYTES: u64 = 256 * 1024 * 1024;
/// One piece of a backup on its way to whoever asked for it; two are in memory.
pub const BACKUP_PIECE_BYTES: usize = 256 * 1024;
/// A backup whose reader takes no piece for so long is given up: it holds disk space, and nobody else gets one.
pub const BACKUP_STALL_MS: u64 = 60_000;
/// Who wants a backup while another one is on its way is told to wait so long.
pub const BACKUP_RETRY_SECONDS: u64 = 10;
/// Commits whose times are remembered, for the operator's eyes: a minute of a busy server, 16 KiB.
pub const COMMITS_REMEMBERED: usize = 1_024;
/// Records read at once on the way back through an audit: a page of the list, and no more payload in memory than one.
pub const AUDIT_WINDOW_RECORDS: u64 = 256;
/// Records looked at for one page of an audit that asks for some of them only; the page then says where to go on.
pub const AUDIT_SCAN_RECORDS_MAX: u64 = 10_000;
/// Payload bytes of what is looked at for such a page, however few records they are.
pub const AUDIT_SCAN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Walks over the whole chain that run at once: each reads all of the journal and goes on to its end.
pub const AUDIT_WALKS_MAX: usize = 1;
/// The progress of a walk over the whole chain is told this often.
pub const AUDIT_PROGRESS_MS: u64 = 250;
/// Commits checked through one read transaction of `verify`, so that it pins no pages for long.
pub const AUDIT_COMMITS_MAX: usize = 256;
/// Records kept in memory for the live readers of one stream. A reader that falls behind reads the journal.
pub const RING_RECORDS_MAX: usize = 512;
/// Bytes of payload in one stream's ring.
pub const RING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// One read of the journal: keeps a slow reader from holding megabytes.
pub const READ_RECORDS_MAX: usize = 512;
/// See [`READ_RECORDS_MAX`].
pub const READ_BYTES_MAX: usize = 1024 * 1024;

//! Other servers of the Durable Streams protocol, started when their binaries are here, each in the mode in which it
//! acknowledges nothing that is not on the disk.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::harness::text;

/// How long one may take until it listens. The one with redb makes sixteen databases first.
const START_MAX: Duration = Duration::from_secs(20);

/// How a rival is known.
struct Kind {
    name: &'static str,
    /// The variable with the path of its binary.
    variable: &'static str,
    package: &'static str,
    command: fn(&mut Command, port: u16, data: &str),
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "electric",
        variable: "RCS_BENCH_ELECTRIC",
        package: "durable-streams",
        // What it does without being told otherwise is a log that is synced before it answers.
        command: |command, port, data| {
            command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--data-dir", data]);
        },
    },
    Kind {
        name: "redb",
        variable: "RCS_BENCH_REDB_STREAMS",
        package: "durable-streams-server",
        command: |command, port, data| {
            // Its limits on what it keeps are below what a run appends; a line per request in its log would cost it.
            command.envs([
                ("DS_SERVER__BIND_ADDRESS", format!("127.0.0.1:{port}").as_str()),
                ("DS_STORAGE__MODE", "acid"),
                ("DS_STORAGE__ACID_BACKEND", "file"),
                ("DS_STORAGE__DATA_DIR", data),
                ("DS_LIMITS__MAX_MEMORY_BYTES", "8589934592"),
                ("DS_LIMITS__MAX_STREAM_BYTES", "8589934592"),
                ("DS_OBSERVABILITY__RUST_LOG", "warn"),
            ]);
        },
    },
];

/// A running one. Dropping it kills it.
pub(crate) struct Rival {
    child: Child,
    name: &'static str,
    port: u16,
    _directory: TempDir,
}

impl Rival {
    /// As `rcsctl bench --rival` wants it.
    pub(crate) fn argument(&self) -> String {
        format!("{}=http://127.0.0.1:{}", self.name, self.port)
    }

    fn start(kind: &Kind, binary: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = port();
        let mut command = Command::new(binary);
        // It looks for a configuration where it is started, and must find none.
        command.env_clear().current_dir(directory.path()).stdin(Stdio::null()).stdout(io::stderr());
        (kind.command)(&mut command, port, text(directory.path()));
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {binary}: {error}", kind.variable));
        let mut rival = Self { child, name: kind.name, port, _directory: directory };
        rival.wait();
        rival
    }

    /// Until it answers. It says that it listens in no way that all of them have in common.
    fn wait(&mut self) {
        let started = Instant::now();
        while !self.answers().unwrap_or(false) {
            self.expect_running();
            assert!(started.elapsed() < START_MAX, "{} does not answer", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
        self.expect_running();
    }

    /// Anything in HTTP will do. A connection alone says little: one to a port of this machine where nobody listens can
    /// meet itself.
    fn answers(&self) -> io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /v1/stream/none HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(&start == b"HTTP/")
    }

    /// That what is measured is still there: what ended by itself says so in its log only.
    pub(crate) fn expect_running(&mut self) {
        let ended = self.child.try_wait().expect("its state");
        assert!(ended.is_none(), "{} ended: {ended:?}", self.name);
    }
}

/// A port for one that listens only some time later. Below those that the system gives to clients: of these, anybody on
/// the machine may have got it until then.
fn port() -> u16 {
    let mut ports = (20_000..32_000).skip(std::process::id() as usize % 10_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

impl Drop for Rival {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Those whose binaries are named; says of the others that they are missing.
pub(crate) fn start() -> Vec<Rival> {
    let mut rivals = Vec::new();
    for kind in &KINDS {
        match std::env::var(kind.variable) {
            Ok(binary) => rivals.push(Rival::start(kind, &binary)),
            Err(_) => println!(
                "not measured: {} ({}): set {} to its binary, see README.md",
                kind.name, kind.package, kind.variable
            ),
        }
    }
    rivals
}

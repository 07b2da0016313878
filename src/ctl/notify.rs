//! `rcsctl notify list|add|remove|test`.

use clap::{Args, Subcommand};

use super::{Context, CtlError, list::List, output, terminal::one_line};
use crate::{
    domain::id::TargetId,
    wire::web::{AddTarget, Target as Wire, TargetKind, TargetMade, Tested},
};

/// See [`Command::Notify`](super::cli::Command::Notify).
#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    /// List where you are told; of addresses only the host is shown
    List,
    /// Be told at one more place; browsers add themselves
    #[command(subcommand)]
    Add(Add),
    /// Be told there no more
    Remove(One),
    /// Send something there, to see whether it arrives
    Test(One),
}

/// `add`.
#[derive(Debug, Subcommand)]
pub(crate) enum Add {
    /// A program of yours: it is called with JSON, signed as standardwebhooks.com describes; the secret is printed once
    Webhook(Webhook),
    /// A topic of an ntfy server
    Ntfy(Ntfy),
}

/// `add webhook`.
#[derive(Debug, Args)]
pub(crate) struct Webhook {
    /// Where it listens, with https
    url: String,
    #[command(flatten)]
    settings: Settings,
}

/// `add ntfy`.
#[derive(Debug, Args)]
pub(crate) struct Ntfy {
    // Not a doc comment: rustdoc would take it for a link.
    #[arg(help = "The topic, as https://server/topic or ntfy://server/topic")]
    url: String,
    /// An access token of the server, or name:password; better given in the variable
    #[arg(long, value_name = "TOKEN", env = "RCS_NTFY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Let whoever reads the topic answer; whoever guesses its name can read it, so it needs a token or a name that
    /// nobody guesses
    #[arg(long)]
    answers: bool,
    #[command(flatten)]
    settings: Settings,
}

/// What both kinds have.
#[derive(Debug, Args)]
struct Settings {
    /// What you will know it by [default: its host]
    #[arg(long)]
    name: Option<String>,
    /// Tell the end of turns as well
    #[arg(long)]
    turns: bool,
}

/// One of them.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Its id, as `list` shows it
    #[arg(value_name = "TARGET")]
    id: TargetId,
}

impl Notify {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        match self {
            Self::List => List {
                path: "/notifications/targets",
                query: &[],
                limit: 1_000,
                headings: &["TARGET", "KIND", "NAME", "HOST", "TOLD", "STATE"],
                nothing: "you are told nowhere",
            }
            .print(context, |target: Wire| {
                let state = match (target.failing, target.configured) {
                    (Some(reason), _) => format!("failing: {reason}"),
                    (None, true) => "from the configuration".into(),
                    (None, false) => String::new(),
                };
                let told = target.told_at.unwrap_or_default();
                [target.id.to_string(), kind(target.kind).into(), target.name, target.host, told, state]
            }),
            Self::Add(add) => add.run(context),
            Self::Remove(One { id }) => {
                context.client()?.delete(&format!("/notifications/targets/{id}"))?;
                context.out.say(&serde_json::json!({"id": id, "removed": true}), format!("removed {id}"))
            }
            Self::Test(One { id }) => {
                let path = format!("/notifications/targets/{id}/test");
                let tested: Tested = context.client()?.post(&path, &serde_json::json!({}))?;
                match &tested.reason {
                    Some(reason) => Err(CtlError::failed(format!("it did not arrive: {}", one_line(reason)))),
                    None => context.out.say(&tested, format!("sent to {id}")),
                }
            }
        }
    }
}

const fn kind(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::WebPush => "browser",
        TargetKind::Webhook => "webhook",
        TargetKind::Ntfy => "ntfy",
    }
}

impl Add {
    fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let (kind, url, token, answers, settings) = match self {
            Self::Webhook(Webhook { url, settings }) => (TargetKind::Webhook, url, None, false, settings),
            Self::Ntfy(Ntfy { url, token, answers, settings }) => (TargetKind::Ntfy, url, token, answers, settings),
        };
        let Settings { name, turns } = settings;
        let token = token.filter(|token| !token.is_empty());
        let (endpoint, p256dh, auth, url) = (None, None, None, Some(url));
        let wish = AddTarget { kind, name, endpoint, p256dh, auth, url, token, turns, answers };
        let made: TargetMade = context.client()?.post("/notifications/targets", &wish)?;
        if context.out.look.json {
            return context.out.json(&made);
        }
        let TargetMade { target, secret } = made;
        let (name, id) = (one_line(&target.name), target.id);
        match secret {
            // Only the secret goes to stdout, so that it can be kept in a variable.
            Some(secret) => {
                output::note(&format!("added {id} ({name}); its calls are signed with what is shown only now:"));
                context.out.line(one_line(&secret))
            }
            None => context.out.line(format!("added {id} ({name})")),
        }
    }
}

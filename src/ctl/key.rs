//! `rcsctl key create|list|revoke|rotate-signing`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Context, CtlError, list::List, output};
use crate::{
    domain::KeyId,
    wire::web::{self as wire, CreateKey, CreatedKey, Key as Wire, KeyOwner, Role as WireRole},
};

/// See [`Command::Key`](super::cli::Command::Key).
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key; its secret is printed once and never again
    Create(Create),
    /// List keys, without their secrets
    List(Several),
    /// Take a key's power away, for good
    Revoke(Revoke),
    /// Sign the tokens of runners and workers with a fresh key (needs an admin's key)
    RotateSigning(RotateSigning),
}

/// `create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What people will know it by
    name: String,
    /// What it may do
    #[arg(long, value_enum, default_value_t = Role::Member)]
    role: Role,
    /// How long it is valid: 12h, 30d, 1y [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    expires: Option<Duration>,
    /// Make it for somebody new, who shares nothing with anybody (needs an admin's key)
    #[arg(long)]
    new_owner: bool,
}

/// What a key may do, in rising order of trust; a runner neither reads nor steers sessions.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// Read
    Viewer,
    /// Be a runner: register and feed sessions, but neither read nor steer others
    Runner,
    /// Everything with what its owner has
    Member,
    /// Everything with everything
    Admin,
}

/// `list`.
#[derive(Debug, Args)]
pub(crate) struct Several {
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
}

/// `revoke`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The key's id (not its secret)
    #[arg(value_name = "KEY")]
    id: KeyId,
}

/// `rotate-signing`.
#[derive(Debug, Args)]
pub(crate) struct RotateSigning {
    /// How long tokens that were signed before stay good: 30d, 12h; 0s refuses them at once, for a key that leaked, and
    /// runners register again [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = duration_or_none)]
    overlap: Option<Duration>,
}

impl Key {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        match self {
            Self::Create(create) => create.run(context),
            Self::List(several) => List {
                path: "/keys",
                query: &[],
                limit: several.limit,
                headings: &["KEY", "NAME", "ROLE", "STATE", "CREATED", "LAST USED"],
                nothing: "there are no keys",
            }
            .print(context, |key: Wire| {
                let state = match (&key.revoked_at, &key.expires_at) {
                    (Some(at), _) => format!("revoked {at}"),
                    (None, Some(at)) => format!("valid until {at}"),
                    (None, None) if key.configured => "valid (from the configuration)".into(),
                    (None, None) => "valid".into(),
                };
                let role = format!("{:?}", key.role).to_lowercase();
                [key.id.to_string(), key.name, role, state, key.created_at, key.used_at.unwrap_or_default()]
            }),
            Self::RotateSigning(RotateSigning { overlap }) => {
                let body = wire::RotateSigning { overlap: overlap.map(|overlap| overlap.as_secs()) };
                let done: wire::SigningRotated = context.client()?.post("/signing/rotate", &body)?;
                let words = format!("tokens signed before are good until {}", done.previous_until);
                context.out.say(&done, words)
            }
            Self::Revoke(Revoke { id }) => {
                context.client()?.delete(&format!("/keys/{id}"))?;
                context.out.say(&serde_json::json!({"id": id, "revoked": true}), format!("revoked {id}"))
            }
        }
    }
}

impl Create {
    fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let role = match self.role {
            Role::Viewer => WireRole::Viewer,
            Role::Runner => WireRole::Runner,
            Role::Member => WireRole::Member,
            Role::Admin => WireRole::Admin,
        };
        let owner = if self.new_owner { KeyOwner::New } else { KeyOwner::Mine };
        let expires_in = self.expires.map(|expires| expires.as_secs());
        let made: CreatedKey =
            context.client()?.post("/keys", &CreateKey { name: self.name, role, expires_in, owner })?;
        if context.out.look.json {
            return context.out.json(&made);
        }
        // Only the secret goes to stdout, so that `RCS_API_KEY=$(rcsctl key create phone)` works.
        output::note(&format!("made {} ({}); its secret is shown only now:", made.key.id, made.key.name));
        context.out.line(super::terminal::one_line(&made.secret))
    }
}

/// The same, or none at all.
fn duration_or_none(text: &str) -> Result<Duration, String> {
    if text.trim_end_matches(|unit: char| "smhdwy".contains(unit)) == "0" { Ok(Duration::ZERO) } else { duration(text) }
}

/// A span of time as people write it.
fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(char, u64); 6] =
        [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800), ('y', 31_536_000)];
    let wrong = || "a number and one of s, m, h, d, w, y, such as 30d".to_owned();
    let unit = text.chars().last().and_then(|last| UNITS.iter().find(|(unit, _)| *unit == last));
    let (unit, seconds) = unit.ok_or_else(wrong)?;
    let count: u64 = text.strip_suffix(*unit).unwrap_or_default().parse().map_err(|_| wrong())?;
    let seconds = count.checked_mul(*seconds).filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        assert_eq!(duration("30d"), Ok(Duration::from_hours(720)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration_or_none("0s"), Ok(Duration::ZERO));
        assert_eq!(duration_or_none("2h"), Ok(Duration::from_hours(2)));
        assert!(duration_or_none("00x").is_err());
        for wrong in ["", "d", "30", "-1d", "0h", "3dd", "99999999999999999999y", "1\u{e4}"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}

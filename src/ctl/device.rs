//! `rcsctl device list|rename|sign-out`.

use clap::{Args, Subcommand};

use super::{Context, CtlError, list::List, terminal::one_line};
use crate::{
    domain::DeviceId,
    wire::web::{Device as Wire, RenameDevice},
};

/// See [`Command::Device`](super::cli::Command::Device).
#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// List the browsers that are or were signed in
    List(Several),
    /// Call a browser something else
    Rename(Rename),
    /// Take a browser's power away, for good
    SignOut(One),
}

/// `list`.
#[derive(Debug, Args)]
pub(crate) struct Several {
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
}

/// `rename`.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// The device
    #[arg(value_name = "DEVICE")]
    id: DeviceId,
    /// What people will know it by
    name: String,
}

/// `sign-out`.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// The device
    #[arg(value_name = "DEVICE")]
    id: DeviceId,
}

impl Device {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        match self {
            Self::List(several) => List {
                path: "/devices",
                query: &[],
                limit: several.limit,
                headings: &["DEVICE", "NAME", "STATE", "SIGNED IN", "LAST USED"],
                nothing: "no browser has signed in",
            }
            .print(context, |device: Wire| {
                let state =
                    device.signed_out_at.map_or_else(|| "signed in".to_owned(), |at| format!("signed out {at}"));
                [device.id.to_string(), device.name, state, device.signed_in_at, device.used_at]
            }),
            Self::Rename(Rename { id, name }) => {
                let renamed: Wire = context.client()?.patch(&format!("/devices/{id}"), &RenameDevice { name })?;
                let words = format!("{id} is called {} now", one_line(&renamed.name));
                context.out.say(&renamed, words)
            }
            Self::SignOut(One { id }) => {
                context.client()?.delete(&format!("/devices/{id}"))?;
                context.out.say(&serde_json::json!({"id": id, "signed_out": true}), format!("signed out {id}"))
            }
        }
    }
}

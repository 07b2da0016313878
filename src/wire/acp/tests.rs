//! What real links and viewers sent, read, and every frame of ours as they see it.

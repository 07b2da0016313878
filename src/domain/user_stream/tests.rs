//! Single histories of user streams. The model over any history is in `domain/tests.rs`.

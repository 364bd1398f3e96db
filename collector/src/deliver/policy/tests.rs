//! What a sink gets, and what is left of it.

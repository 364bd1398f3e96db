//! The Messages API, both ways.

//! Requests and answers of those who are nearly compatible.

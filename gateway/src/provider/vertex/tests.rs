//! Vertex AI, both ways.

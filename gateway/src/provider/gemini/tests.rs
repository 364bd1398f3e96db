//! `generateContent`, both ways.

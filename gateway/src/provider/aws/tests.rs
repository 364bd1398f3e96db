//! Signatures against AWS's published test suite, and errors by what AWS says.

//! The integration tests: one binary, because it links the AWS crates once.

// Golden cases of the translation.
mod translation;

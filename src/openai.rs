//! OpenAI's wire vocabulary: what an app sends, and the error body that it understands.
//!
//! A body is parsed once into types that borrow from it ([`ChatRequest`]). Text stays the JSON
//! token that it was, so that a prompt goes on to Bedrock by copying bytes; what must keep its key
//! order and its number text (tool schemas, logit biases) stays raw JSON.
//!
//! Nothing here knows of Bedrock: what a field means there is decided in `translate`.

pub mod error;
pub mod list;
pub mod message;
mod object;
pub mod request;
pub mod token;
pub mod tool;

pub use error::ErrorBody;
pub(crate) use object::Key;
pub use request::{ChatRequest, Malformed};

//! The wire vocabulary of Bedrock's Converse operations: the body that is sent, the events that
//! come back, and errors. Pure; nothing here knows of OpenAI.

pub mod error;
pub mod event;
pub mod request;

pub use error::{Fault, ServiceError};
pub use event::Event;

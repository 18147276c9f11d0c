//! Cache points: where the service may keep the beginning of a prompt.
//!
//! OpenAI caches by itself, so a migrated app would lose its cache hits. Where the operator accepts
//! the price of writing, the app's own breakpoints are kept (`conversation`), and without any the
//! end of the system prompt (which covers the tools too) and of the last turn are marked.

use crate::converse::request::{Block, CachePoint, ConverseRequest, SystemBlock};
use crate::translate::Target;
use crate::translate::capability::Cache;

/// The most cache points of one call, wherever they are.
pub(super) const POINTS_MAX: usize = 4;

/// Marks what every call of an app has in common, unless the app marked something.
pub(super) fn mark(target: &Target, body: &mut ConverseRequest<'_>) {
    if target.capabilities.cache == Cache::Unsupported || is_marked(body) {
        return;
    }
    if !body.system.is_empty() {
        body.system.push(SystemBlock::CachePoint(CachePoint));
    }
    if let Some(turn) = body.messages.last_mut() {
        turn.content.push(Block::CachePoint(CachePoint));
    }
}

fn is_marked(body: &ConverseRequest<'_>) -> bool {
    let system = body
        .system
        .iter()
        .any(|block| matches!(block, SystemBlock::CachePoint(_)));
    let mut blocks = body.messages.iter().flat_map(|turn| &turn.content);
    system || blocks.any(|block| matches!(block, Block::CachePoint(_)))
}

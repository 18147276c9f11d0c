//! Cache points: where the service may keep the beginning of a prompt.
//!
//! OpenAI caches by itself, so a migrated app would lose its cache hits. Where the operator accepts
//! the price of writing, the app's own breakpoints are kept (`conversation`). Without any, three
//! places are marked: the end of the tools and of the system prompt, which all calls of an app have
//! in common, and of the last turn before the newest, which the next call of this conversation
//! repeats. The newest turn is not: a call that nothing follows would pay for nothing.

use crate::converse::request::{Block, CachePoint, ConverseRequest, SystemBlock, Tool};
use crate::translate::Target;
use crate::translate::capability::Cache;

/// The most cache points of one call, wherever they are.
pub(super) const POINTS_MAX: usize = 4;

/// Marks what other calls have in common with this one, unless the app marked something.
pub(super) fn mark(target: &Target, body: &mut ConverseRequest<'_>) {
    let tools_too = match target.capabilities.cache {
        Cache::Unsupported => return,
        Cache::Points => false,
        Cache::ToolsToo => true,
    };
    if is_marked(body) {
        return;
    }
    if let (true, Some(config)) = (tools_too, &mut body.tool_config) {
        config.tools.push(Tool::CachePoint(CachePoint));
    }
    if !body.system.is_empty() {
        body.system.push(SystemBlock::CachePoint(CachePoint));
    }
    if let Some(turn) = body.messages.iter_mut().nth_back(1) {
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

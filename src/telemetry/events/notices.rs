//! What the journal and the messenger report of themselves. Destinations are named by form and
//! host: their paths are keys.

/// One report. Counted where it is known, not here.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// The journal cannot be written; said once.
    JournalFailing {
        /// What the system says.
        why: &'a str,
    },
    /// It can again.
    JournalHealed,
    /// A destination could not be told; said once for each cause.
    Failing {
        /// Which one.
        to: &'a str,
        /// Why not.
        why: &'a str,
    },
    /// It could again.
    Healed {
        /// Which one.
        to: &'a str,
    },
    /// A destination will not be told of an event.
    Dropped {
        /// Which one.
        to: &'a str,
        /// Of which event.
        id: &'a str,
        /// Why not.
        why: &'a str,
    },
    /// The collector of traces does not take spans; said once for each cause.
    TracesFailing {
        /// Which one.
        to: &'a str,
        /// Why not.
        why: &'a str,
    },
    /// It does again.
    TracesHealed {
        /// Which one.
        to: &'a str,
    },
    /// Who was told what cannot be remembered.
    OutboxFailing {
        /// What the system says.
        why: &'a str,
    },
}

impl Notice<'_> {
    /// Writes its line.
    pub fn emit(self) {
        match self {
            Self::JournalFailing { why } => tracing::error!(event = "journal_failing", "{why}"),
            Self::JournalHealed => {
                tracing::info!(event = "journal_healed", "The journal is up to date again.");
            }
            Self::Failing { to, why } => tracing::warn!(event = "notify_failing", to, "{why}"),
            Self::Healed { to } => tracing::info!(event = "notify_healed", to, "It is told again."),
            Self::Dropped { to, id, why } => {
                tracing::error!(event = "notify_dropped", to, id, "{why}");
            }
            Self::TracesFailing { to, why } => {
                tracing::warn!(event = "traces_failing", to, "{why}")
            }
            Self::TracesHealed { to } => {
                tracing::info!(event = "traces_healed", to, "Spans are taken again.");
            }
            Self::OutboxFailing { why } => tracing::warn!(event = "outbox_failing", "{why}"),
        }
    }
}

use std::time::Duration;

/// What the engine needs to know of a failure to decide on a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolErrorKind {
    /// The arguments are wrong; the same call will fail again.
    Invalid,
    NotFound,
    Denied,
    /// The other side asked for patience.
    RateLimited {
        retry_after: Option<Duration>,
    },
    /// Nothing reached the other side, or it said to try again.
    Transient,
    /// The call may or may not have taken effect.
    OutcomeUnknown,
    /// The result is larger than the tool declared.
    TooLarge,
    Permanent,
}

impl ToolErrorKind {
    /// The kind that a word of [`ToolError::class`] names.
    pub fn of_class(class: &str) -> Self {
        match class {
            "invalid" => Self::Invalid,
            "not_found" => Self::NotFound,
            "denied" => Self::Denied,
            "rate_limited" => Self::RateLimited { retry_after: None },
            "transient" | "timeout" => Self::Transient,
            "outcome_unknown" => Self::OutcomeUnknown,
            "too_large" => Self::TooLarge,
            _ => Self::Permanent,
        }
    }
}

/// A failed call. `message` may be shown to people and models; `detail` goes to the audit only.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ToolError {
    pub kind: ToolErrorKind,
    pub message: String,
    pub detail: Option<String>,
}

impl ToolError {
    pub fn new(kind: ToolErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Invalid, message)
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The word used in `retry: { on: [...] }` and in the journal.
    pub fn class(&self) -> &'static str {
        match self.kind {
            ToolErrorKind::Invalid => "invalid",
            ToolErrorKind::NotFound => "not_found",
            ToolErrorKind::Denied => "denied",
            ToolErrorKind::RateLimited { .. } => "rate_limited",
            ToolErrorKind::Transient => "transient",
            ToolErrorKind::OutcomeUnknown => "outcome_unknown",
            ToolErrorKind::TooLarge => "too_large",
            ToolErrorKind::Permanent => "permanent",
        }
    }
}

//! The endpoints of models as the agent loop asks for them, kept by the engine with all other endpoints.

use crate::{
    agent::{Admission, Endpoints, Hold, ModelErrorClass, Told, Wanted},
    engine::{Reaction, SharedEndpoints},
    run::{Closed, Leave},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

#[async_trait]
impl Endpoints for SharedEndpoints {
    async fn admit(&self, wanted: &Wanted<'_>, now: DateTime<Utc>) -> Admission {
        let Wanted { endpoint, tokens, has_turn } = *wanted;
        let (leave, place) = self.leave(&model_endpoint(endpoint), tokens, has_turn, now).await;
        match leave {
            Leave::Now => Admission::Go(Box::new(place)),
            Leave::Turn { at, refused: true } => Admission::Later { until: at, by: Hold::RateLimited },
            Leave::Turn { at, refused: false } => Admission::Later { until: at, by: Hold::Paced },
            Leave::Closed { until, why: Closed::Failing } => Admission::Later { until, by: Hold::Circuit },
            Leave::Closed { until, why: Closed::Quota } => Admission::Later { until, by: Hold::Quota },
        }
    }

    async fn tell(&self, endpoint: &str, told: Told, unused: u64, now: DateTime<Utc>) {
        let outcome = match told {
            Told::Answered { pause } => Reaction::Answered { pause },
            Told::Failed { class, retry_after } => match class {
                ModelErrorClass::RateLimited => Reaction::Refused { retry_after },
                ModelErrorClass::Quota => Reaction::Exhausted,
                // It answered, and what it says is about the request.
                ModelErrorClass::BadRequest | ModelErrorClass::ContentFilter => {
                    Reaction::Answered { pause: None }
                }
                // A server that is overloaded may name a time, too.
                ModelErrorClass::Server if retry_after.is_some() => Reaction::Refused { retry_after },
                _ => Reaction::Failed,
            },
        };
        SharedEndpoints::tell(self, &model_endpoint(endpoint), outcome, unused, now).await;
    }
}

/// Its name among all endpoints.
pub fn model_endpoint(endpoint: &str) -> String {
    format!("model:{endpoint}")
}

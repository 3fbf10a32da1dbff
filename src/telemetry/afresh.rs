//! A filter that is asked anew for every event.
//!
//! `tracing` remembers for a place in the code that it is always on, and then does not ask the filter again: it
//! takes the answer that the thread gave last. A question without an event (`log_enabled!`, which sqlx puts for each
//! NOTICE of PostgreSQL) leaves its answer there, and the next line of the log would be lost with it.

use tracing::{Event, Metadata, level_filters::LevelFilter, span, subscriber::Interest};
use tracing_subscriber::layer::{Context, Filter};

pub struct Afresh<F>(pub F);

impl<S, F: Filter<S>> Filter<S> for Afresh<F> {
    fn enabled(&self, place: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        self.0.enabled(place, context)
    }

    fn callsite_enabled(&self, place: &'static Metadata<'static>) -> Interest {
        let interest = self.0.callsite_enabled(place);
        if interest.is_always() { Interest::sometimes() } else { interest }
    }

    fn event_enabled(&self, event: &Event<'_>, context: &Context<'_, S>) -> bool {
        self.0.event_enabled(event, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.max_level_hint()
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        self.0.on_record(id, values, context);
    }

    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        self.0.on_enter(id, context);
    }

    fn on_exit(&self, id: &span::Id, context: Context<'_, S>) {
        self.0.on_exit(id, context);
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        self.0.on_close(id, context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    use tracing::Subscriber;
    use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt};

    struct Count(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_question_about_another_target_loses_no_event() {
        let seen = Arc::new(AtomicUsize::new(0));
        let filter = Afresh(EnvFilter::new("warn,takt=info"));
        let subscriber = tracing_subscriber::registry().with(Count(seen.clone()).with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            let tell = || tracing::info!(target: "takt", "takt serves");
            tell();
            let notice = tracing::info_span!(target: "sqlx::postgres::notice", "notice");
            let place = notice.metadata().unwrap();
            tracing::dispatcher::get_default(|dispatch| dispatch.enabled(place));
            tell();
        });
        assert_eq!(seen.load(Ordering::Relaxed), 2);
    }
}

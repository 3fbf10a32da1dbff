//! What happened, in plain words. To be told after the store exists.

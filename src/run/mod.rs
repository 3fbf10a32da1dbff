//! What is true of one execution.

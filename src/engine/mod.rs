//! Motion: claim, work, commit.

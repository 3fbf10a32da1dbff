# The habits people need. Without `just` (cargo install just), type the commands themselves.

# What is there
default:
    @just --list

export CARGO_INCREMENTAL := "1"

# Does it compile?
check:
    cargo check --all-targets

# All tests, or those whose name contains a word: just test gate
test *words:
    cargo test {{ words }}

# Style and lints, as CI sees them
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Ask a database about every query! again; commit what changes in .sqlx
sqlx:
    .ci/sqlx

# The main job, end to end: just demo --answer 1
demo *arguments:
    cargo run --release -- demo {{ arguments }}

# What CI runs
ci:
    .ci/run

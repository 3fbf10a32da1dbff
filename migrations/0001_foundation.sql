-- Time comes from one place, so that a test or the demo can move it. Leases do not use it: they
-- measure real time and must not expire because a test jumped ahead.
create table clock (
    only_row boolean primary key default true check (only_row),
    ahead interval not null default '0'
);
insert into clock default values;

create function takt_now() returns timestamptz language sql stable as
    $$ select clock_timestamp() + ahead from clock $$;

-- A workflow with every file it refers to, exactly as it was when the first run began on it.
create table workflow_version (
    id integer generated always as identity primary key,
    sha256 text not null unique,
    workflow text not null,
    bundle jsonb not null,
    created_at timestamptz not null default takt_now()
);
create index workflow_version_latest on workflow_version (workflow, id desc);

-- One row per worker process; the epoch fences everything it writes.
create table worker (
    id bigint generated always as identity primary key,
    name text not null,
    epoch integer not null default 1,
    lease_until timestamptz not null,
    started_at timestamptz not null default clock_timestamp()
);

-- Hot: one narrow row per live run, touched at start, park and end only.
create table run (
    id uuid primary key,
    version_id integer not null,
    state text not null check (state in ('ready', 'running', 'parked')),
    priority smallint not null default 0,
    next_at timestamptz,
    owner bigint,
    -- Counts signals ever sent to this run, so that a park that misses one becomes ready at once.
    signals integer not null default 0
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
create index run_ready on run (priority, next_at, id) where state = 'ready';
create index run_timer on run (next_at) where state = 'parked' and next_at is not null;
create index run_owner on run (owner) where state = 'running';

-- Cold: what people list and search. Written at start and end, and when the waiting reason changes.
create table run_summary (
    id uuid primary key,
    workflow text not null,
    title text not null,
    subject text,
    key text,
    parent_run uuid,
    parent_path text,
    event_id uuid,
    started_at timestamptz not null,
    ended_at timestamptz,
    outcome text,
    waiting_for text
);
create unique index run_summary_open_key on run_summary (workflow, key) where ended_at is null and key is not null;
create index run_summary_started on run_summary (started_at desc, id desc);
create index run_summary_parent on run_summary (parent_run) where parent_run is not null;
create index run_summary_workflow on run_summary (workflow, started_at desc, id desc);

-- Append-only history; the truth about every run. Partitions are made ahead and dropped, never deleted from.
create table journal (
    run_id uuid not null,
    seq integer not null,
    at timestamptz not null,
    path text,
    attempt integer not null default 0,
    kind text not null,
    data jsonb,
    payload_id uuid,
    primary key (run_id, seq, at)
) partition by range (at);
create table journal_default partition of journal default;

-- Bodies over 8 KiB, kept apart so that the journal stays narrow.
create table payload (
    id uuid not null,
    at timestamptz not null,
    body jsonb not null,
    primary key (id, at)
) partition by range (at);
create table payload_default partition of payload default;

-- What has happened to a run since it last looked: an answer, an event, a child's end, a cancel.
create table signal (
    id uuid primary key,
    run_id uuid not null,
    path text,
    kind text not null check (kind in ('answer', 'event', 'child', 'cancel')),
    body jsonb not null,
    at timestamptz not null default takt_now()
);
create index signal_run on signal (run_id, at);

create table event (
    id uuid primary key,
    source text not null,
    source_id text not null,
    type text not null,
    subject text,
    time timestamptz not null,
    received_at timestamptz not null default takt_now(),
    data jsonb not null,
    trace text,
    state text not null default 'new' check (state in ('new', 'routed', 'held', 'joined', 'ignored', 'flooded', 'failed')),
    note text,
    unique (source, source_id)
);
create index event_new on event (received_at, id) where state = 'new';
create index event_received on event (received_at desc, id desc);

-- An event whose condition must still hold after a while before a run begins.
create table hold (
    workflow text not null,
    key text not null,
    event_id uuid not null references event,
    fire_at timestamptz not null,
    primary key (workflow, key)
);
create index hold_due on hold (fire_at);

-- Runs that wait for an event of a type.
create table subscription (
    run_id uuid not null,
    path text not null,
    event_type text not null,
    since timestamptz not null default takt_now(),
    primary key (run_id, path)
);
create index subscription_type on subscription (event_type);

-- Each firing of a schedule exists once, by construction.
create table cron_firing (
    workflow text not null,
    nominal timestamptz not null,
    run_id uuid,
    note text,
    fired_at timestamptz not null default takt_now(),
    primary key (workflow, nominal)
);

create table intake_rejection (
    source text not null,
    reason text not null,
    day date not null,
    count bigint not null default 1,
    primary key (source, reason, day)
);

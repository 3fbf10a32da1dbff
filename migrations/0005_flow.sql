-- Which plant an event is from: its attribute `plant`, else its source. Whose turn it is rests on it.
alter table event add column plant text;
alter table event drop constraint event_state_check;
alter table event add constraint event_state_check
    check (state in ('new', 'routed', 'held', 'joined', 'ignored', 'flooded', 'limited', 'failed'));

-- One router routes at a time: events are looked at in the order in which they came, and two routers never wait
-- for each other's keys.
create table router_turn (
    only_row boolean primary key default true check (only_row)
);
insert into router_turn default values;

-- A place where runs of a workflow with the same key take turns: at most "limit" of them at a time.
-- in_use counts the live runs that were let in; it changes only under the lock of this row.
create table lane (
    id bigint generated always as identity primary key,
    workflow text not null,
    key text not null,
    "limit" integer not null check ("limit" > 0),
    in_use integer not null default 0 check (in_use >= 0),
    used_at timestamptz not null default takt_now(),
    unique (workflow, key)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);

-- `queued` is a run that waits for its lane: it is in no index that a claim reads.
alter table run drop constraint run_state_check;
alter table run add constraint run_state_check check (state in ('ready', 'running', 'parked', 'queued'));
-- A number for what the turns are kept fair between, the plant if nothing else is said. Two that share a number share turns.
alter table run add column fair integer not null default 0;
alter table run add column lane bigint;
create index run_queued on run (lane, priority desc, id) where state = 'queued';
create index run_lane on run (lane) where lane is not null;

-- Higher priority first; the columns between are what a claim takes turns over.
drop index run_ready;
create index run_ready on run (priority, fair, version_id, next_at, id) where state = 'ready';

-- The latest starts under a `throttle` or a `rate`, oldest first, no more of them than its limit.
create table pace (
    workflow text not null,
    kind text not null check (kind in ('throttle', 'rate')),
    key text not null,
    starts timestamptz[] not null default '{}',
    primary key (workflow, kind, key)
) with (fillfactor = 70);

-- Events that are gathered into one run: the last of a burst, or a batch.
create table gathering (
    workflow text not null,
    key text not null,
    began_at timestamptz not null,
    fire_at timestamptz not null,
    events integer not null default 0,
    bytes bigint not null default 0,
    primary key (workflow, key)
);
create index gathering_due on gathering (fire_at);
create table gathered (
    workflow text not null,
    key text not null,
    position integer not null,
    event_id uuid not null references event,
    primary key (workflow, key, position),
    foreign key (workflow, key) references gathering on delete cascade
);

-- What came above a trigger's `flood`, until one message has told it.
create table flood (
    workflow text primary key,
    id uuid not null,
    began_at timestamptz not null,
    ends_at timestamptz not null,
    events integer not null default 0,
    subjects text[] not null default '{}'
);
create index flood_ending on flood (ends_at);

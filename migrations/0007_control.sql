-- Control of runs by people, and runs that need one.

alter table signal drop constraint if exists signal_kind_check;
alter table signal add constraint signal_kind_check
    check (kind in ('answer', 'event', 'child', 'cancel', 'pause', 'resume'));
-- What a working run must hear at its next step, and not only when it parks.
create index signal_urgent on signal (run_id) where kind in ('cancel', 'pause');

-- A run that was set aside is claimed by nobody and woken by nothing, until a person says so.
alter table run drop constraint if exists run_state_check;
alter table run add constraint run_state_check check (state in ('ready', 'running', 'parked', 'queued', 'set_aside'));
-- Workers that died with this run in their hands since it last got on, and since when that is counted.
alter table run add column takeovers smallint not null default 0;
alter table run add column taken_at timestamptz;

alter table run_summary add column hold text
    check (hold in ('paused', 'quarantined', 'unreadable', 'no_definition'));
alter table run_summary add column hold_reason text;
alter table run_summary add column failed_step text;
alter table run_summary add column failure_class text;
alter table run_summary add column failure text;
-- A person has seen the failure and leaves it at that.
alter table run_summary add column dismissed_at timestamptz;
create index run_summary_attention on run_summary (id desc)
    where (outcome = 'failed' and dismissed_at is null) or (hold <> 'paused' and ended_at is null);

-- An order over many runs, worked off page by page: the cursor is moved in the transaction of its page.
create table bulk_order (
    id uuid primary key,
    action jsonb not null,
    filter jsonb not null,
    by text not null,
    reason text not null,
    cursor uuid not null default '00000000-0000-0000-0000-000000000000',
    done bigint not null default 0,
    left_out jsonb not null default '{}',
    started_at timestamptz not null default takt_now(),
    finished_at timestamptz
);

-- Retries that had to wait because their system had enough of them.
create table retry_deferral (
    system text not null,
    day date not null,
    count bigint not null,
    primary key (system, day)
);

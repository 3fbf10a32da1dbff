-- Where a schedule stands: every nominal time up to `through` has been decided, each once.
create table schedule (
    workflow text primary key,
    through timestamptz not null,
    -- Cron, time zone and calendar as they were when `through` was written: others begin anew.
    spec text,
    paused_at timestamptz,
    paused_by text,
    pause_note text,
    check ((paused_at is null) = (paused_by is null))
);
insert into schedule (workflow, through)
    select workflow, max(nominal) from cron_firing group by workflow;

-- One row for each nominal time of a schedule, whoever asked for it: the clock, a backfill or a person. So no
-- nominal time starts two runs.
create table firing (
    workflow text not null,
    nominal timestamptz not null,
    origin text not null check (origin in ('clock', 'backfill', 'trigger')),
    asked_by text,
    -- `asked` is to be decided by the overlap policy, `buffered` starts when the open run has ended.
    state text not null
        check (state in ('asked', 'buffered', 'started', 'missed', 'paused', 'skipped', 'failed')),
    run_id uuid,
    note text,
    at timestamptz not null default takt_now(),
    primary key (workflow, nominal),
    check ((state = 'started') = (run_id is not null))
);
insert into firing (workflow, nominal, origin, state, run_id, note, at)
    select workflow, nominal, 'clock',
        case when note like 'run %' then 'started' when note = 'missed' then 'missed'
             when note like 'skipped%' then 'skipped' else 'failed' end,
        case when note like 'run %' then substring(note from 5)::uuid end,
        case when note like 'run %' or note = 'missed' then null else note end,
        fired_at
    from cron_firing where note is distinct from 'the schedule begins';
create index firing_waiting on firing (workflow, nominal) where state in ('asked', 'buffered');
drop table cron_firing;

-- A wait may name the subject of its event: then only events about it wake the run.
alter table subscription add column subject text;
drop index subscription_type;
create index subscription_event on subscription (event_type, subject);

-- Looking back for an event that came before its wait began.
create index event_type on event (type, received_at, id);
create index event_subject on event (type, subject, received_at, id);

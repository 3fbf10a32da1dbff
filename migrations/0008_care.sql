-- What has to be done from time to time, by whichever process gets there first: a task is taken by moving its
-- time ahead, in one statement, so no lock is held while it is done.
create table upkeep (
    task text primary key,
    due_at timestamptz not null default '-infinity',
    done_at timestamptz,
    -- What the task found, for people: culprits that hold vacuum back, days that cannot be dropped yet.
    finding jsonb not null default '[]',
    error text
);
insert into upkeep (task) values ('watch'), ('analyze'), ('retention');

-- Hot tables are small and change all the time: room on each page for the next version of a row, and a vacuum
-- that comes after hundreds of changes instead of after a share of a table that never grows.
alter table run set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 200, autovacuum_vacuum_cost_delay = 0);
alter table worker set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100,
    autovacuum_vacuum_cost_delay = 0);
alter table signal set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
alter table subscription set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
alter table open_key set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
alter table hold set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200,
    autovacuum_vacuum_cost_delay = 0);
alter table upkeep set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
alter table intake_rejection set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
-- These grow with history; each row is changed a few times while it is young.
alter table run_summary set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.02);
alter table event set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.02);
alter table outbox set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
    autovacuum_analyze_scale_factor = 0.02);
alter table gate set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
    autovacuum_analyze_scale_factor = 0.02);

-- Old rows are found by age when a policy trims them.
create index run_summary_ended on run_summary (ended_at) where ended_at is not null;
create index outbox_created on outbox (created_at);

-- Probes and scrapes count these; history of the same table does not slow them down.
create index event_failed on event (received_at) where state = 'failed';
create index outbox_failed on outbox (created_at) where state = 'failed';

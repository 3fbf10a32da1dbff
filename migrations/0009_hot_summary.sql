-- Ending a run changes no indexed column of its list entry: otherwise each end writes the row and every index entry
-- anew. What needs a person is marked in a column of its own, which no run that ends well touches; old runs are
-- found by their ids, which are in the order of their starts.
alter table run_summary add column attention boolean not null default false;
update run_summary set attention = true
    where (outcome = 'failed' and dismissed_at is null) or (hold <> 'paused' and ended_at is null);
drop index run_summary_attention;
drop index run_summary_ended;
create index run_summary_attention on run_summary (id desc) where attention;
alter table run_summary set (fillfactor = 75);

-- PostgreSQL reads a check constraint and the condition of an index anew for each statement that writes the table:
-- a third of what it costs to start and to end a run. The words are an enum of the program.
alter table run drop constraint run_state_check;
alter table run_summary drop constraint run_summary_hold_check;
drop index run_lane;
drop index run_queued;
create index run_lane on run (lane, state, priority desc, id) where lane is not null;

-- A ready run says since when it is ready, so that a claim need not pass the rows before it that vacuum may not remove.
update run set next_at = takt_now() where state = 'ready' and next_at is null;

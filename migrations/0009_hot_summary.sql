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

-- What one step costs: as few rows, index entries and bytes as the guarantees allow.

-- Keys of open runs stand in a table of their own, so that ending a run changes no indexed column of its summary.
create table open_key (
    workflow text not null,
    key text not null,
    run_id uuid not null,
    primary key (workflow, key)
);
create index open_key_run on open_key (run_id);
insert into open_key (workflow, key, run_id)
    select workflow, key, id from run_summary where ended_at is null and key is not null;

-- Run ids are time-ordered (UUIDv7), so the newest run has the highest id.
drop index run_summary_open_key;
drop index run_summary_started;
drop index run_summary_workflow;
create index run_summary_workflow on run_summary (workflow, id desc);
-- Each row is changed once or more, at the end and where it waits: with room beside it no index notices.
alter table run_summary set (fillfactor = 65);

-- Takeover looks for a dead worker's runs once in a while; every start and park would pay for its index.
drop index run_owner;

-- One row holds the records that one commit wrote for one run, as [[offset in µs, path, attempt, kind, data,
-- payload id], …]; `seq` and `at` are those of the first. A run's rows all lie in the partition of the day it
-- began, so that reading it touches one, and a day is dropped as a whole.
alter table journal rename to journal_by_record;
alter table payload rename to payload_by_record;
alter table journal_by_record rename constraint journal_pkey to journal_by_record_pkey;
alter table payload_by_record rename constraint payload_pkey to payload_by_record_pkey;
alter table journal_default rename to journal_by_record_default;
alter table payload_default rename to payload_by_record_default;

create table journal (
    run_id uuid not null,
    at timestamptz not null,
    seq integer not null,
    -- `json`, not `jsonb`: written once, read whole, and it keeps every text that JSON can hold.
    records json not null,
    primary key (run_id, seq)
) partition by range (run_id);
create table journal_default partition of journal default;

create table payload (
    id uuid primary key,
    body json not null
) partition by range (id);
create table payload_default partition of payload default;

insert into journal (run_id, seq, at, records)
    select run_id, seq, at, json_build_array(json_build_array(0, path, attempt, kind, data, payload_id))
    from journal_by_record;
insert into payload (id, body) select id, body from payload_by_record;
drop table journal_by_record;
drop table payload_by_record;

-- The journal record by record, for people who look with SQL.
create view journal_record as
    select journal.run_id,
           journal.seq + record.ordinality::integer - 1 as seq,
           journal.at + make_interval(secs => (record.value ->> 0)::double precision / 1000000) as at,
           record.value ->> 1 as path,
           (record.value ->> 2)::integer as attempt,
           record.value ->> 3 as kind,
           record.value -> 4 as data,
           (record.value ->> 5)::uuid as payload_id
    from journal, json_array_elements(journal.records) with ordinality as record;

-- The workflows that could not take a failed event: it is fired again for these only.
alter table event add column failed_for text[];

-- Journal and payloads have a partition for each day and no default one. A day that runs into a default partition cannot
-- get its own any more and never goes; and a table that has one can be given a day, or lose one, only while everybody waits.
-- Days are made ahead, and by whoever meets one that is missing.
create function takt_make_day(parent text, day date) returns void language plpgsql as $$
declare
    name text := parent || '_' || to_char(day, 'YYYYMMDD');
    lowest text := lpad(to_hex((extract(epoch from day) * 1000)::bigint), 12, '0');
    limit_id text := lpad(to_hex((extract(epoch from day + 1) * 1000)::bigint), 12, '0');
begin
    if to_regclass(quote_ident(name)) is null then
        execute format('create table %I partition of %I for values from (%L) to (%L)', name, parent,
                       (rpad(lowest, 32, '0'))::uuid, (rpad(limit_id, 32, '0'))::uuid);
    end if;
end $$;

do $$
declare
    parent text;
    day date;
    today date := (takt_now() at time zone 'utc')::date;
begin
    foreach parent in array array['journal', 'payload'] loop
        execute format('alter table %I detach partition %I', parent, parent || '_default');
        -- An id begins with its time in milliseconds.
        for day in execute format(
            $q$ select distinct (to_timestamp(('x' || left(replace(%I::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
                                 at time zone 'utc')::date from %I $q$,
            case parent when 'journal' then 'run_id' else 'id' end, parent || '_default')
        loop
            perform takt_make_day(parent, day);
        end loop;
        for ahead in 0..7 loop
            perform takt_make_day(parent, today + ahead);
        end loop;
        execute format('insert into %I select * from %I', parent, parent || '_default');
        execute format('drop table %I', parent || '_default');
    end loop;
end $$;

drop function takt_make_day(text, date);

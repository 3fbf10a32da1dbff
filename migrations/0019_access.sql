-- `audit_purge` runs as its owner. What its caller can make stands in the temporary schema, which PostgreSQL looks at
-- first unless it is named: so it is named last, and the schema of the trail is fixed.
do $$
declare
    purge constant regprocedure := 'audit_purge(timestamptz, integer)'::regprocedure;
    found pg_proc := (select proc from pg_proc proc where oid = purge);
begin
    if pg_has_role(found.proowner, 'usage') then
        execute format('alter function audit_purge(timestamptz, integer) set search_path = pg_catalog, %I, pg_temp',
                       found.pronamespace::regnamespace::text);
    elsif not coalesce(found.proconfig::text like '%, pg_temp%', false) then
        raise exception 'audit_purge belongs to another role and is open to an attack: run docs/audit-role.sql of this '
                        'version as a superuser once more, then start Takt again';
    end if;
end $$;

-- A digest of the password hash a session was opened with: with another password it counts no longer.
alter table session add column password_mark text;

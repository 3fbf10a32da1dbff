-- Gives the audit trail to a role of its own, so that the role Takt works as can add to it and change nothing.
-- Run it as a superuser, after Takt has made its tables, and again whenever the text of an upgrade asks for it:
--
--     psql -v app=takt -f docs/audit-role.sql "postgres://postgres@db.example/takt"
--
-- `app` is the user in DATABASE_URL. All of it happens or nothing. It stops where the division would not hold: where
-- `app` is a superuser, may make roles, is a member of takt_audit, or owns the database or the schema of the tables
-- (an owner may drop what others have in it).
\set ON_ERROR_STOP on
begin;
select set_config('takt.audit_app', :'app', true) as app;

do $$
declare
    app constant text := current_setting('takt.audit_app');
    home constant regnamespace := (select relnamespace from pg_class where oid = 'audit_record'::regclass);
    -- Those whose rights `app` has, itself among them.
    is_app oid[];
begin
    if not exists (select from pg_roles where rolname = app) then
        raise exception 'there is no role %: give the user of DATABASE_URL with -v app=', app;
    end if;
    is_app := array(select oid from pg_roles where pg_has_role(app, oid, 'member'));
    if exists (select from pg_roles where rolname = app and (rolsuper or rolcreaterole or rolbypassrls or rolreplication)) then
        raise exception '% is a superuser, or may make roles or replicate: give Takt a role that may not', app;
    end if;
    if not exists (select from pg_roles where rolname = 'takt_audit') then
        create role takt_audit nologin;
    elsif exists (select from pg_roles where rolname = 'takt_audit'
                  and (rolcanlogin or rolsuper or rolcreaterole)) then
        raise exception 'takt_audit may log in or more: alter role takt_audit nologin nosuperuser nocreaterole';
    end if;
    if pg_has_role(app, 'takt_audit', 'member') then
        raise exception '% is a member of takt_audit: revoke takt_audit from it', app;
    end if;
    if exists (select from pg_database where datname = current_database() and datdba = any (is_app)) then
        raise exception '% owns the database, and could drop what others have in it: alter database % owner to postgres',
            app, current_database();
    end if;
    if exists (select from pg_namespace where oid = home and nspowner = any (is_app)) then
        raise exception '% owns the schema %, and could drop what others have in it: alter schema % owner to postgres, '
                        'and grant usage, create on it', app, home, home;
    end if;
    execute format('grant usage on schema %s to takt_audit', home);
    -- The function runs as its owner: nothing that its caller can make may stand before what it names.
    execute format('alter function audit_purge(timestamptz, integer) set search_path = pg_catalog, %s, pg_temp', home);
end $$;

alter table audit_record owner to takt_audit;
alter table audit_detail owner to takt_audit;
alter table audit_seal owner to takt_audit;
alter table audit_checkpoint owner to takt_audit;
alter table audit_head owner to takt_audit;
alter view audit owner to takt_audit;
alter function audit_is_append_only() owner to takt_audit;
alter function audit_purge(timestamptz, integer) owner to takt_audit;

revoke all on audit_record, audit_detail, audit_seal, audit_checkpoint, audit_head, audit from :"app";
revoke all on audit_record, audit_detail, audit_seal, audit_checkpoint, audit_head, audit from public;
grant select, insert on audit_record, audit_detail, audit_seal, audit_checkpoint to :"app";
grant select on audit to :"app";
-- The sealer moves the end of the chain; that it only moves forward is what checkpoints are for.
grant select, update on audit_head to :"app";
grant usage, select on sequence audit_record_id_seq, audit_checkpoint_id_seq to :"app";
-- Details may go by age, and only through this.
revoke all on function audit_purge(timestamptz, integer) from public;
grant execute on function audit_purge(timestamptz, integer) to :"app";
commit;

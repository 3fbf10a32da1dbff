-- Gives the audit trail to a role of its own, so that the role Takt works as can add to it and change nothing.
-- Run it once as a superuser, after Takt has made its tables:
--
--     psql -v app=takt -f docs/audit-role.sql "postgres://postgres@db.example/takt"
--
-- `app` is the user in DATABASE_URL. It must be no superuser, no member of takt_audit, and not the owner of the database:
-- whoever owns a database may drop what others have in it.
select not exists (select from pg_roles where rolname = 'takt_audit') as is_new \gset
\if :is_new
create role takt_audit nologin;
\endif

alter table audit_record owner to takt_audit;
alter table audit_detail owner to takt_audit;
alter table audit_seal owner to takt_audit;
alter table audit_checkpoint owner to takt_audit;
alter table audit_head owner to takt_audit;
alter function audit_is_append_only() owner to takt_audit;
alter function audit_purge(timestamptz, integer) owner to takt_audit;

revoke all on audit_record, audit_detail, audit_seal, audit_checkpoint, audit_head from :"app";
grant select, insert on audit_record, audit_detail, audit_seal, audit_checkpoint to :"app";
-- The sealer moves the end of the chain; that it only moves forward is what checkpoints are for.
grant select, update on audit_head to :"app";
grant usage, select on sequence audit_record_id_seq, audit_checkpoint_id_seq to :"app";
-- Details may go by age, and only through this.
grant execute on function audit_purge(timestamptz, integer) to :"app";

-- More than one person may have to agree, one may answer for another, and one may decide alone in an emergency.
alter table gate add column quorum smallint not null default 1 check (quorum >= 1);

-- Answers are appended, never changed; one per person. The one that settles a gate is its last.
alter table gate_vote drop constraint gate_vote_pkey;
alter table gate_vote add primary key (gate_id, person);
alter table gate_vote add column seq bigint generated always as identity;
alter table gate_vote add column on_behalf_of text;
alter table gate_vote add column reason_code text;
alter table gate_vote add column overrides boolean not null default false;
create function gate_vote_is_append_only() returns trigger language plpgsql as
    $$ begin raise exception 'an answer is never changed'; end $$;
create trigger gate_vote_append_only before update on gate_vote
    for each statement execute function gate_vote_is_append_only();

-- Somebody answers for somebody else until a time: what a role is asked, or, without a role, everything.
create table delegation (
    id uuid primary key,
    person text not null,
    delegate text not null check (delegate <> person),
    role text,
    starts_at timestamptz not null,
    until timestamptz not null check (until > starts_at),
    ended_at timestamptz,
    ended_by text
);
create index delegation_live on delegation (until) where ended_at is null;

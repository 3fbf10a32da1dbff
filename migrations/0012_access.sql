-- A session ends when nobody uses it, and all of a person's can be ended at once.
alter table session add column used_at timestamptz not null default clock_timestamp();
alter table session add column via text not null default 'password';
create index session_person on session (person);

-- A sign-in at the identity provider that has begun: used once, by the browser that began it.
-- With a session and a gate it is a signature's, and signs nobody in.
create table sign_in_attempt (
    state_hash text primary key,
    browser_hash text not null,
    nonce text not null,
    verifier text not null,
    next text not null,
    session text,
    gate_id uuid,
    proposal_hash text,
    started_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null
);

-- Somebody has signed in once more, for one answer to one proposal.
create table reauthentication (
    session text not null references session on delete cascade,
    gate_id uuid not null,
    proposal_hash text not null,
    at timestamptz not null,
    expires_at timestamptz not null,
    primary key (session, gate_id)
);

-- A signature and the answer it belongs to; its hash is over both. It goes when the answer goes, and never changes.
create table gate_signature (
    gate_id uuid not null references gate on delete cascade,
    person text not null,
    name text not null,
    meaning text not null,
    method text not null check (method in ('password', 'oidc')),
    record_hash text not null,
    at timestamptz not null,
    primary key (gate_id, person)
);
create function signature_is_final() returns trigger language plpgsql as
    $$ begin raise exception 'a signature is never changed'; end $$;
create trigger signature_final before update on gate_signature
    for each statement execute function signature_is_final();

-- Links that stand for somebody without a session: one person at one question, or one partner at one order.
create table access_link (
    id uuid primary key,
    token_hash text not null unique,
    kind text not null check (kind in ('embed', 'partner')),
    person text,
    gate_id uuid,
    partner text,
    subject text,
    ask jsonb not null default '{}',
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    used_at timestamptz,
    revoked_at timestamptz
);
create index access_link_recent on access_link (created_at desc);

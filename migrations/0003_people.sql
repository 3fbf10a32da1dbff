-- A question to people. The first valid answer wins; a changed proposal is a different hash.
create table gate (
    id uuid primary key,
    run_id uuid not null,
    path text not null,
    form text not null check (form in ('acknowledge', 'approve', 'choose', 'form')),
    state text not null default 'open' check (state in ('open', 'answered', 'closed')),
    role text,
    person text,
    excluded text[] not null default '{}',
    ask jsonb not null,
    proposal_hash text not null,
    token_hash text not null unique,
    rung smallint not null default 0,
    opened_at timestamptz not null,
    expires_at timestamptz not null
);
create index gate_open on gate (expires_at) where state = 'open';
create index gate_run on gate (run_id);

-- Answers are appended, never changed. One per gate.
create table gate_vote (
    gate_id uuid primary key references gate,
    person text not null,
    decision text not null check (decision in ('acknowledge', 'approve', 'choose', 'edit', 'reject')),
    body jsonb not null,
    reason text,
    channel text not null,
    proposal_hash text not null,
    at timestamptz not null
);

-- Messages to people, written with the transition that causes them and delivered afterwards.
create table outbox (
    id uuid primary key,
    run_id uuid not null,
    path text,
    gate_id uuid,
    channel text not null,
    role text,
    person text,
    message jsonb not null,
    state text not null default 'queued' check (state in ('queued', 'sent', 'failed')),
    attempts integer not null default 0,
    next_at timestamptz not null default takt_now(),
    receipt jsonb,
    error text,
    created_at timestamptz not null default takt_now()
);
create index outbox_queued on outbox (next_at) where state = 'queued';
create index outbox_gate on outbox (gate_id) where gate_id is not null;
create index outbox_recent on outbox (created_at desc) where channel = 'console';

create table session (
    token_hash text primary key,
    person text not null,
    csrf text not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null
);

-- Who did what outside a run: sign-ins, rejected webhooks, deploys, cancels. Insert only.
create table audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default takt_now(),
    actor text not null,
    action text not null,
    object text,
    detail jsonb not null default '{}'
);
create function audit_is_append_only() returns trigger language plpgsql as
    $$ begin raise exception 'the audit is append-only'; end $$;
create trigger audit_append_only before update or delete on audit
    for each statement execute function audit_is_append_only();

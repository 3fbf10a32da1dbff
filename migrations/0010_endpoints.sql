-- What all workers know together of an endpoint that answers slowly, rations its answers or fails: a model server.
-- A row is only there while something is to be remembered.
create table endpoint (
    name text primary key,
    -- It asked to be left alone until then.
    not_before timestamptz,
    -- Requests go out this far apart, since it had too many; 0 when nobody waits for a turn.
    gap_ms integer not null default 0 check (gap_ms >= 0),
    -- The next turn that nobody has.
    next_turn timestamptz,
    -- Answers since it last had too many requests.
    answered integer not null default 0,
    -- Failures in a row.
    failures integer not null default 0,
    -- Nobody asks it until then; after that one request tries for the others.
    closed_until timestamptz,
    closed_for text check (closed_for in ('failing', 'quota')),
    check ((closed_until is null) = (closed_for is null))
) with (fillfactor = 70);

-- What a site says an endpoint may be asked in a time holds for all workers together. Each request takes its part of the
-- time; these say when all that was given out would be paid off. Null where the site says nothing.
alter table endpoint
    add column requests_at timestamptz,
    add column tokens_at timestamptz;

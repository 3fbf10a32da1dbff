-- What the card of a delivered question shows: buttons, or how the question ended. Cards that still show buttons while
-- their gate is not open any more, or asks somebody else by now, are found here, whatever changed the gate.
alter table outbox add column card text check (card in ('open', 'settled'));
alter table outbox add column card_rung smallint;
update outbox set card = 'open', card_rung = 0
 where state = 'sent' and message ->> 'kind' = 'ask' and jsonb_typeof(receipt) = 'object'
   and gate_id in (select id from gate where state = 'open');
create index outbox_card_open on outbox (channel, next_at) where card = 'open';

-- Where the rest of a run's story is told: below its newest card in each room, until the run ends.
create table story_thread (
    run_id uuid not null,
    channel text not null,
    room text not null,
    receipt jsonb not null,
    -- Records of the journal that were told of, or are older than the card.
    told integer not null,
    ended boolean not null default false,
    since timestamptz not null default takt_now(),
    primary key (run_id, channel, room)
);
create index story_thread_open on story_thread (channel) where not ended;

-- Conversations of a chat that has to be heard before it can be written to, as it described them when it was heard last.
create table conversation (
    channel text not null,
    id text not null,
    -- Whose conversation it is, where it is one person's.
    person text,
    reference jsonb not null,
    seen_at timestamptz not null default takt_now(),
    primary key (channel, id)
);
create index conversation_person on conversation (channel, person) where person is not null;

-- One-time links in mails: each for one person, one gate and the proposal that was shown. Only the hash is kept.
create table answer_link (
    token_hash text primary key,
    gate_id uuid not null,
    person text not null,
    proposal_hash text not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index answer_link_expires on answer_link (expires_at);

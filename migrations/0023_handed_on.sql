-- Whom a question was handed on to, as the ladder was climbed: [{id, name}]. Whom it asked first stands in `ask`.
alter table gate add column people jsonb;

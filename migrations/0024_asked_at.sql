-- When those who are asked now were asked: later than `opened_at` once a question was handed on.
alter table gate add column asked_at timestamptz;
update gate set asked_at = opened_at;
alter table gate alter column asked_at set default takt_now(), alter column asked_at set not null;

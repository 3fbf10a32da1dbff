-- When those who are asked now were asked, where that is later than `opened_at`: once a question was handed on.
alter table gate add column asked_at timestamptz;
-- Open questions one after another, however many there are.
create index gate_open_by_id on gate (id) where state = 'open';

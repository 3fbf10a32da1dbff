-- The program that said whose answer it is: one program speaks for one person of a question.
alter table gate_vote add column named_by text;

-- The program that said somebody handed their answers over: what is answered under it rests on its word.
alter table delegation add column named_by text;

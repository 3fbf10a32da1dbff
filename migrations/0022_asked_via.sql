-- Which door or program says so, where somebody asked for a firing: a program that names who asked names nobody who approves.
alter table firing add column asked_via text;

-- When the latest start was booked: a clock that says less now was ahead then, and its starts move back with it.
alter table pace add column booked_at timestamptz;

-- How people answered the same question before, newest first: what a gate's `auto_if` may rest on.
create index gate_asked on gate ((ask ->> 'workflow'), path, opened_at desc);

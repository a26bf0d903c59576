-- Version 4: what `harness selftest` saw: accidents planted in a copy of the record, and what the rules said to each.
create table selftest (
    experiment_id varchar not null,
    position integer not null,
    name varchar not null,
    done varchar not null,                       -- what was done to the copy
    expected varchar not null,
    got varchar not null,
    status varchar not null check (status in ('pass', 'fail', 'info', 'not_applicable')),
    seconds double not null check (isfinite(seconds)),
    created_at timestamp not null default current_timestamp,
    primary key (experiment_id, position)
);
